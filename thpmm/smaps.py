# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""/proc/PID/smaps (fs/proc/task_mmu.c, 6.18): sizes, THPeligible, VmFlags. Reading it asks the policy, as the
reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thpmm.orders import PAGE_SHIFT, PAGE_SIZE, PMD_SIZE, THP_ORDERS_ALL
from thpmm.page_table import HugePmd
from thpmm.thp import thp_vma_allowable_orders
from thpmm.tva import TVA_SMAPS
from thpmm.vm_flags import VM_EXEC, VM_READ, VM_SHARED, VM_WRITE, mnemonics

if TYPE_CHECKING:
    from thpmm.machine import Machine
    from thpmm.mm import Mm
    from thpmm.vma import Vma

KB_PER_PMD = PMD_SIZE >> 10
KB_PER_PAGE = PAGE_SIZE >> 10


@dataclass(slots=True)
class SmapsEntry:
    """One VMA; sizes in kB, fields named as in the file."""

    start: int
    end: int
    prot: str
    pgoff: int
    ino: int
    name: str
    Size: int
    Rss: int = 0
    Anonymous: int = 0
    AnonHugePages: int = 0
    ShmemPmdMapped: int = 0
    FilePmdMapped: int = 0
    Swap: int = 0
    THPeligible: bool = False
    VmFlags: tuple[str, ...] = ()

    def text(self) -> str:
        """The entry as the file has it (those of its lines that are emulated)."""
        head = f"{self.start:08x}-{self.end:08x} {self.prot} {self.pgoff << PAGE_SHIFT:08x} 00:00 {self.ino} "
        lines = [f"{head:<73}{self.name}" if self.name else head]
        for name in ("Size", "Rss", "Anonymous", "AnonHugePages", "ShmemPmdMapped", "FilePmdMapped", "Swap"):
            lines.append(f"{name + ':':<16}{getattr(self, name):8d} kB")
        lines.append(f"{'THPeligible:':<16}{int(self.THPeligible):8d}")
        lines.append(f"VmFlags: {' '.join(self.VmFlags)} ")
        return "\n".join(lines) + "\n"


def show_smap(machine: Machine, vma: Vma) -> SmapsEntry:
    """show_smap()."""
    entry = SmapsEntry(
        start=vma.vm_start,
        end=vma.vm_end,
        prot=_prot(vma.vm_flags),
        pgoff=vma.vm_pgoff if vma.file is not None else 0,
        ino=vma.file.inode.i_ino if vma.file is not None else 0,
        name=vma.file.path if vma.file is not None else vma.label,
        Size=(vma.vm_end - vma.vm_start) >> 10,
    )
    _gather(entry, vma.mm)
    entry.THPeligible = thp_vma_allowable_orders(machine, vma, TVA_SMAPS, THP_ORDERS_ALL) != 0
    entry.VmFlags = mnemonics(vma.vm_flags)
    return entry


def _prot(flags: int) -> str:
    letters = "".join(
        letter if flags & bit else "-" for bit, letter in ((VM_READ, "r"), (VM_WRITE, "w"), (VM_EXEC, "x"))
    )
    return letters + ("s" if flags & VM_SHARED else "p")


def _gather(entry: SmapsEntry, mm: Mm) -> None:
    for _, pmd in mm.page_table.pmds_in(entry.start, entry.end):
        if isinstance(pmd, HugePmd) and pmd.folio is not None:
            entry.Rss += KB_PER_PMD
            if pmd.folio.kind == "anon":
                entry.Anonymous += KB_PER_PMD
                entry.AnonHugePages += KB_PER_PMD
            elif pmd.folio.kind == "shmem":
                entry.ShmemPmdMapped += KB_PER_PMD
            else:
                entry.FilePmdMapped += KB_PER_PMD
    for _, pte in mm.page_table.ptes_in(entry.start, entry.end):
        if pte.folio is not None:
            entry.Rss += KB_PER_PAGE
            entry.Anonymous += KB_PER_PAGE if pte.folio.kind == "anon" else 0
        elif pte.swap >= 0:
            entry.Swap += KB_PER_PAGE


def show_smaps(machine: Machine, mm: Mm) -> tuple[SmapsEntry, ...]:
    """All VMAs; the caller holds a user reference of the address space meanwhile."""
    return tuple(show_smap(machine, vma) for vma in mm.vmas)
