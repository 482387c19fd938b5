# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Virtual memory areas (struct vm_area_struct): creation, copying, splitting, merging (mm/vma.c, 6.18)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thpmm.kobject import Field, KObject
from thpmm.orders import PAGE_SHIFT, PMD_ORDER, PMD_SIZE, align_down
from thpmm.page_table import HugePmd
from thpmm.rmap import split_huge_pmd
from thpmm.vm_flags import VM_EXEC, VM_GROWSDOWN, VM_READ, VM_SHARED, VM_STACK_INCOMPLETE_SETUP, VM_WRITE

if TYPE_CHECKING:
    from thpmm.file import File
    from thpmm.machine import Machine
    from thpmm.mm import Mm


class AnonVma(KObject):
    """struct anon_vma; ``users`` counts the VMAs that refer to it."""

    STRUCT = "anon_vma"
    __slots__ = ("users",)

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self.users = 0


class VmOps(KObject):
    """struct vm_operations_struct: its address tells mappings of files from anonymous ones."""

    STRUCT = "vm_operations_struct"


class Vma(KObject):
    """[vm_start, vm_end) of one address space. Anonymous exactly when ``vm_ops`` is NULL."""

    STRUCT = "vm_area_struct"
    __slots__ = ("anon", "file", "label", "mm")
    vm_start = Field("vm_start")
    vm_end = Field("vm_end")
    vm_mm = Field("vm_mm")
    vm_page_prot = Field("vm_page_prot.pgprot")
    vm_flags = Field("__vm_flags")
    anon_vma = Field("anon_vma")
    vm_ops = Field("vm_ops")
    vm_pgoff = Field("vm_pgoff")
    vm_file = Field("vm_file")

    def __init__(
        self, mm: Mm, start: int, end: int, flags: int, *, file: File | None = None, pgoff: int | None = None
    ) -> None:
        super().__init__(mm.machine)
        self.mm = mm
        self.file = file
        self.anon: AnonVma | None = None
        self.label = ""
        self.vm_start, self.vm_end, self.vm_mm = start, end, mm.addr
        self.set_flags(flags)
        if file is not None:
            file.users += 1
            self.vm_file = file.addr
            self.vm_ops = mm.machine.vm_ops["shmem" if file.shmem else "file"].addr
        self.vm_pgoff = start >> PAGE_SHIFT if pgoff is None else pgoff

    def __repr__(self) -> str:
        return f"<vma {self.vm_start:#x}-{self.vm_end:#x}>"

    @property
    def anonymous(self) -> bool:
        """vma_is_anonymous()."""
        return self.vm_ops == 0

    @property
    def temporary_stack(self) -> bool:
        """Is it the stack of an exec that isn't through yet (vma_is_temporary_stack)?"""
        flags = self.vm_flags
        return bool(flags & VM_GROWSDOWN) and flags & VM_STACK_INCOMPLETE_SETUP == VM_STACK_INCOMPLETE_SETUP

    @property
    def pages(self) -> int:
        """Length in pages."""
        return (self.vm_end - self.vm_start) >> PAGE_SHIFT

    def set_flags(self, flags: int) -> None:
        """vm_flags_reset(), and the protection bits that follow from them."""
        self.vm_flags = flags
        self.vm_page_prot = flags & (VM_READ | VM_WRITE | VM_EXEC | VM_SHARED)

    def contains(self, start: int, size: int) -> bool:
        """Does the whole range lie inside?"""
        return self.vm_start <= start and start + size <= self.vm_end

    def file_index(self, addr: int) -> int:
        """linear_page_index(): the page of the file that an address maps."""
        return ((addr - self.vm_start) >> PAGE_SHIFT) + self.vm_pgoff

    def use_anon(self, anon: AnonVma | None) -> None:
        """Refer to an anon_vma (None: to none any more); the last one to leave frees it."""
        old, self.anon = self.anon, anon
        self.anon_vma = anon.addr if anon is not None else 0
        if anon is not None:
            anon.users += 1
        if old is not None:
            old.users -= 1
            if old.users == 0:
                old.free()

    def prepare_anon(self) -> None:
        """anon_vma_prepare(): before the first anonymous page; an adjacent VMA's is used when they could merge."""
        if self.anon is None:
            self.use_anon(_reusable_anon(self) or AnonVma(self.machine))

    def move_bounds(self, start: int, end: int) -> None:
        """Set both ends, keeping the tree sorted and the file offset right (vma_expand, vma_shrink)."""
        self.mm.vmas.remove(self)
        self.vm_pgoff = self.vm_pgoff + ((start - self.vm_start) >> PAGE_SHIFT)
        self.vm_start, self.vm_end = start, end
        self.mm.vmas.insert(self)


