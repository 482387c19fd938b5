# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Tasks from clone to reap, and their address spaces."""

from __future__ import annotations

import pytest

from bpfvm.errors import SyscallError, UsageError
from bpfvm.memory import View, view
from bpfvm.memory.lists import list_iter
from tests.mm.invariants import check_machine
from tests.mm.world import World
from thpmm.fork import AFTER_MM, BEFORE_MM, IN_MM


@pytest.fixture
def world() -> World:
    made = World(checker="kasan")
    made.thp.spawn("a")
    return made


def target(of: View, *names: str) -> View:
    """Where a chain of pointers leads."""
    for name in names:
        found = of.deref(name)
        assert found is not None
        of = found
    return of


def test_what_programs_can_read(world: World) -> None:
    task, btf = world.thp.task("a"), world.kernel.btf
    seen = view(world.memory, btf, "task_struct", task.addr)
    assert seen["comm"].string() == "a"
    assert (seen["pid"], seen["tgid"]) == (task.pid, task.pid)
    mm = target(seen, "mm")
    assert mm["mm_users.counter"] == mm["mm_count.counter"] == 1
    assert mm["owner"] == task.addr
    assert mm["map_count"] == 3
    assert mm["rss_stat"][1]["count"] == 1
    parent = target(seen, "real_parent")
    assert parent["pid"] == 1
    nodes = list_iter(world.memory, parent.addr_of("children"))
    assert [node - seen.offset("sibling") for node in nodes] == [task.addr]
    assert target(seen, "cgroups", "dfl_cgrp", "kn")["id"] == 1
    assert target(mm, "exe_file", "f_inode")["i_ino"] == 3


def test_fork_copies_and_shares(world: World) -> None:
    thp = world.thp
    addr = thp.fresh_fault("a").addr
    thp.fork("a", "b")
    check_machine(thp)
    assert thp.fault("b", addr, "read").kind == "spurious"
    assert thp.fault("b", addr).kind == "cow"
    assert thp.smaps("b").at(addr).AnonHugePages == 0
    assert thp.fault("a", addr).kind == "cow"
    check_machine(thp)
    thp.exit("b")
    assert thp.task("b").zombie
    thp.reap("b")
    check_machine(thp)


@pytest.mark.parametrize("place", [*BEFORE_MM, *IN_MM, *AFTER_MM, 0, 1, 2, 3])
def test_failed_fork_leaves_nothing(world: World, place: str | int) -> None:
    before = (len(world.thp.tasks), len(world.thp.machine.mms), world.thp.machine.zone.free_pages)
    live = len(world.memory.live_blocks())
    with pytest.raises(SyscallError) as error:
        world.thp.fork("a", "b", fail_at=place)
    if place in IN_MM or isinstance(place, int):
        assert error.value.name == "ENOMEM"
    assert (len(world.thp.tasks), len(world.thp.machine.mms), world.thp.machine.zone.free_pages) == before
    assert len(world.memory.live_blocks()) == live
    check_machine(world.thp)
    world.thp.fork("a", "b")


def test_unknown_places_are_refused(world: World) -> None:
    with pytest.raises(UsageError, match="fork can't fail at 'nowhere'"):
        world.thp.fork("a", "b", fail_at="nowhere")
    with pytest.raises(UsageError, match="exec can't fail at"):
        world.thp.exec("a", fail_at="nowhere")
    with pytest.raises(UsageError, match="no task 'z'"):
        world.thp.fault("z", 0)


@pytest.mark.parametrize(
    ("place", "errno"), [("open", "ENOENT"), ("access", "EACCES"), ("binfmt", "ENOEXEC"), ("args", "E2BIG")]
)
def test_exec_refused(world: World, place: str, errno: str) -> None:
    mm = world.thp.task("a").mm
    with pytest.raises(SyscallError) as error:
        world.thp.exec("a", fail_at=place)
    assert error.value.name == errno
    assert world.thp.task("a").mm is mm
    check_machine(world.thp)


@pytest.mark.parametrize("place", ["point_of_no_return", "after_exec_mmap"])
def test_exec_too_late_to_fail(world: World, place: str) -> None:
    world.attach("pol", "a")
    world.thp.exec("a", fail_at=place)
    assert world.thp.task("a").zombie
    assert world.thp.lists() == {"pol": []}
    check_machine(world.thp)


