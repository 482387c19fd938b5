# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Shared anonymous memory: which orders its own knobs allow, and its faults, which never ask BPF-THP (mm/shmem.c,
6.18)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thpmm.mm_flags import MMF_DISABLE_THP_COMPLETELY, MMF_DISABLE_THP_EXCEPT_ADVISED
from thpmm.orders import PMD_ORDER, THP_ORDERS_ALL_FILE, align_down, from_highest, size_kb
from thpmm.page_alloc import ORDER0, alloc_charged
from thpmm.rmap import map_page
from thpmm.vm_flags import VM_HUGEPAGE, VM_NOHUGEPAGE

if TYPE_CHECKING:
    from thpmm.file import File
    from thpmm.folio import Folio
    from thpmm.machine import Machine
    from thpmm.vma import Vma


def _disabled(vma: Vma, forced: bool) -> bool:
    """vma_thp_disabled(), as shmem calls it."""
    if vma.vm_flags & VM_NOHUGEPAGE or vma.mm.test_flag(MMF_DISABLE_THP_COMPLETELY):
        return True
    if vma.vm_flags & VM_HUGEPAGE or forced:
        return False
    return vma.mm.test_flag(MMF_DISABLE_THP_EXCEPT_ADVISED)


def shmem_allowable_huge_orders(machine: Machine, vma: Vma, *, forced: bool) -> int:
    """Orders for a page of a shared anonymous mapping; ``forced``: for MADV_COLLAPSE (shmem_huge_force)."""
    if _disabled(vma, forced):
        return 0
    setting = machine.sysfs.choice("shmem_enabled")
    if setting == "deny":
        return 0
    advised = bool(vma.vm_flags & VM_HUGEPAGE)
    masks = _size_masks(machine)
    if setting == "force":
        return masks["inherit"]
    mask = masks["always"] | masks["within_size"]
    if advised:
        mask |= masks["advise"]
    if forced or setting in ("always", "within_size") or (setting == "advise" and advised):
        mask |= masks["inherit"]
    return THP_ORDERS_ALL_FILE & mask


def _size_masks(machine: Machine) -> dict[str, int]:
    masks = dict.fromkeys(("always", "within_size", "advise", "inherit", "never"), 0)
    for order in range(1, PMD_ORDER + 1):
        masks[machine.sysfs.choice(f"hugepages-{size_kb(order)}kB/shmem_enabled")] |= 1 << order
    return masks


def shmem_fault(machine: Machine, vma: Vma, addr: int, *, write: bool) -> Folio | None:
    """Fill the page cache around an address and map the one page; None when there is no memory."""
    assert vma.file is not None
    index = vma.file_index(addr)
    folio = vma.file.pages.get(index)
    if folio is None:
        folio = _alloc(machine, vma, vma.file, index)
    if folio is not None:
        assert folio.file is not None
        map_page(vma.mm, align_down(addr, 0), folio, index - folio.file[1], write=write, dirty=write)
    return folio


def _alloc(machine: Machine, vma: Vma, file: File, index: int) -> Folio | None:
    """shmem_alloc_and_add_folio(): the largest allowed order whose aligned block of the file is still empty."""
    memcg = vma.mm.memcg
    for order in from_highest(shmem_allowable_huge_orders(machine, vma, forced=False)):
        first = index >> order << order
        if first + (1 << order) > file.size_pages or any(
            page in file.pages for page in range(first, first + (1 << order))
        ):
            continue
        policy = machine.sysfs.thp_policy(bool(vma.vm_flags & VM_HUGEPAGE))
        folio, reason = alloc_charged(machine, order, policy, memcg, kind="shmem")
        if folio is not None:
            machine.vmstat.count_mthp(order, "shmem_alloc")
            if order == PMD_ORDER:
                machine.vmstat.count("thp_file_alloc")
            return insert_pages(file, folio, first)
        machine.vmstat.count_mthp(order, "shmem_fallback")
        if reason == "charge":
            machine.vmstat.count_mthp(order, "shmem_fallback_charge")
        if order == PMD_ORDER:
            machine.vmstat.count("thp_file_fallback")
    folio, _ = alloc_charged(machine, 0, ORDER0, memcg, kind="shmem")
    return None if folio is None else insert_pages(file, folio, index)


def insert_pages(file: File, folio: Folio, first: int) -> Folio:
    """Put a folio into a file's page cache (filemap_add_folio)."""
    folio.file = (file, first)
    for page in range(first, first + folio.nr_pages):
        file.pages[page] = folio
    return folio
