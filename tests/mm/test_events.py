# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What observers are told, and what a step's record holds."""

from __future__ import annotations

import pytest

from bpfvm.errors import SyscallError
from bpfvm.events import Event
from tests.mm.world import World
from thpmm import HookCall
from thpmm.events import PageFault, PolicyPointer, TaskExecuted, TaskExited, TaskForked

OURS = (HookCall, PageFault, PolicyPointer, TaskExecuted, TaskExited, TaskForked)


def test_a_life_as_events() -> None:
    world = World()
    told: list[Event] = []
    remove = world.kernel.sink.add(lambda event: told.append(event) if isinstance(event, OURS) else None)
    world.thp.spawn("a")
    world.attach("pol", "a")
    world.thp.fresh_fault("a")
    world.thp.exit("a")
    remove()
    world.thp.spawn("b")
    kinds = [type(event).__name__ for event in told if not isinstance(event, HookCall)]
    assert kinds == ["TaskForked", "TaskExecuted", "PolicyPointer", "PageFault", "PolicyPointer", "TaskExited"]
    pointers = [event for event in told if isinstance(event, PolicyPointer)]
    assert [event.by for event in pointers] == ["bpf_thp_reg", "bpf_thp_exit_mm"]
    assert pointers[1].kdata == 0
    (fault,) = (event for event in told if isinstance(event, PageFault))
    assert (fault.comm, fault.kind, fault.order, fault.write) == ("a", "anon", 9, True)
    managed = [event for event in told if isinstance(event, HookCall) and event.ran]
    assert {(event.map_name, event.returned, event.comm) for event in managed} == {("pol", 9, "a")}


def test_a_record_is_filled_in_when_the_step_fails() -> None:
    world = World()
    world.thp.spawn("a")
    world.attach("pol", "a", lambda vma, tva, orders: 0)
    base = world.thp.fresh_fault("a").addr
    with pytest.raises(SyscallError), world.thp.record() as seen:
        world.thp.collapse("a", base)
    assert seen.managed_by == "pol"
    world.thp.spawn("b")
    world.attach("other", "b")
    with world.thp.record() as seen:
        world.thp.fresh_fault("a")
        world.thp.fresh_fault("b")
        world.kernel.console("hello")
    assert seen.managed_by == ("pol", "other")
    assert seen.console == ("hello",)
    assert seen.counters["hugepages-2048kB/anon_fault_alloc"] == 1
