# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Strands: stop, go on, wait for a lock, hand errors over; each with its own call stack and current task."""

from __future__ import annotations

import pytest

from bpfvm.errors import KernelReport, SyscallError, UsageError
from tests.mm.world import World
from thpmm.strand import SpinLock


@pytest.fixture
def world() -> World:
    made = World()
    made.thp.spawn("a")
    return made


def test_own_call_stack_and_current(world: World) -> None:
    strand = world.thp.start("fork", lambda: world.thp.fork("a", "b"), pause_at="before_fork_hook")
    assert (strand.state, strand.point) == ("paused", "before_fork_hook")
    assert world.kernel.call_stack == []
    assert world.thp.machine.current == []
    child = strand.resume()
    assert (strand.state, child.name) == ("done", "b")
    with pytest.raises(UsageError, match="is done, not paused"):
        strand.resume()


def test_errors_are_raised_where_the_strand_is_resumed(world: World) -> None:
    strand = world.thp.start("fork", lambda: world.thp.fork("a", "b", fail_at="pid"), pause_at="before_fork_hook")
    with pytest.raises(SyscallError):
        strand.resume()
    with pytest.raises(SyscallError):
        world.thp.start("fork", lambda: world.thp.fork("a", "b", fail_at=0))


def test_never_reaching_the_point_is_simply_done(world: World) -> None:
    strand = world.thp.start("mmap", lambda: world.thp.mmap("a", 4096), pause_at="before_exec_mmap")
    assert strand.is_("done")
    assert strand.result


def test_locks(world: World) -> None:
    lock = SpinLock("test_lock", world.thp.machine.strands)
    order: list[str] = []

    def holder() -> None:
        with lock.held("holder"):
            world.kernel.pause_point("holding")
            order.append("holder")

    def waiter() -> None:
        with lock.held("waiter"):
            order.append("waiter")

    held = world.thp.start("holder", holder, pause_at="holding")
    with pytest.raises(KernelReport, match="soft lockup - test_lock is held by holder"):
        waiter()
    waiting = world.thp.start("waiter", waiter)
    assert (waiting.state, waiting.point) == ("blocked", "test_lock")
    held.resume()
    assert waiting.is_("done")
    assert order == ["holder", "waiter"]
    assert lock.holder is None


def test_update_mutex_is_waited_for(world: World) -> None:
    world.thp.spawn("b")
    first = world.policy("one", pid=world.thp.task("a").pid)
    second = world.policy("two", pid=world.thp.task("b").pid)
    one = world.thp.start("one", lambda: world.sys.link_create(first), pause_at="reg_after_get_mm")
    two = world.thp.start("two", lambda: world.sys.link_create(second))
    assert two.is_("blocked")
    one.resume()
    assert two.is_("done")
    assert world.thp.lists() == {"one": ["a"], "two": ["b"]}


def test_detach_waits_for_a_running_program(world: World) -> None:
    link = world.attach("pol", "a")
    fault = world.thp.start("fault", lambda: world.thp.fresh_fault("a"), pause_at="hook_before_call")
    detach = world.thp.start("detach", lambda: world.sys.link_detach(link))
    assert (detach.state, detach.point) == ("blocked", "synchronize_rcu")
    assert fault.resume().managed_by == "pol"
    assert detach.is_("done")
    assert world.manager("a") is None
