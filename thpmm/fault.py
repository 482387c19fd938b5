# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Page faults (mm/memory.c __handle_mm_fault and below, 6.18): who is asked for which order, what is tried, what
is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from thpmm.folio import Folio
from thpmm.orders import (
    PAGE_SIZE,
    PMD_ORDER,
    PUD_ORDER,
    THP_ORDERS_MTHP,
    align_down,
    from_highest,
)
from thpmm.page_alloc import ORDER0, alloc_charged
from thpmm.page_table import HugePmd, Pte, pte_index
from thpmm.rmap import map_folio, map_huge, map_page, split_huge_pmd, zap_pte
from thpmm.shmem import insert_pages, shmem_fault
from thpmm.swap_in import do_swap_page
from thpmm.thp import thp_vma_allowable_order, thp_vma_allowable_orders, thp_vma_suitable_order, thp_vma_suitable_orders
from thpmm.tva import TVA_PAGEFAULT
from thpmm.vm_flags import VM_HUGEPAGE, VM_READ, VM_SHARED, VM_WRITE

if TYPE_CHECKING:
    from thpmm.machine import Machine
    from thpmm.mm import Mm
    from thpmm.vma import Vma

FaultKind = Literal[
    "anon", "zero", "huge_zero", "file", "shmem", "swap", "cow", "reuse", "spurious", "oom", "segv", "split"
]


def handle_mm_fault(machine: Machine, mm: Mm, addr: int, *, write: bool) -> FaultKind:
    """Resolve one access by a user of ``mm``; the kind says how, "segv" and "oom" that it couldn't be."""
    vma = mm.vmas.lookup(addr)
    if vma is None or not vma.vm_flags & (VM_WRITE if write else VM_READ | VM_WRITE):
        return "segv"
    machine.vmstat.count("pgfault")
    return _walk(machine, vma, align_down(addr, 0), write)


def _walk(machine: Machine, vma: Vma, addr: int, write: bool) -> FaultKind:
    """__handle_mm_fault(): one level after the other; an empty one asks whether it may be mapped huge."""
    table = vma.mm.page_table
    if table.pud_none(addr):
        thp_vma_allowable_order(machine, vma, TVA_PAGEFAULT, PUD_ORDER)
        table.alloc_pud(addr)
    entry = table.pmd(addr)
    if entry is None:
        if 5 in machine.profile.patches and vma.anonymous:
            machine.khugepaged.enter_vma(vma)
        if thp_vma_allowable_order(machine, vma, TVA_PAGEFAULT, PMD_ORDER):
            kind = _huge_anon(machine, vma, addr, write) if vma.anonymous else None
            if kind is not None:
                return kind
    elif isinstance(entry, HugePmd):
        return _huge_present(machine, vma, addr, entry, write)
    return _pte_fault(machine, vma, addr, write)


def _huge_anon(machine: Machine, vma: Vma, addr: int, write: bool) -> FaultKind | None:
    """do_huge_pmd_anonymous_page(); None: fall back to smaller pages."""
    if not thp_vma_suitable_order(vma, addr, PMD_ORDER):
        return None
    vma.prepare_anon()
    machine.khugepaged.enter_vma(vma)
    base = align_down(addr, PMD_ORDER)
    if not write and machine.sysfs.number("use_zero_page"):
        if not machine.huge_zero.get(vma.mm):
            machine.vmstat.count("thp_fault_fallback")
            return None
        vma.mm.page_table.set_pmd(base, HugePmd(None))
        return "huge_zero"
    folio = alloc_anon_pmd(machine, vma)
    if folio is None:
        return None
    map_huge(vma.mm, base, folio, write=bool(vma.vm_flags & VM_WRITE))
    return "anon"


def alloc_anon_pmd(machine: Machine, vma: Vma) -> Folio | None:
    """vma_alloc_anon_folio_pmd(): a charged folio of PMD order, or None; both are counted."""
    policy = machine.sysfs.thp_policy(bool(vma.vm_flags & VM_HUGEPAGE))
    folio, reason = alloc_charged(machine, PMD_ORDER, policy, vma.mm.memcg)
    count = machine.vmstat
    if folio is None:
        count.count("thp_fault_fallback")
        count.count_mthp(PMD_ORDER, "anon_fault_fallback")
        if reason == "charge":
            count.count("thp_fault_fallback_charge")
            count.count_mthp(PMD_ORDER, "anon_fault_fallback_charge")
        return None
    count.count("thp_fault_alloc")
    count.count_mthp(PMD_ORDER, "anon_fault_alloc")
    return folio


def _huge_present(machine: Machine, vma: Vma, addr: int, entry: HugePmd, write: bool) -> FaultKind:
    """An access to a huge entry: note it, or resolve a write to a read-only one (do_huge_pmd_wp_page)."""
    entry.young = True
    if entry.folio is not None:
        entry.folio.young = True
    if not write or entry.write:
        entry.dirty |= write
        return "spurious"
    base = align_down(addr, PMD_ORDER)
    if entry.folio is None:
        folio = alloc_anon_pmd(machine, vma)
        if folio is not None:
            vma.mm.page_table.clear_pmd(base)
            map_huge(vma.mm, base, folio, write=True)
            return "anon"
    elif entry.folio.mapcount == 1:
        entry.write = entry.dirty = True
        return "reuse"
    split_huge_pmd(vma.mm, base)
    return _pte_fault(machine, vma, addr, write)


