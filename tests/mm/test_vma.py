# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""VMAs: placing, splitting, merging; and what smaps shows of them."""

from __future__ import annotations

import pytest

from bpfvm.errors import SyscallError, UsageError
from tests.mm.invariants import check_machine
from tests.mm.world import World

MB2 = 2 << 20
AT = 0x1000_0000


@pytest.fixture
def world() -> World:
    made = World(checker="kasan")
    made.thp.spawn("a")
    return made


def ranges(world: World) -> list[tuple[int, int]]:
    """Of the VMAs above AT, below the stack, relative to AT in pages."""
    return [
        ((vma.vm_start - AT) >> 12, (vma.vm_end - AT) >> 12)
        for vma in world.mm("a").vmas
        if AT <= vma.vm_start < 0x7000_0000_0000
    ]


def test_placement(world: World) -> None:
    small = world.thp.mmap("a", 4096)
    large = world.thp.mmap("a", 2 * MB2)
    assert large & (MB2 - 1) == 0
    assert large < small
    with pytest.raises(SyscallError) as error:
        world.thp.mmap("a", 1 << 47)
    assert error.value.name == "ENOMEM"
    with pytest.raises(SyscallError):
        world.thp.mmap("a", 0)
    with pytest.raises(UsageError):
        world.thp.mmap("a", 1, flags=["hugetlb"])


def test_neighbours_merge(world: World) -> None:
    thp = world.thp
    thp.mmap("a", 0x4000, at=AT)
    thp.mmap("a", 0x4000, at=AT + 0x8000)
    assert ranges(world) == [(0, 4), (8, 12)]
    thp.mmap("a", 0x4000, at=AT + 0x4000)
    assert ranges(world) == [(0, 12)]
    thp.mmap("a", 0x4000, at=AT + 0xC000, prot="r")
    assert ranges(world) == [(0, 12), (12, 16)]
    check_machine(thp)


def test_merging_asks_for_registration(world: World) -> None:
    thp = world.thp
    world.attach("pol", "a", lambda vma, tva, orders: 0)
    thp.mmap("a", MB2, at=AT)
    thp.fault("a", AT)
    with thp.record() as seen:
        thp.mmap("a", MB2, at=AT + MB2)
    assert [call.type_name for call in seen.calls] == ["TVA_KHUGEPAGED"]


def test_advice_splits_and_merges_back(world: World) -> None:
    thp = world.thp
    thp.mmap("a", 0x10000, at=AT)
    thp.madvise("a", AT + 0x4000, 0x4000, "MADV_HUGEPAGE")
    assert ranges(world) == [(0, 4), (4, 8), (8, 16)]
    assert "hg" in thp.smaps("a").at(AT + 0x4000).VmFlags
    thp.madvise("a", AT, 0x10000, "nohugepage")
    assert ranges(world) == [(0, 16)]
    assert thp.smaps("a").at(AT).VmFlags[-1] == "nh"
    with pytest.raises(SyscallError) as error:
        thp.madvise("a", AT, 0x20000, "hugepage")
    assert error.value.name == "ENOMEM"
    with pytest.raises(UsageError):
        thp.madvise("a", AT, 4096, "willneed")
    with pytest.raises(SyscallError):
        thp.madvise("a", AT + 1, 4096, "hugepage")
    check_machine(thp)


def test_protection(world: World) -> None:
    thp = world.thp
    thp.mmap("a", MB2, at=AT)
    assert thp.fault("a", AT).order == 9
    thp.mprotect("a", AT, 0x4000, "r")
    assert ranges(world) == [(0, 4), (4, 512)]
    assert thp.fault("a", AT).signal == "SIGSEGV"
    assert thp.fault("a", AT, "read").kind == "spurious"
    assert thp.vmstat()["thp_split_pmd"] == 1
    thp.mprotect("a", AT, 0x4000, "rw")
    assert ranges(world) == [(0, 512)]
    assert thp.fault("a", AT).kind == "reuse"
    with pytest.raises(SyscallError) as error:
        thp.mprotect("a", AT, MB2 + 4096, "r")
    assert error.value.name == "ENOMEM"
    check_machine(thp)


def test_unmapping_half_of_a_huge_page(world: World) -> None:
    thp = world.thp
    thp.mmap("a", MB2, at=AT)
    thp.fault("a", AT)
    with thp.record() as seen:
        thp.munmap("a", AT + (1 << 20), 1 << 20)
    assert ranges(world) == [(0, 256)]
    assert seen.counters["thp_split_pmd"] == 1
    assert seen.counters["hugepages-2048kB/split_deferred"] == 1
    entry = thp.smaps("a").at(AT)
    assert (entry.Rss, entry.AnonHugePages) == (1024, 0)
    check_machine(thp)
    thp.munmap("a", AT, MB2)
    thp.munmap("a", AT, MB2)
    check_machine(thp)


def test_unmapping_frees_the_tables(world: World) -> None:
    far = world.thp.mmap("a", MB2, at=0x40_0000_0000)
    assert len(world.thp.fault("a", far).calls) == 3
    world.thp.munmap("a", far, MB2)
    world.thp.mmap("a", MB2, at=far)
    assert world.thp.fault("a", far).calls[0].orders == 1 << 18


def test_heap(world: World) -> None:
    thp = world.thp
    start = world.mm("a").brk
    assert thp.brk("a", 0x3000) == start + 0x3000
    assert thp.brk("a", 4 * MB2) == start + 0x3000 + 4 * MB2
    assert thp.fault("a", (start + MB2) & ~(MB2 - 1)).order == 9
    assert len([vma for vma in world.mm("a").vmas if vma.label == "[heap]"]) == 1
    assert thp.brk("a", -4 * MB2) == start + 0x3000
    check_machine(thp)


def test_smaps_text(world: World) -> None:
    world.thp.mmap("a", MB2, at=AT)
    world.thp.fault("a", AT)
    result = world.thp.smaps("a", reader=1)
    assert result.calls[-1].comm == "init"
    assert {call.orders for call in result.calls} == {0x403FE}
    entry = result.at(AT)
    assert entry.THPeligible
    assert entry.text() == (
        "10000000-10200000 rw-p 00000000 00:00 0 \n"
        "Size:               2048 kB\n"
        "Rss:                2048 kB\n"
        "Anonymous:          2048 kB\n"
        "AnonHugePages:      2048 kB\n"
        "ShmemPmdMapped:        0 kB\n"
        "FilePmdMapped:         0 kB\n"
        "Swap:                  0 kB\n"
        "THPeligible:           1\n"
        "VmFlags: rd wr mr mw me ac \n"
    )
    with pytest.raises(KeyError):
        result.at(0)


def test_thp_eligible_follows_the_link(world: World) -> None:
    base = world.thp.fresh_mapping("a", MB2)
    assert world.thp.smaps("a").at(base).THPeligible
    link = world.attach("pol", "a", lambda vma, tva, orders: 0 if tva == 0 else 9)
    assert not world.thp.smaps("a").at(base).THPeligible
    assert world.thp.fault("a", base).order == 9
    world.sys.link_detach(link)
    assert world.thp.smaps("a").at(base).THPeligible
