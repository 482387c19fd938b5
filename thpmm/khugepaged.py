# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""khugepaged: which address spaces it knows, how it walks them, what it counts (mm/khugepaged.c, 6.18)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thpmm.collapse import CollapseControl, collapse_pmd
from thpmm.mm import mmdrop, mmgrab
from thpmm.mm_flags import MMF_VM_HUGEPAGE
from thpmm.orders import PMD_ORDER, PMD_SIZE, PTRS_PER_PTE, align_down, align_up
from thpmm.thp import thp_vma_allowable_order, thp_vma_allowable_orders
from thpmm.tva import TVA_KHUGEPAGED

if TYPE_CHECKING:
    from thpmm.machine import Machine
    from thpmm.mm import Mm
    from thpmm.task import Task
    from thpmm.vma import Vma


@dataclass(frozen=True, slots=True)
class Scanned:
    """One aligned 2 MiB that a scan looked at; ``owner`` is the name of the mm's owner."""

    owner: str
    addr: int
    result: str


@dataclass(slots=True)
class Cursor:
    """Where the next scan goes on."""

    mm: Mm | None = None
    addr: int = 0


class Khugepaged:
    """The kernel thread. ``mm_slots`` is its list of address spaces, in the order they were registered;
    ``requested_orders`` the mask it asks with (only PMD order is ever collapsed to)."""

    __slots__ = ("cursor", "full_scans", "machine", "mm_slots", "pages_collapsed", "requested_orders", "task")

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.mm_slots: dict[Mm, None] = {}
        self.cursor = Cursor()
        self.full_scans = 0
        self.pages_collapsed = 0
        self.requested_orders = 1 << PMD_ORDER
        self.task: Task | None = None
        machine.sysfs.readonly["khugepaged/full_scans"] = lambda: self.full_scans
        machine.sysfs.readonly["khugepaged/pages_collapsed"] = lambda: self.pages_collapsed

    def enter(self, mm: Mm) -> None:
        """__khugepaged_enter(): register once; holds the struct, not the address space."""
        if not mm.test_flag(MMF_VM_HUGEPAGE):
            mm.set_flag(MMF_VM_HUGEPAGE)
            self.mm_slots[mm] = None
            mmgrab(mm)

    def enter_vma(self, vma: Vma) -> None:
        """khugepaged_enter_vma(): asks, and so runs a program, only for an mm that isn't registered yet."""
        if vma.mm.test_flag(MMF_VM_HUGEPAGE) or not self.machine.sysfs.pmd_enabled():
            return
        if thp_vma_allowable_order(self.machine, vma, TVA_KHUGEPAGED, PMD_ORDER):
            self.enter(vma.mm)

    def fork(self, mm: Mm, old: Mm) -> None:
        """khugepaged_fork(): registration is inherited."""
        if old.test_flag(MMF_VM_HUGEPAGE):
            self.enter(mm)

    def exit(self, mm: Mm) -> None:
        """khugepaged_exit()."""
        if mm.test_flag(MMF_VM_HUGEPAGE) and mm in self.mm_slots:
            if self.cursor.mm is mm:
                self._next_mm()
            del self.mm_slots[mm]
            mm.clear_flag(MMF_VM_HUGEPAGE)
            mmdrop(self.machine, mm.addr)

    def scan(self) -> tuple[list[Scanned], int]:
        """One wake-up: look at ``pages_to_scan`` PTEs. Returns what was looked at and how many PTEs that were."""
        budget, progress = self.machine.sysfs.number("khugepaged/pages_to_scan"), 0
        seen: list[Scanned] = []
        passes = 0
        while progress < budget and self.mm_slots and self.machine.sysfs.pmd_enabled() and passes < 2:
            if self.cursor.mm is None:
                passes += 1
                if passes == 2:
                    break
                self.cursor = Cursor(next(iter(self.mm_slots)), 0)
            progress += self._scan_mm(budget - progress, seen)
        return seen, progress

    def _next_mm(self) -> None:
        """Go to the next address space; behind the last one a full scan is over."""
        mms = list(self.mm_slots)
        place = mms.index(self.cursor.mm) + 1 if self.cursor.mm in self.mm_slots else len(mms)
        if place < len(mms):
            self.cursor = Cursor(mms[place], 0)
        else:
            self.cursor = Cursor()
            self.full_scans += 1

    def _scan_mm(self, budget: int, seen: list[Scanned]) -> int:
        """khugepaged_scan_mm_slot(): VMA by VMA, until the budget is used up or the address space is through."""
        machine, mm, progress = self.machine, self.cursor.mm, 1
        assert mm is not None
        control = CollapseControl(khugepaged=True)
        while mm.mm_users > 0 and (vma := mm.vmas.find_vma(self.cursor.addr)) is not None:
            if not thp_vma_allowable_orders(machine, vma, TVA_KHUGEPAGED, self.requested_orders) >> PMD_ORDER & 1:
                progress += 1
                self.cursor.addr = vma.vm_end
                continue
            start, end = align_up(vma.vm_start, PMD_ORDER), align_down(vma.vm_end, PMD_ORDER)
            addr = max(self.cursor.addr, start)
            if addr >= end:
                progress += 1
                self.cursor.addr = vma.vm_end
                continue
            result = collapse_pmd(machine, mm, vma, addr, control)
            self._note(mm, addr, result, seen)
            self.cursor.addr = addr + PMD_SIZE
            progress += PTRS_PER_PTE
            if result == "SCAN_ALLOC_HUGE_PAGE_FAIL":
                machine.advance(machine.sysfs.number("khugepaged/alloc_sleep_millisecs") * 1_000_000)
            if progress >= budget:
                return progress
        if self.cursor.mm is mm:
            self._next_mm()
        return progress

    def _note(self, mm: Mm, addr: int, result: str, seen: list[Scanned]) -> None:
        owner = mm.owner
        seen.append(Scanned(owner.name if owner is not None else "", addr, result))
        if result == "SCAN_SUCCEED":
            self.pages_collapsed += 1