def _pte_fault(machine: Machine, vma: Vma, addr: int, write: bool) -> FaultKind:
    """handle_pte_fault()."""
    pte = vma.mm.page_table.pte(addr)
    if pte is None:
        return _anon_page(machine, vma, addr, write) if vma.anonymous else _file_page(machine, vma, addr, write)
    if pte.swap >= 0:
        return "swap" if do_swap_page(machine, vma, addr, write=write) else "oom"
    pte.young = True
    if pte.folio is not None:
        pte.folio.young = True
    if not write or pte.write:
        pte.dirty |= write
        return "spurious"
    return _write_protected(machine, vma, addr, pte)


def _anon_page(machine: Machine, vma: Vma, addr: int, write: bool) -> FaultKind:
    """do_anonymous_page()."""
    if not write:
        vma.mm.page_table.table(addr)[pte_index(addr)] = Pte()
        return "zero"
    vma.prepare_anon()
    folio, start = _alloc_anon_folio(machine, vma, addr)
    if folio is None:
        return "oom"
    machine.vmstat.count_mthp(folio.order, "anon_fault_alloc")
    map_folio(vma.mm, start, folio, write=True)
    return "anon"


def _alloc_anon_folio(machine: Machine, vma: Vma, addr: int) -> tuple[Folio | None, int]:
    """alloc_anon_folio(): the ladder from the highest allowed order whose aligned block is empty down to one page."""
    orders = thp_vma_allowable_orders(machine, vma, TVA_PAGEFAULT, THP_ORDERS_MTHP)
    orders = thp_vma_suitable_orders(vma, addr, orders)
    table, memcg, count = vma.mm.page_table, vma.mm.memcg, machine.vmstat
    for order in from_highest(orders):
        if table.range_none(align_down(addr, order), 1 << order):
            orders &= (1 << (order + 1)) - 1
            break
    else:
        orders = 0
    policy = machine.sysfs.thp_policy(bool(vma.vm_flags & VM_HUGEPAGE))
    for order in from_highest(orders):
        folio, reason = alloc_charged(machine, order, policy, memcg)
        if folio is not None:
            return folio, align_down(addr, order)
        count.count_mthp(order, "anon_fault_fallback")
        if reason == "charge":
            count.count_mthp(order, "anon_fault_fallback_charge")
    folio, _ = alloc_charged(machine, 0, ORDER0, memcg)
    return folio, addr


def _file_page(machine: Machine, vma: Vma, addr: int, write: bool) -> FaultKind:
    """do_fault(): shared and read faults map the page cache, a private write gets its own copy."""
    assert vma.file is not None
    if vma.file.shmem:
        return "shmem" if shmem_fault(machine, vma, addr, write=write) is not None else "oom"
    private_write = write and not vma.vm_flags & VM_SHARED
    index = vma.file_index(addr)
    folio = vma.file.pages.get(index)
    if folio is None:
        folio, _ = alloc_charged(machine, 0, ORDER0, vma.mm.memcg, kind="file")
        if folio is None:
            return "oom"
        insert_pages(vma.file, folio, index)
        machine.vmstat.count("pgmajfault")
    if private_write:
        vma.prepare_anon()
        return _copy_to(machine, vma, addr)
    assert folio.file is not None
    map_page(vma.mm, addr, folio, index - folio.file[1], write=write, dirty=write)
    return "file"


def _copy_to(machine: Machine, vma: Vma, addr: int) -> FaultKind:
    """A private copy in one page, whatever was mapped before (wp_page_copy, do_cow_fault)."""
    folio, _ = alloc_charged(machine, 0, ORDER0, vma.mm.memcg)
    if folio is None:
        return "oom"
    zap_pte(vma.mm, addr)
    map_page(vma.mm, addr, folio, 0, write=True, dirty=True)
    return "cow"


def _write_protected(machine: Machine, vma: Vma, addr: int, pte: Pte) -> FaultKind:
    """do_wp_page(): an exclusive anonymous page is written in place, a shared mapping too; anything else is copied."""
    folio = pte.folio
    shared = vma.vm_flags & VM_SHARED
    if folio is not None and (shared or (folio.kind == "anon" and folio.exclusive_page(pte.index))):
        pte.write = pte.dirty = True
        return "reuse"
    vma.prepare_anon()
    return _copy_to(machine, vma, addr)


def mapped_order(mm: Mm, addr: int) -> int:
    """Order of the folio that maps an address; 9 for the huge zero folio, 0 for the zero page, -1 for nothing or
    swap."""
    entry = mm.page_table.pmd(addr)
    if isinstance(entry, HugePmd):
        return PMD_ORDER
    pte = mm.page_table.pte(addr)
    if pte is None or pte.swap >= 0:
        return -1
    return pte.folio.order if pte.folio is not None else 0


def populate(machine: Machine, mm: Mm, start: int, end: int, *, write: bool) -> bool:
    """Fault every page of a range in (MADV_POPULATE_*); False when one couldn't be."""
    addr = start
    while addr < end:
        if handle_mm_fault(machine, mm, addr, write=write) in ("segv", "oom"):
            return False
        entry = mm.page_table.pmd(addr)
        step = PAGE_SIZE << PMD_ORDER if isinstance(entry, HugePmd) else PAGE_SIZE
        addr = (addr & ~(step - 1)) + step
    return True
