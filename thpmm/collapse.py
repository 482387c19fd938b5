# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Replacing small pages by one of 2 MiB: khugepaged's work and MADV_COLLAPSE (mm/khugepaged.c, 6.18)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bpfvm.errors import SyscallError
from thpmm.errnos import EAGAIN, EBUSY, EINVAL, ENOMEM
from thpmm.folio import Folio
from thpmm.orders import PAGE_SHIFT, PMD_ORDER, PMD_SIZE, PTRS_PER_PTE, align_down, align_up
from thpmm.page_alloc import alloc_charged
from thpmm.page_table import HugePmd, Pte
from thpmm.rmap import map_huge, zap_pte
from thpmm.shmem import insert_pages
from thpmm.swap_in import do_swap_page
from thpmm.thp import thp_vma_allowable_order, thp_vma_suitable_order
from thpmm.tva import TVA_FORCED_COLLAPSE, TVA_KHUGEPAGED
from thpmm.vm_flags import VM_WRITE

if TYPE_CHECKING:
    from thpmm.machine import Machine
    from thpmm.mm import Mm
    from thpmm.vma import Vma

ERRNO = {
    "SCAN_ALLOC_HUGE_PAGE_FAIL": ENOMEM,
    "SCAN_CGROUP_CHARGE_FAIL": EBUSY,
    "SCAN_EXCEED_NONE_PTE": EBUSY,
    "SCAN_PAGE_COUNT": EAGAIN,
    "SCAN_PAGE_LOCK": EAGAIN,
    "SCAN_PAGE_LRU": EAGAIN,
    "SCAN_DEL_PAGE_LRU": EAGAIN,
    "SCAN_PAGE_FILLED": EAGAIN,
}
"""madvise_collapse_errno(); everything else is EINVAL."""

GO_ON = (
    "SCAN_PMD_NULL",
    "SCAN_PTE_NON_PRESENT",
    "SCAN_PAGE_RO",
    "SCAN_LACK_REFERENCED_PAGE",
    "SCAN_PAGE_NULL",
    "SCAN_PAGE_COUNT",
    "SCAN_PAGE_LOCK",
    "SCAN_PAGE_COMPOUND",
    "SCAN_PAGE_LRU",
    "SCAN_DEL_PAGE_LRU",
)
"""Results after which MADV_COLLAPSE looks at the next 2 MiB all the same."""


@dataclass(frozen=True, slots=True)
class CollapseControl:
    """On whose behalf: khugepaged keeps to its limits and asks as TVA_KHUGEPAGED, MADV_COLLAPSE doesn't."""

    khugepaged: bool

    @property
    def tva(self) -> int:
        """What the collapse asks permission as."""
        return TVA_KHUGEPAGED if self.khugepaged else TVA_FORCED_COLLAPSE


def collapse_pmd(machine: Machine, mm: Mm, vma: Vma, addr: int, control: CollapseControl) -> str:
    """Look at one aligned 2 MiB and collapse it if that is worth it; returns the kernel's scan_result by name."""
    if not vma.anonymous:
        return _collapse_file(machine, mm, vma, addr, control)
    result = _scan_pmd(machine, mm, addr, control)
    return _collapse_huge_page(machine, mm, addr, control) if result == "SCAN_SUCCEED" else result


