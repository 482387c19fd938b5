# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""khugepaged and MADV_COLLAPSE: registration, scanning, limits, the questions they ask."""

from __future__ import annotations

import pytest

from bpfvm.errors import SyscallError
from tests.mm.invariants import check_machine
from tests.mm.world import World
from thpmm.mm_flags import MMF_VM_HUGEPAGE
from thpmm.results import StepResult

MB2 = 2 << 20


def asked(result: StepResult) -> list[tuple[str, int]]:
    return [(call.type_name.removeprefix("TVA_"), call.orders) for call in result.calls]


def registered(world: World, name: str = "a") -> bool:
    mm = world.mm(name)
    assert mm.test_flag(MMF_VM_HUGEPAGE) is (mm in world.thp.machine.khugepaged.mm_slots)
    return mm.test_flag(MMF_VM_HUGEPAGE)


def small_pages(world: World, pages: int = 512) -> int:
    """2 MiB with some single pages in it, of a process that khugepaged knows."""
    thp = world.thp
    thp.sysfs_write("enabled", "never")
    base = thp.fresh_mapping("a", MB2)
    for page in range(pages):
        thp.fault("a", base + (page << 12))
    thp.sysfs_write("enabled", "always")
    thp.machine.khugepaged.enter(world.mm("a"))
    return base


@pytest.fixture
def world() -> World:
    made = World()
    made.thp.spawn("a")
    return made


def test_scan_collapses_and_asks_three_times(world: World) -> None:
    base = small_pages(world)
    world.attach("pol", "a")
    result = world.thp.khugepaged(1)
    assert result.collapsed == 1
    assert [(each.owner, each.addr, each.result) for each in result.results] == [("a", base, "SCAN_SUCCEED")]
    own = [call for call in result.calls if call.vm_start <= base < call.vm_end]
    assert [(call.type_name, call.orders, call.comm) for call in own] == [("TVA_KHUGEPAGED", 512, "khugepaged")] * 3
    assert result.managed_by == "pol"
    assert result.counters["thp_collapse_alloc"] == 1
    assert world.thp.sysfs_read("khugepaged/pages_collapsed") == "1"
    assert world.thp.smaps("a").at(base).AnonHugePages == 2048
    check_machine(world.thp)
    assert world.thp.khugepaged(2).collapsed == 0


def test_the_policy_has_the_last_word_twice(world: World) -> None:
    base = small_pages(world)
    answers = iter([9, 9, 0])

    def policy(vma: int, tva: int, orders: int) -> int:
        start = world.memory.u64(vma)
        return next(answers, 0) if start == base else 0

    world.attach("pol", "a", policy)
    result = world.thp.khugepaged(1)
    assert [each.result for each in result.results] == ["SCAN_VMA_CHECK"]
    assert result.collapsed == 0
    check_machine(world.thp)


@pytest.mark.parametrize(
    ("knob", "limit", "prepare", "result", "counter"),
    [
        ("max_ptes_none", 100, "none", "SCAN_EXCEED_NONE_PTE", "thp_scan_exceed_none_pte"),
        ("max_ptes_swap", 3, "swap", "SCAN_EXCEED_SWAP_PTE", "thp_scan_exceed_swap_pte"),
        ("max_ptes_shared", 3, "shared", "SCAN_EXCEED_SHARED_PTE", "thp_scan_exceed_share_pte"),
        ("max_ptes_none", 511, "unreferenced", "SCAN_LACK_REFERENCED_PAGE", None),
    ],
)
def test_limits(world: World, knob: str, limit: int, prepare: str, result: str, counter: str | None) -> None:
    base = small_pages(world, 256)
    thp = world.thp
    if prepare == "swap":
        thp.swap_out("a", base, 8 << 12)
    elif prepare == "shared":
        thp.fork("a", "b")
    elif prepare == "unreferenced":
        for _, pte in world.mm("a").page_table.ptes_in(base, base + MB2):
            pte.young = False
    thp.sysfs_write(f"khugepaged/{knob}", limit)
    found = thp.khugepaged(1)
    assert found.results[0].result == result
    if counter:
        assert found.counters[counter] >= 1


def test_swapped_pages_come_back(world: World) -> None:
    base = small_pages(world)
    world.thp.swap_out("a", base, 16 << 12)
    result = world.thp.khugepaged(1)
    assert result.collapsed == 1
    assert result.counters["pswpin"] == 16
    check_machine(world.thp)


def test_no_memory(world: World) -> None:
    world.thp.fragment(1.0)
    small_pages(world)
    result = world.thp.khugepaged(1)
    assert result.results[0].result == "SCAN_ALLOC_HUGE_PAGE_FAIL"
    assert result.counters["thp_collapse_alloc_failed"] == 1


