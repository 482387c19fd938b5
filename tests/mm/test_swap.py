# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Swapping out and in: large folios, what is asked on the way back, reclaim under pressure."""

from __future__ import annotations

from functools import partial

import pytest

from tests.mm.invariants import check_machine
from tests.mm.world import World

KB64 = {"enabled": "always", "hugepages-64kB": "always", "hugepages-2048kB": "never"}


def all_but(refused: int, vma: int, tva: int, orders: int) -> int:
    return 0 if tva == refused else 4


def swapped(world: World) -> int:
    """64 KiB that was one folio and is in swap now."""
    addr = world.thp.fresh_fault("a").addr
    assert world.thp.swap_out("a", addr, 64 << 10) == 16
    return addr


@pytest.mark.parametrize(("patches", "name"), [((), "TVA_PAGEFAULT"), ((4,), "TVA_SWAP_PAGEFAULT")])
def test_large_folio_comes_back_whole(patches: tuple[int, ...], name: str) -> None:
    world = World(sysfs=KB64, patches=patches)
    world.thp.spawn("a")
    addr = swapped(world)
    assert world.mm("a").rss(2) == 16
    check_machine(world.thp)
    result = world.thp.swap_in("a", addr + 0x3000)
    assert (result.kind, result.order) == ("swap", 4)
    assert [(call.type_name, call.orders) for call in result.calls] == [(name, 0x1FF)]
    assert result.counters["hugepages-64kB/swpin"] == 1
    check_machine(world.thp)


def test_policy_against_large_swap_in() -> None:
    for patches, fault_order in (((), 0), ((4,), 4)):
        world = World(sysfs=KB64, patches=patches)
        world.thp.spawn("a")
        addr = swapped(world)
        swap_type = 4 if patches else 1
        world.attach("pol", "a", partial(all_but, swap_type))
        assert world.thp.swap_in("a", addr).order == 0
        assert world.thp.fresh_fault("a").order == fault_order


def test_reasons_for_single_pages() -> None:
    world = World(sysfs=KB64)
    world.thp.spawn("a")
    addr = swapped(world)
    world.thp.machine.swap.zswap_enabled = True
    result = world.thp.swap_in("a", addr)
    assert (result.order, result.calls) == (0, ())
    world.thp.machine.swap.zswap_enabled = False
    assert world.thp.swap_in("a", addr + 0x4000).order == 0
    world.thp.fork("a", "b")
    assert world.thp.swap_in("b", addr + 0x8000).calls == ()
    check_machine(world.thp)


def test_fragmented_swap_splits_folios() -> None:
    world = World(sysfs={"enabled": "always"}, swap_mb=4)
    world.thp.spawn("a")
    swap = world.thp.machine.swap
    for slot in range(0, swap.slots, 256):
        swap.get(slot)
    with world.thp.record() as seen:
        addr = world.thp.fresh_fault("a").addr
        assert world.thp.swap_out("a", addr) == 512
    assert seen.counters["thp_swpout_fallback"] == seen.counters["thp_split_page"] == 1
    check_machine(world.thp)


def test_whole_huge_page_goes_out_at_once() -> None:
    world = World()
    world.thp.spawn("a")
    with world.thp.record() as seen:
        world.thp.swap_out("a", world.thp.fresh_fault("a").addr)
    assert seen.counters["thp_swpout"] == 1
    assert seen.counters["hugepages-2048kB/swpout"] == 1
    assert "thp_split_page" not in seen.counters


def test_reclaim_makes_room() -> None:
    world = World(memory_mb=16, swap_mb=64)
    thp = world.thp
    thp.spawn("a")
    base = thp.mmap("a", 24 << 20)
    before = thp.pressure()
    thp.madvise("a", base, 24 << 20, "populate_write")
    assert thp.vmstat()["pswpout"] > 1000
    assert thp.pressure() != before
    check_machine(thp)


def test_out_of_memory() -> None:
    world = World(memory_mb=16, swap_mb=0)
    thp = world.thp
    thp.spawn("a")
    base = thp.mmap("a", 24 << 20)
    for addr in range(base, base + (24 << 20), 4096):
        result = thp.fault("a", addr)
        if result.signal:
            break
    assert result.signal == "SIGKILL"
    assert thp.vmstat()["oom_kill"] == 1
    assert world.kernel.runtime.console[-1].startswith("Out of memory: Killed process")
    check_machine(thp)


def test_partly_mapped_folios_are_split_under_pressure() -> None:
    world = World(swap_mb=0)
    thp = world.thp
    thp.spawn("a")
    addr = thp.fresh_fault("a").addr
    with thp.record() as seen:
        thp.madvise("a", addr, 1 << 20, "dontneed")
    assert seen.counters["thp_deferred_split_page"] == 1
    assert seen.counters["hugepages-2048kB/nr_anon_partially_mapped"] == 1
    free = thp.machine.zone.free_pages
    thp.machine.reclaim.shrink(1)
    assert thp.machine.zone.free_pages == free + 256
    check_machine(thp)