def _reusable_anon(vma: Vma) -> AnonVma | None:
    """find_mergeable_anon_vma()."""
    for other in (vma.mm.vmas.next(vma), vma.mm.vmas.prev(vma)):
        if other is None or other.anon is None or other.file is not vma.file:
            continue
        touches = vma.vm_start == other.vm_end or other.vm_start == vma.vm_end
        if touches and not (other.vm_flags ^ vma.vm_flags) & ~(VM_READ | VM_WRITE | VM_EXEC):
            return other.anon
    return None


def link_vma(vma: Vma) -> None:
    """Put a VMA into its address space and account for it."""
    vma.mm.vmas.insert(vma)
    vma.mm.map_count = vma.mm.map_count + 1
    vma.mm.total_vm = vma.mm.total_vm + vma.pages


def free_vma(vma: Vma) -> None:
    """Take it out again; its pages must be unmapped already."""
    vma.mm.vmas.remove(vma)
    vma.mm.map_count = vma.mm.map_count - 1
    vma.mm.total_vm = vma.mm.total_vm - vma.pages
    release_vma(vma)


def release_vma(vma: Vma) -> None:
    """Free the struct and its shares of anon_vma and file (remove_vma); shared memory goes with its last mapping."""
    vma.use_anon(None)
    if vma.file is not None:
        vma.file.users -= 1
        if vma.file.users == 0 and vma.file.shmem:
            vma.machine.drop_page_cache(vma.file)
    vma.free()


def vm_area_dup(vma: Vma, mm: Mm) -> Vma:
    """A copy of a VMA for ``mm``; shares the anon_vma only inside of one address space."""
    new = Vma(mm, vma.vm_start, vma.vm_end, vma.vm_flags, file=vma.file, pgoff=vma.vm_pgoff)
    new.label = vma.label
    if mm is vma.mm:
        new.use_anon(vma.anon)
    elif vma.anon is not None:
        new.use_anon(AnonVma(vma.machine))
    return new


def split_vma(vma: Vma, addr: int) -> Vma:
    """Cut at ``addr``; returns the upper part. A huge PMD across the cut becomes 512 PTEs (vma_adjust_trans_huge)."""
    new = vm_area_dup(vma, vma.mm)
    end = vma.vm_end
    split_pmd_at(vma.mm, addr)
    vma.move_bounds(vma.vm_start, addr)
    new.vm_pgoff = new.vm_pgoff + ((addr - new.vm_start) >> PAGE_SHIFT)
    new.vm_start, new.vm_end = addr, end
    vma.mm.vmas.insert(new)
    vma.mm.map_count = vma.mm.map_count + 1
    return new


def split_pmd_at(mm: Mm, addr: int) -> None:
    """split_huge_pmd_if_needed(): only when the address isn't a PMD boundary."""
    if addr != align_down(addr, PMD_ORDER) and isinstance(mm.page_table.pmd(addr), HugePmd):
        split_huge_pmd(mm, align_down(addr, PMD_ORDER))


def can_merge(lower: Vma, upper: Vma) -> bool:
    """May two adjacent VMAs become one (is_mergeable_vma, is_mergeable_anon_vma, and the file offsets)?"""
    if lower.vm_end != upper.vm_start or lower.vm_flags != upper.vm_flags:
        return False
    if lower.file is not upper.file or lower.label != upper.label:
        return False
    if lower.anon is not upper.anon and lower.anon is not None and upper.anon is not None:
        return False
    same_object = lower.file is not None or lower.anon is not None or upper.anon is not None
    return not same_object or lower.vm_pgoff + lower.pages == upper.vm_pgoff


def vma_merge(vma: Vma) -> Vma:
    """Merge with the neighbours as far as possible; after a merge the mm is offered to khugepaged. Returns what it
    is now."""
    merged = False
    lower = vma.mm.vmas.prev(vma)
    if lower is not None and can_merge(lower, vma):
        _absorb(lower, vma)
        vma, merged = lower, True
    upper = vma.mm.vmas.next(vma)
    if upper is not None and can_merge(vma, upper):
        _absorb(vma, upper)
        merged = True
    if merged:
        vma.machine.khugepaged.enter_vma(vma)
    return vma


def _absorb(lower: Vma, upper: Vma) -> None:
    """``lower`` grows over ``upper``, which is freed."""
    mm, end = lower.mm, upper.vm_end
    mm.vmas.remove(upper)
    mm.map_count = mm.map_count - 1
    if lower.anon is None and upper.anon is not None:
        lower.use_anon(upper.anon)
        lower.vm_pgoff = upper.vm_pgoff - lower.pages
    release_vma(upper)
    lower.move_bounds(lower.vm_start, end)


def unmapped_area(mm: Mm, length: int, *, align_large: bool) -> int | None:
    """Where mmap places a mapping without address: top-down; lengths that are multiples of 2 MiB are aligned to it."""
    align = PMD_SIZE if align_large and length % PMD_SIZE == 0 else 1 << PAGE_SHIFT
    return mm.vmas.unmapped_area(length, mm.mmap_base, align, 1 << 16)
