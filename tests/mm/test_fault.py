# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Page faults: who is asked for what, what is tried, what is counted."""

from __future__ import annotations

import pytest

from bpfvm.errors import UsageError
from tests.mm.invariants import check_machine
from tests.mm.world import World
from thpmm.results import FaultResult

MB2 = 2 << 20
LADDER = {"enabled": "always", "hugepages-2048kB": "inherit", "hugepages-64kB": "always", "hugepages-16kB": "always"}


def asked(result: FaultResult) -> list[tuple[str, int]]:
    return [(call.type_name.removeprefix("TVA_"), call.orders) for call in result.calls]


@pytest.fixture
def world() -> World:
    made = World(sysfs=LADDER)
    made.thp.spawn("a")
    return made


def test_all_questions_of_one_fault(world: World) -> None:
    world.attach("pol", "a", lambda vma, tva, orders: 0)
    far = world.thp.mmap("a", MB2, at=0x40_0000_0000)
    result = world.thp.fault("a", far)
    assert asked(result) == [("PAGEFAULT", 1 << 18), ("PAGEFAULT", 1 << 9), ("PAGEFAULT", 0x1FF)]
    assert all(call.ran and call.returned == 0 and call.result == 0 | (call.orders & 1) for call in result.calls)
    assert result.order == 0
    assert asked(world.thp.fault("a", far + 4096)) == [("PAGEFAULT", 0x1FF)]
    assert world.thp.fault("a", far).calls == ()


def test_registration_asks_once(world: World) -> None:
    first, second = world.thp.fresh_fault("a"), world.thp.fresh_fault("a")
    assert asked(first) == [("PAGEFAULT", 1 << 9), ("KHUGEPAGED", 1 << 9)]
    assert asked(second) == [("PAGEFAULT", 1 << 9)]
    assert (first.order, first.kind, first.managed_by) == (9, "anon", None)
    assert first.counters["thp_fault_alloc"] == 1


def test_a_single_order_skips_the_ladder(world: World) -> None:
    world.thp.fragment(1.0)
    assert world.thp.fresh_fault("a").order == 4
    world.attach("pol", "a", lambda vma, tva, orders: 9)
    assert world.thp.fresh_fault("a").order == 0


def test_ladder_under_fragmentation(world: World) -> None:
    thp = world.thp
    thp.fragment(1.0)
    result = thp.fresh_fault("a")
    assert result.order == 4
    assert result.counters["thp_fault_fallback"] == 1
    assert result.counters["hugepages-2048kB/anon_fault_fallback"] == 1
    assert result.counters["hugepages-64kB/anon_fault_alloc"] == 1
    thp.fragment(1.0, order=4)
    result = thp.fresh_fault("a")
    assert result.order == 2
    assert result.counters["hugepages-64kB/anon_fault_fallback"] == 1
    thp.fragment(1.0, order=2)
    result = thp.fresh_fault("a")
    assert result.order == 0
    assert result.counters["hugepages-16kB/anon_fault_fallback"] == 1
    check_machine(thp)


def test_ladder_avoids_what_is_mapped(world: World) -> None:
    thp = world.thp
    base = thp.fresh_mapping("a", 128 << 10)
    assert thp.fault("a", base + 0x5000, "read").kind == "zero"
    assert thp.fault("a", base + 0x1000).order == 2
    assert thp.fault("a", base + 0x10000).order == 4
    assert thp.fault("a", base + 0x5000).kind == "cow"


def test_block_must_lie_inside_the_vma(world: World) -> None:
    base = world.thp.fresh_mapping("a", 24 << 10)
    result = world.thp.fault("a", base + 0x4000)
    assert asked(result)[-1] == ("PAGEFAULT", 0x1FF)
    assert result.order == 0
    assert world.thp.fault("a", base).order == 2


def test_zero_pages(world: World) -> None:
    thp = world.thp
    result = thp.fresh_fault("a", access="read")
    assert (result.kind, result.order) == ("huge_zero", 9)
    assert result.counters["thp_zero_page_alloc"] == 1
    assert world.mm("a").rss(1) == 1
    write = thp.fault("a", result.addr)
    assert (write.kind, write.order, write.calls) == ("anon", 9, ())
    thp.sysfs_write("use_zero_page", 0)
    assert thp.fresh_fault("a", access="read").kind == "anon"