def test_pages_to_scan_limits_a_wake_up(world: World) -> None:
    thp = world.thp
    thp.sysfs_write("enabled", "never")
    base = thp.fresh_mapping("a", 4 * MB2)
    for block in range(4):
        thp.fault("a", base + block * MB2)
    thp.sysfs_write("enabled", "always")
    thp.machine.khugepaged.enter(world.mm("a"))
    thp.sysfs_write("khugepaged/pages_to_scan", 1024)
    assert [thp.khugepaged(1).collapsed for _ in range(3)] == [2, 2, 0]
    assert thp.sysfs_read("khugepaged/full_scans") == "1"


def test_denied_fault_is_not_registered_without_patch_05() -> None:
    for patches, expected in (((), False), ((5,), True)):
        world = World(patches=patches)
        world.thp.spawn("a")
        world.attach("pol", "a", lambda vma, tva, orders: 9 if tva == 2 else 0)
        base = world.thp.fresh_mapping("a", 2 * MB2)
        assert world.thp.fault("a", base).order == 0
        assert world.thp.fault("a", base + MB2).order == 0
        assert registered(world) is expected
        assert world.thp.khugepaged(1).collapsed == (2 if expected else 0)


def test_advice_registers_without_asking(world: World) -> None:
    world.attach("pol", "a", lambda vma, tva, orders: 0)
    base = world.thp.fresh_mapping("a", MB2)
    with world.thp.record() as seen:
        world.thp.madvise("a", base, MB2, "hugepage")
    assert seen.calls == ()
    assert registered(world)


def test_registration_goes_to_children_and_ends_with_them(world: World) -> None:
    world.thp.fresh_fault("a")
    world.thp.fork("a", "b")
    assert registered(world, "b")
    world.thp.exec("b")
    assert not registered(world, "b")
    world.thp.exit("a")
    assert len(world.thp.machine.khugepaged.mm_slots) == 0
    check_machine(world.thp)


def test_forced_collapse_ignores_sysfs(world: World) -> None:
    base = small_pages(world, 1)
    world.thp.sysfs_write("enabled", "never")
    result = world.thp.collapse("a", base)
    assert result.collapsed == 1
    assert asked(result) == [("FORCED_COLLAPSE", 512)] * 3
    assert {call.comm for call in result.calls} == {"a"}
    assert asked(world.thp.collapse("a", base)) == [("FORCED_COLLAPSE", 512)]


def test_collapse_by_another_process(world: World) -> None:
    base = small_pages(world, 1)
    world.thp.spawn("manager")
    assert {call.comm for call in world.thp.collapse("a", base, by="manager").calls} == {"manager"}


def test_forced_collapse_can_be_vetoed_even_in_never(world: World) -> None:
    base = small_pages(world)
    world.thp.sysfs_write("enabled", "never")
    world.attach("pol", "a", lambda vma, tva, orders: 0)
    with world.thp.record() as seen, pytest.raises(SyscallError) as error:
        world.thp.collapse("a", base)
    assert error.value.name == "EINVAL"
    assert [(call.type_name, call.map_name) for call in seen.calls] == [("TVA_FORCED_COLLAPSE", "pol")]


def test_forced_collapse_errors(world: World) -> None:
    thp = world.thp
    thp.fragment(1.0)
    base = small_pages(world)
    empty = thp.fresh_mapping("a", MB2)
    for at, errno in ((empty, "EINVAL"), (base, "ENOMEM")):
        with pytest.raises(SyscallError) as error:
            thp.collapse("a", at)
        assert error.value.name == errno
    thp.machine.zone.unpin()
    thp.cgroup_create("/small", max=1 << 20)
    thp.cgroup_move("a", "/small")
    with pytest.raises(SyscallError) as error:
        thp.collapse("a", base)
    assert error.value.name == "EBUSY"
    check_machine(thp)


def test_shared_memory_collapse(world: World) -> None:
    thp = world.thp
    base = thp.mmap("a", MB2, at=0x1000_0000, flags=["shared", "anonymous"])
    thp.fault("a", base)
    result = thp.collapse("a", base)
    assert result.collapsed == 1
    assert thp.smaps("a").at(base).ShmemPmdMapped == 2048
    assert thp.fault("a", base + 0x5000).kind == "spurious"
    check_machine(thp)
    thp.munmap("a", base, 4096)
    check_machine(thp)


def test_file_collapse(world: World) -> None:
    thp = world.thp
    base = thp.mmap("a", MB2, at=0x1000_0000, prot="rx", flags=["private"], file="/lib", thp_capable=True)
    thp.fault("a", base, "read")
    assert thp.collapse("a", base).collapsed == 1
    assert thp.smaps("a").at(base).FilePmdMapped == 2048
    thp.exit("a")
    check_machine(thp)