def test_exec_of_a_thread_takes_over_the_process(world: World) -> None:
    pid = world.thp.task("a").pid
    world.thp.thread("a", "t")
    world.thp.exec("t", "/bin/new")
    task = world.thp.task("t")
    assert (task.pid, task.tgid, task.comm) == (pid, pid, "new")
    with pytest.raises(UsageError):
        world.thp.task("a")
    assert world.thp.task(pid) is task
    check_machine(world.thp)


def test_vfork_parent_waits_until_release(world: World) -> None:
    child = world.thp.vfork("a", "v")
    assert world.thp.task("a").waiting_vfork is child
    assert child.vfork_done != 0
    assert child.mm is world.thp.task("a").mm
    check_machine(world.thp)
    world.thp.exec("v")
    assert world.thp.task("a").waiting_vfork is None
    assert child.vfork_done == 0
    check_machine(world.thp)


def test_posix_spawn_that_fails(world: World) -> None:
    with pytest.raises(SyscallError) as error:
        world.thp.posix_spawn("a", "s", fail_at="open")
    assert error.value.name == "ENOENT"
    assert "s" not in [task.name for task in world.thp.tasks]
    check_machine(world.thp)


def test_threads_share_and_leave_one_by_one(world: World) -> None:
    thread = world.thp.thread("a", "t")
    assert thread.tgid == world.thp.task("a").pid
    assert thread.mm is world.thp.task("a").mm
    world.thp.exit("a")
    assert world.thp.task("a").zombie
    assert thread.mm is not None
    assert thread.mm.owner is thread
    with pytest.raises(SyscallError) as error:
        world.thp.reap("a")
    assert error.value.name == "EAGAIN"
    check_machine(world.thp)
    world.thp.exit("t")
    world.thp.reap("a")
    check_machine(world.thp)


def test_children_of_a_dying_thread_go_to_another_one(world: World) -> None:
    world.thp.thread("a", "t")
    child = world.thp.fork("t", "c")
    assert child.real_parent == world.thp.task("t").addr
    world.thp.exec("a")
    assert child.real_parent == world.thp.task("a").addr
    check_machine(world.thp)


def test_kill_ends_all_threads(world: World) -> None:
    world.thp.thread("a", "t")
    world.thp.kill("a")
    assert world.thp.task("a").zombie
    assert [task.name for task in world.thp.tasks if task.tgid == world.thp.task("a").pid] == ["a"]
    check_machine(world.thp)


def test_orphans_go_to_init(world: World) -> None:
    world.thp.fork("a", "b")
    world.thp.fork("b", "c")
    world.thp.exit("b")
    assert world.thp.task("c").real_parent == world.thp.task(1).addr
    world.thp.exit("c")
    assert "c" not in [task.name for task in world.thp.tasks]
    check_machine(world.thp)


def test_pids_are_used_again(world: World) -> None:
    thp = world.thp
    thp.fork("a", "b")
    pid = thp.task("b").pid
    thp.exit("b")
    thp.reap("b")
    thp.next_pid(pid)
    assert thp.fork("a", "c").pid == pid


def test_clone_flags(world: World) -> None:
    with pytest.raises(SyscallError) as error:
        world.thp.clone("a", "t", ["CLONE_THREAD"])
    assert error.value.name == "EINVAL"
    with pytest.raises(UsageError, match="CLONE_NEWPID"):
        world.thp.clone("a", "t", ["CLONE_NEWPID"])
    sharer = world.thp.clone("a", "s", ["CLONE_VM"])
    assert sharer.is_leader
    assert sharer.mm is world.thp.task("a").mm
    world.thp.exit("a")
    assert sharer.mm is not None
    assert sharer.mm.owner is sharer
    check_machine(world.thp)


def test_smaps_reader_keeps_the_mm_alive(world: World) -> None:
    world.attach("pol", "a")
    reader = world.thp.start("cat", lambda: world.thp.smaps("a", reader=1), pause_at="smaps_open")
    world.thp.exit("a")
    assert world.thp.lists() == {"pol": ["?"]}
    result = reader.resume()
    assert {call.comm for call in result.calls} == {"init"}
    assert world.thp.lists() == {"pol": []}
    check_machine(world.thp)


def test_the_dead_do_nothing(world: World) -> None:
    world.thp.exit("a")
    with pytest.raises(UsageError, match="has ended"):
        world.thp.fresh_fault("a")
    with pytest.raises(UsageError, match="kernel thread"):
        world.thp.fresh_fault(2)