def _scan_pmd(machine: Machine, mm: Mm, addr: int, control: CollapseControl) -> str:
    """hpage_collapse_scan_pmd(): count what is missing, swapped out or shared."""
    entry = mm.page_table.pmd(addr)
    if entry is None:
        return "SCAN_PMD_NONE"
    if isinstance(entry, HugePmd):
        return "SCAN_PMD_MAPPED"
    limits, vmstat = machine.sysfs, machine.vmstat
    none = swapped = shared = referenced = 0
    for index in range(PTRS_PER_PTE):
        pte = entry.get(index)
        if pte is None or pte.zero:
            none += 1
            if control.khugepaged and none > limits.number("khugepaged/max_ptes_none"):
                vmstat.count("thp_scan_exceed_none_pte")
                return "SCAN_EXCEED_NONE_PTE"
        elif pte.swap >= 0:
            swapped += 1
            if control.khugepaged and swapped > limits.number("khugepaged/max_ptes_swap"):
                vmstat.count("thp_scan_exceed_swap_pte")
                return "SCAN_EXCEED_SWAP_PTE"
        elif pte.folio is not None:
            shared += pte.folio.mapped_shared
            if control.khugepaged and shared > limits.number("khugepaged/max_ptes_shared"):
                vmstat.count("thp_scan_exceed_share_pte")
                return "SCAN_EXCEED_SHARED_PTE"
            referenced += pte.young
    if control.khugepaged and (not referenced or (swapped and referenced < PTRS_PER_PTE // 2)):
        return "SCAN_LACK_REFERENCED_PAGE"
    return "SCAN_SUCCEED"


def revalidate(
    machine: Machine, mm: Mm, addr: int, control: CollapseControl, *, expect_anon: bool
) -> tuple[str, Vma | None]:
    """hugepage_vma_revalidate(): the lock was dropped, so everything may have changed; asks for permission again."""
    if mm.mm_users == 0:
        return "SCAN_ANY_PROCESS", None
    vma = mm.vmas.lookup(addr)
    if vma is None:
        return "SCAN_VMA_NULL", None
    if not thp_vma_suitable_order(vma, addr, PMD_ORDER):
        return "SCAN_ADDRESS_RANGE", vma
    if not thp_vma_allowable_order(machine, vma, control.tva, PMD_ORDER):
        return "SCAN_VMA_CHECK", vma
    if expect_anon and (vma.anon is None or not vma.anonymous):
        return "SCAN_PAGE_ANON", vma
    return "SCAN_SUCCEED", vma


def _alloc(machine: Machine, mm: Mm) -> tuple[Folio | None, str]:
    """alloc_charge_folio()."""
    folio, reason = alloc_charged(machine, PMD_ORDER, machine.sysfs.khugepaged_policy(), mm.memcg)
    if reason == "alloc":
        machine.vmstat.count("thp_collapse_alloc_failed")
        return None, "SCAN_ALLOC_HUGE_PAGE_FAIL"
    machine.vmstat.count("thp_collapse_alloc")
    return folio, "SCAN_SUCCEED" if folio is not None else "SCAN_CGROUP_CHARGE_FAIL"


def _collapse_huge_page(machine: Machine, mm: Mm, addr: int, control: CollapseControl) -> str:
    """collapse_huge_page(): allocate, bring swapped pages in, check twice, copy, install."""
    folio, result = _alloc(machine, mm)
    if folio is None:
        return result
    machine.kernel.pause_point("khugepaged_before_revalidate")
    result, vma = revalidate(machine, mm, addr, control, expect_anon=True)
    if result == "SCAN_SUCCEED" and vma is not None:
        result = _swap_in_all(machine, vma, addr)
    if result == "SCAN_SUCCEED":
        result, vma = revalidate(machine, mm, addr, control, expect_anon=True)
    if result == "SCAN_SUCCEED" and not isinstance(mm.page_table.pmd(addr), dict):
        result = "SCAN_PMD_NULL"
    if result != "SCAN_SUCCEED" or vma is None:
        _drop(machine, folio)
        return result
    for page in range(addr, addr + PMD_SIZE, 1 << PAGE_SHIFT):
        zap_pte(mm, page)
    mm.page_table.clear_pmd(addr)
    map_huge(mm, addr, folio, write=bool(vma.vm_flags & VM_WRITE))
    return "SCAN_SUCCEED"


def _drop(machine: Machine, folio: Folio) -> None:
    if folio.memcg is not None:
        folio.memcg.uncharge(folio.nr_pages)
    machine.reclaim.forget(folio)
    machine.vmstat.count_mthp(folio.order, "nr_anon", -1)
    machine.zone.free(folio.pfn, folio.order)


def _swap_in_all(machine: Machine, vma: Vma, addr: int) -> str:
    """__collapse_huge_page_swapin()."""
    for page in range(addr, addr + PMD_SIZE, 1 << PAGE_SHIFT):
        pte = vma.mm.page_table.pte(page)
        if isinstance(pte, Pte) and pte.swap >= 0 and not do_swap_page(machine, vma, page, write=False):
            return "SCAN_FAIL"
    return "SCAN_SUCCEED"


def _collapse_file(machine: Machine, mm: Mm, vma: Vma, addr: int, control: CollapseControl) -> str:
    """hpage_collapse_scan_file(), collapse_file(): one folio in the page cache instead of many.

    The page table follows at the next fault, except for MADV_COLLAPSE, which maps the result at once.
    """
    file, first = vma.file, vma.file_index(addr)
    assert file is not None
    pages = range(first, first + PTRS_PER_PTE)
    small = {file.pages[page] for page in pages if page in file.pages}
    if any(folio.order == PMD_ORDER for folio in small):
        folio = next(iter(small))
        if isinstance(mm.page_table.pmd(addr), HugePmd):
            return "SCAN_PMD_MAPPED"
        return _map_file_pmd(machine, mm, addr, folio, control)
    present = sum(page in file.pages for page in pages)
    if control.khugepaged and present < PTRS_PER_PTE - machine.sysfs.number("khugepaged/max_ptes_none"):
        machine.vmstat.count("thp_scan_exceed_none_pte")
        return "SCAN_EXCEED_NONE_PTE"
    if present == 0 and not file.shmem:
        return "SCAN_PAGE_NULL"
    new, reason = alloc_charged(
        machine, PMD_ORDER, machine.sysfs.khugepaged_policy(), mm.memcg, kind="shmem" if file.shmem else "file"
    )
    if new is None:
        machine.vmstat.count("thp_collapse_alloc_failed" if reason == "alloc" else "thp_collapse_alloc")
        return "SCAN_ALLOC_HUGE_PAGE_FAIL" if reason == "alloc" else "SCAN_CGROUP_CHARGE_FAIL"
    machine.vmstat.count("thp_collapse_alloc")
    for old in sorted(small, key=lambda folio: folio.pfn):
        for user, page in list(old.ptes):
            zap_pte(user, page)
        machine.free_page_cache(old)
    insert_pages(file, new, first)
    return _map_file_pmd(machine, mm, addr, new, control) if not control.khugepaged else "SCAN_SUCCEED"


def _map_file_pmd(machine: Machine, mm: Mm, addr: int, folio: Folio, control: CollapseControl) -> str:
    """collapse_pte_mapped_thp(): asks as forced collapse whoever the caller is."""
    vma = mm.vmas.lookup(addr)
    if vma is None or not thp_vma_allowable_order(machine, vma, TVA_FORCED_COLLAPSE, PMD_ORDER):
        return "SCAN_VMA_CHECK"
    for page in range(addr, addr + PMD_SIZE, 1 << PAGE_SHIFT):
        zap_pte(mm, page)
    mm.page_table.clear_pmd(addr)
    if not control.khugepaged:
        map_huge(mm, addr, folio, write=bool(vma.vm_flags & VM_WRITE) and folio.kind == "shmem")
        machine.vmstat.count("thp_file_mapped")
    return "SCAN_SUCCEED"


def madvise_collapse(machine: Machine, mm: Mm, vma: Vma, start: int, end: int) -> int:
    """madvise_collapse() of one VMA's part of the range; returns how many 2 MiB ended huge. Raises SyscallError."""
    control = CollapseControl(khugepaged=False)
    if not thp_vma_allowable_order(machine, vma, TVA_FORCED_COLLAPSE, PMD_ORDER):
        raise SyscallError(EINVAL, "MADV_COLLAPSE isn't allowed for this VMA")
    first, last = align_up(start, PMD_ORDER), align_down(end, PMD_ORDER)
    huge, fail, locked = 0, "SCAN_FAIL", True
    for addr in range(first, last, PMD_SIZE):
        current: Vma | None = vma
        if not locked:
            fail, current = revalidate(machine, mm, addr, control, expect_anon=False)
            if fail != "SCAN_SUCCEED":
                break
        assert current is not None
        result = collapse_pmd(machine, mm, current, addr, control)
        locked = result in ("SCAN_PMD_MAPPED", "SCAN_PMD_NONE")
        if result in ("SCAN_SUCCEED", "SCAN_PMD_MAPPED"):
            huge += 1
            continue
        fail = result
        if result not in GO_ON:
            break
    wanted = max(0, last - first) // PMD_SIZE
    if huge != wanted:
        raise SyscallError(ERRNO.get(fail, EINVAL), f"MADV_COLLAPSE: {huge} of {wanted} blocks ended huge ({fail})")
    return huge
