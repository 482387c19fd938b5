# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The emulated kernel's own services: console, reports, oopses, traces, pause points, grace periods."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bpfvm.btf import Btf
from bpfvm.errors import BadInput, KernelOops, KernelReport
from bpfvm.memory import Memory
from bpfvm.memory.lists import init_list_head, list_add_tail, list_del
from bpfvm.struct_ops.kernel import ConsoleLine, PausePoint
from tests.struct_ops.btf_builder import BtfBuilder
from tests.struct_ops.kernel_types import World


def test_console_lines_are_events(world: World) -> None:
    world.watch()
    world.kernel.console("hello")
    assert world.console()[-1] == "hello"
    assert world.events == [ConsoleLine("hello")]


def test_a_bad_access_becomes_an_oops_with_the_functions_it_happened_in(world: World) -> None:
    kernel = world.kernel
    with pytest.raises(KernelOops) as oops, kernel.in_function("outer"), kernel.in_function("inner"):
        world.memory.store(0x10, 8, 1)
    assert oops.value.trace == ("inner", "outer")
    assert world.console() == [
        "BUG: kernel NULL pointer dereference, address: 0000000000000010",
        "#PF: supervisor write access in kernel mode",
        "#PF: error_code(0x0002) - not-present page",
        "Oops: Oops: 0002 [#1] SMP",
        "RIP: 0010:inner",
        "Call Trace:",
        " <TASK>",
        " inner",
        " outer",
        " </TASK>",
    ]
    assert kernel.call_stack == []


def test_a_list_poison_is_a_general_protection_fault(world: World) -> None:
    with pytest.raises(KernelOops, match="general protection fault"), world.kernel.in_function("f"):
        world.memory.load(0xDEAD_0000_0000_0122, 8)


def test_list_corruption_is_reported_in_the_running_function() -> None:
    world = World("list")
    head, node = world.memory.alloc(16), world.memory.alloc(16)
    init_list_head(world.memory, head)
    list_add_tail(world.memory, node, head)
    list_del(world.memory, node)
    with pytest.raises(KernelReport) as report, world.kernel.in_function("conf_unreg"):
        list_del(world.memory, node)
    assert report.value.trace == ("conf_unreg",)
    assert any(line.startswith("list_del corruption") for line in world.console())


def test_kasan_names_the_running_function() -> None:
    world = World("kasan")
    addr = world.memory.alloc(32)
    world.memory.free(addr)
    with pytest.raises(KernelReport, match="slab-use-after-free in conf_hook"), world.kernel.in_function("conf_hook"):
        world.memory.load(addr, 8)


def test_pause_points(world: World) -> None:
    order: list[str] = []
    world.watch()
    world.kernel.pause_point("nobody waits")
    world.kernel.on_pause["here"] = [lambda: order.append("a"), lambda: order.append("b")]
    world.kernel.pause_point("here")
    assert order == ["a", "b"]
    assert world.events == [PausePoint("nobody waits", 0), PausePoint("here", 2)]


def test_synchronize_rcu_is_a_pause_point_and_waits_through_the_blocker(world: World) -> None:
    kernel, seen = world.kernel, list[str]()
    kernel.on_pause["synchronize_rcu"] = [lambda: seen.append("pause")]
    assert kernel.synchronize_rcu()
    kernel.rcu.read_lock()
    assert not kernel.synchronize_rcu()

    def blocker(reason: str, ready: Callable[[], bool]) -> None:
        seen.append(reason)
        kernel.rcu.read_unlock()
        assert ready()

    kernel.blocker = blocker
    assert kernel.synchronize_rcu()
    assert seen == ["pause", "pause", "pause", "synchronize_rcu"]
    assert kernel.rcu.grace_periods == 3


def test_a_module_needs_btf_on_top_of_the_kernels(world: World) -> None:
    other: Btf = BtfBuilder().build("other")
    with pytest.raises(BadInput, match="module stray"):
        world.kernel.add_module("stray", other)


def test_memory_is_returned_when_everything_is_closed() -> None:
    world = World("kasan")
    before = len(world.memory.live_blocks())
    fd, made = world.map()
    prog_fd, prog = world.prog("test_1")
    world.sys.map_update_elem(fd, 0, world.value(test_1=prog_fd))
    world.sys.link_create(fd)
    world.sys.exit()
    assert (made.freed, prog.freed) == (True, True)
    assert len(world.memory.live_blocks()) == before
    assert isinstance(world.memory, Memory)
