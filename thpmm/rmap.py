# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Mapping and unmapping folios: page table, reverse map, rss, statistics and lifetime together (mm/rmap.c,
mm/huge_memory.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thpmm.folio import Folio
from thpmm.orders import PAGE_SHIFT, PMD_ORDER, PTRS_PER_PTE
from thpmm.page_table import HugePmd, Pte, PteTable, pte_index

if TYPE_CHECKING:
    from thpmm.machine import Machine
    from thpmm.mm import Mm

RSS_KIND = {"file": 0, "anon": 1, "shmem": 3}
SWAP_ENTRIES = 2


def map_page(mm: Mm, addr: int, folio: Folio, index: int, *, write: bool, dirty: bool = False) -> None:
    """Install a present PTE for page ``index`` of a folio."""
    mm.page_table.table(addr)[pte_index(addr)] = Pte(folio, index, write, dirty)
    folio.map_pte(mm, addr, index)
    mm.add_rss(RSS_KIND[folio.kind], 1)


def map_folio(mm: Mm, addr: int, folio: Folio, *, write: bool) -> None:
    """Install PTEs for all pages of a new folio from ``addr`` on (set_ptes)."""
    for index in range(folio.nr_pages):
        map_page(mm, addr + (index << PAGE_SHIFT), folio, index, write=write, dirty=write)


def map_huge(mm: Mm, addr: int, folio: Folio, *, write: bool) -> None:
    """Install a huge PMD for a folio of PMD order (map_anon_folio_pmd)."""
    mm.page_table.set_pmd(addr, HugePmd(folio, write, write))
    folio.pmds[(mm, addr)] = None
    mm.add_rss(RSS_KIND[folio.kind], PTRS_PER_PTE)


def zap_pte(mm: Mm, addr: int) -> None:
    """Remove a PTE of any kind (zap_pte_range)."""
    pte = mm.page_table.pte(addr)
    if pte is None:
        return
    mm.page_table.clear_pte(addr)
    if pte.folio is not None:
        pte.folio.unmap_pte(mm, addr)
        mm.add_rss(RSS_KIND[pte.folio.kind], -1)
        folio_unmapped(mm.machine, pte.folio)
    elif pte.swap >= 0:
        mm.add_rss(SWAP_ENTRIES, -1)
        mm.machine.swap.put(pte.swap)


def zap_huge(mm: Mm, addr: int) -> None:
    """Remove a huge PMD (zap_huge_pmd)."""
    entry = mm.page_table.pmd(addr)
    assert isinstance(entry, HugePmd)
    mm.page_table.clear_pmd(addr)
    if entry.folio is not None:
        del entry.folio.pmds[(mm, addr)]
        mm.add_rss(RSS_KIND[entry.folio.kind], -PTRS_PER_PTE)
        folio_unmapped(mm.machine, entry.folio)


def split_huge_pmd(mm: Mm, addr: int) -> PteTable:
    """Replace a huge PMD by 512 PTEs of the same folio; the folio stays one (__split_huge_pmd)."""
    entry = mm.page_table.pmd(addr)
    assert isinstance(entry, HugePmd)
    mm.machine.vmstat.count("thp_split_pmd")
    table: PteTable = {}
    mm.page_table.set_pmd(addr, table)
    if entry.folio is not None and entry.folio.kind != "anon":
        del entry.folio.pmds[(mm, addr)]
        mm.add_rss(RSS_KIND[entry.folio.kind], -PTRS_PER_PTE)
        folio_unmapped(mm.machine, entry.folio)
        return table
    for index in range(PTRS_PER_PTE):
        table[index] = Pte(entry.folio, index if entry.folio else 0, entry.write, entry.dirty, entry.young)
        if entry.folio is not None:
            entry.folio.map_pte(mm, addr + (index << PAGE_SHIFT), index)
    if entry.folio is not None:
        del entry.folio.pmds[(mm, addr)]
    return table


def folio_unmapped(machine: Machine, folio: Folio) -> None:
    """After a mapping went: free an anonymous folio nobody maps, queue a partly mapped large one for splitting."""
    if folio.mapcount == 0:
        if folio.kind == "anon":
            free_folio(machine, folio)
    elif folio.kind == "anon" and folio.order > 1 and not folio.partially_mapped and folio.has_unmapped_pages():
        folio.partially_mapped = True
        if folio.order == PMD_ORDER:
            machine.vmstat.count("thp_deferred_split_page")
        machine.vmstat.count_mthp(folio.order, "split_deferred")
        machine.vmstat.count_mthp(folio.order, "nr_anon_partially_mapped")
        machine.reclaim.deferred_split[folio] = None


def free_folio(machine: Machine, folio: Folio) -> None:
    """Give the frames back and uncharge them."""
    _forget(machine, folio)
    machine.zone.free(folio.pfn, folio.order)
    if folio.memcg is not None:
        folio.memcg.uncharge(folio.nr_pages)


def _forget(machine: Machine, folio: Folio) -> None:
    machine.reclaim.forget(folio)
    if folio.kind == "anon":
        machine.vmstat.count_mthp(folio.order, "nr_anon", -1)
        if folio.partially_mapped:
            machine.vmstat.count_mthp(folio.order, "nr_anon_partially_mapped", -1)


def split_folio(machine: Machine, folio: Folio) -> None:
    """Turn a large anonymous folio into single pages; those that nobody maps are freed (split_huge_page_to_list)."""
    for mm, addr in list(folio.pmds):
        split_huge_pmd(mm, addr)
    if folio.order == PMD_ORDER:
        machine.vmstat.count("thp_split_page")
    machine.vmstat.count_mthp(folio.order, "split")
    _forget(machine, folio)
    machine.zone.split(folio.pfn, folio.order)
    by_index: dict[int, Folio] = {}
    for (mm, addr), index in folio.ptes.items():
        single = by_index.get(index)
        if single is None:
            single = by_index[index] = Folio(0, folio.pfn + index, folio.kind)
            single.memcg = folio.memcg
            machine.zone.owner[single.pfn] = single
            machine.reclaim.add(single)
        pte = mm.page_table.pte(addr)
        assert pte is not None
        pte.folio, pte.index = single, 0
        single.map_pte(mm, addr, 0)
    for index in range(folio.nr_pages):
        if index not in by_index:
            machine.zone.free(folio.pfn + index, 0)
            if folio.memcg is not None:
                folio.memcg.uncharge(1)


def zap_range(mm: Mm, start: int, end: int) -> None:
    """Unmap [start, end), cutting huge PMDs that reach over an end (unmap_page_range)."""
    for base, entry in list(mm.page_table.pmds_in(start, end)):
        if isinstance(entry, HugePmd):
            if start <= base and base + (PTRS_PER_PTE << PAGE_SHIFT) <= end:
                zap_huge(mm, base)
                continue
            split_huge_pmd(mm, base)
        for addr, _ in list(mm.page_table.ptes_in(max(start, base), min(end, base + (PTRS_PER_PTE << PAGE_SHIFT)))):
            zap_pte(mm, addr)