def test_shared_huge_page_is_split_on_write(world: World) -> None:
    thp = world.thp
    addr = thp.fresh_fault("a").addr
    thp.fork("a", "b")
    result = thp.fault("b", addr)
    assert (result.kind, result.order) == ("cow", 0)
    assert result.counters["thp_split_pmd"] == 1
    thp.exit("b")
    assert thp.fault("a", addr).kind == "reuse"
    check_machine(thp)


def test_signals(world: World) -> None:
    thp = world.thp
    assert thp.fault("a", 0x1000).signal == "SIGSEGV"
    assert thp.fault("a", 0x40_0000).signal == "SIGSEGV"
    assert thp.fault("a", 0x40_0000, "read").kind == "file"
    with pytest.raises(UsageError):
        thp.fault("a", 0, "execute")


def test_remote_access_runs_as_the_other_task(world: World) -> None:
    world.attach("pol", "a")
    world.thp.spawn("gdb")
    base = world.thp.fresh_mapping("a", MB2)
    result = world.thp.fault("a", base, by="gdb")
    assert {call.comm for call in result.calls} == {"gdb"}
    assert result.managed_by == "pol"


def test_file_pages(world: World) -> None:
    thp = world.thp
    base = thp.mmap("a", 8192, flags=["private"], file="/data")
    assert thp.fault("a", base, "read").kind == "file"
    assert thp.fault("a", base).kind == "cow"
    assert thp.fault("a", base + 4096).kind == "cow"
    mm = world.mm("a")
    assert (mm.rss(0), mm.rss(1)) == (0, 3)
    check_machine(thp)


def test_shared_memory_never_asks_for_its_order(world: World) -> None:
    thp = world.thp
    thp.sysfs_write("shmem_enabled", "always")
    base = thp.mmap("a", MB2, flags=["shared", "anonymous"], at=0x7000_0000_0000)
    result = thp.fault("a", base)
    assert result.order == 9
    assert asked(result) == [("PAGEFAULT", 1 << 18), ("PAGEFAULT", 1 << 9)]
    assert result.counters["hugepages-2048kB/shmem_alloc"] == 1
    free = thp.machine.zone.free_pages
    thp.munmap("a", base, MB2)
    assert thp.machine.zone.free_pages == free + 512


def test_memory_limit_falls_back_then_kills(world: World) -> None:
    thp = world.thp
    thp.machine.swap.slots = 0
    thp.cgroup_create("/small", max=1 << 20)
    thp.spawn("b", cgroup="/small")
    result = thp.fresh_fault("b")
    assert result.order == 4
    assert result.counters["thp_fault_fallback_charge"] == 1
    assert result.counters["hugepages-2048kB/anon_fault_fallback_charge"] == 1
    for page in range(16, 512, 16):
        result = thp.fault("b", result.addr & ~0x1FFFFF | page << 12)
        if result.signal:
            break
    assert result.signal == "SIGKILL"
    assert thp.task("b").zombie
    assert thp.machine.cgroups.find("/small").events["oom_kill"] == 1
    check_machine(thp)


def test_defrag_decides_about_compaction() -> None:
    for setting, advised, compacts in (
        ("always", False, True),
        ("defer", True, False),
        ("defer+madvise", False, False),
        ("defer+madvise", True, True),
        ("madvise", False, False),
        ("madvise", True, True),
        ("never", True, False),
    ):
        world = World(sysfs={"enabled": "always", "defrag": setting}, memory_mb=8)
        thp = world.thp
        thp.spawn("a")
        checkerboard(world)
        base = thp.fresh_mapping("a", MB2)
        if advised:
            thp.madvise("a", base, MB2, "hugepage")
        result = thp.fault("a", base)
        assert (result.order == 9, result.counters.get("compact_success", 0)) == (compacts, int(compacts)), setting
        check_machine(thp)


def checkerboard(world: World) -> None:
    """Fill memory with single pages, then give every other one back: nothing free is larger than a page."""
    thp = world.thp
    thp.spawn("filler")
    thp.prctl_thp_disable("filler", 1)
    pages = thp.machine.zone.free_pages - thp.machine.zone.watermarks.low - 64
    base = thp.mmap("filler", pages << 12, at=0x10_0000_0000)
    thp.madvise("filler", base, pages << 12, "populate_write")
    for page in range(0, pages, 2):
        thp.madvise("filler", base + (page << 12), 4096, "dontneed")


def test_pressure_of_compaction() -> None:
    world = World(sysfs={"enabled": "always", "defrag": "always"}, memory_mb=8)
    world.thp.spawn("a")
    checkerboard(world)
    before = world.thp.pressure()
    world.thp.fresh_fault("a")
    assert world.thp.pressure() != before
