# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Faults on swap entries (mm/memory.c do_swap_page, alloc_swap_folio, 6.18)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thpmm.folio import Folio
from thpmm.orders import PAGE_SHIFT, THP_ORDERS_MTHP, align_down, from_highest
from thpmm.page_alloc import ORDER0, alloc_charged
from thpmm.rmap import map_page, zap_pte
from thpmm.thp import thp_vma_allowable_orders, thp_vma_suitable_orders
from thpmm.tva import TVA_PAGEFAULT, TVA_SWAP_PAGEFAULT
from thpmm.vm_flags import VM_HUGEPAGE, VM_WRITE

if TYPE_CHECKING:
    from thpmm.machine import Machine
    from thpmm.vma import Vma


def do_swap_page(machine: Machine, vma: Vma, addr: int, *, write: bool) -> bool:
    """Bring the page of a swap entry in, with its neighbours if a large folio is allowed. False without memory."""
    machine.vmstat.count("pgmajfault")
    folio, start = _alloc_swap_folio(machine, vma, addr)
    if folio is None:
        return False
    machine.vmstat.count_mthp(folio.order, "swpin")
    machine.vmstat.count("pswpin", folio.nr_pages)
    writable = bool(vma.vm_flags & VM_WRITE)
    for index in range(folio.nr_pages):
        page = start + (index << PAGE_SHIFT)
        pte = vma.mm.page_table.pte(page)
        assert pte is not None
        exclusive = machine.swap.count(pte.swap) == 1
        zap_pte(vma.mm, page)
        map_page(vma.mm, page, folio, index, write=writable and exclusive, dirty=write and page == addr)
    return True


def _alloc_swap_folio(machine: Machine, vma: Vma, addr: int) -> tuple[Folio | None, int]:
    """alloc_swap_folio(): the ladder of orders for which the whole aligned block was swapped out side by side."""
    table, swap, memcg = vma.mm.page_table, machine.swap, vma.mm.memcg
    pte = table.pte(addr)
    assert pte is not None
    orders = 0
    if not swap.zswap_enabled and swap.count(pte.swap) == 1:
        tva = TVA_SWAP_PAGEFAULT if 4 in machine.profile.patches else TVA_PAGEFAULT
        orders = thp_vma_allowable_orders(machine, vma, tva, THP_ORDERS_MTHP)
        orders = thp_vma_suitable_orders(vma, addr, orders)
        orders = _contiguous_orders(vma, addr, orders)
    policy = machine.sysfs.thp_policy(bool(vma.vm_flags & VM_HUGEPAGE))
    for order in from_highest(orders):
        folio, reason = alloc_charged(machine, order, policy, memcg)
        if folio is not None:
            return folio, align_down(addr, order)
        machine.vmstat.count_mthp(order, "swpin_fallback")
        if reason == "charge":
            machine.vmstat.count_mthp(order, "swpin_fallback_charge")
    folio, _ = alloc_charged(machine, 0, ORDER0, memcg)
    return folio, addr


def _contiguous_orders(vma: Vma, addr: int, orders: int) -> int:
    """thp_swap_suitable_orders() and can_swapin_thp(): from the first order on whose block is one aligned run of
    slots."""
    for order in from_highest(orders):
        start = align_down(addr, order)
        entries = [vma.mm.page_table.pte(start + (index << PAGE_SHIFT)) for index in range(1 << order)]
        first = entries[0]
        if first is None or first.swap < 0 or first.swap & ((1 << order) - 1):
            continue
        if all(entry is not None and entry.swap == first.swap + index for index, entry in enumerate(entries)):
            return orders & ((1 << (order + 1)) - 1)
    return 0
