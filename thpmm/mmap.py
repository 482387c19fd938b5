# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""System calls that shape an address space: mmap, munmap, mprotect, brk (mm/mmap.c, mm/vma.c, mm/mprotect.c, 6.18)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bpfvm.errors import SyscallError, UsageError
from thpmm.errnos import EACCES, EINVAL, ENOMEM
from thpmm.file import File
from thpmm.orders import PAGE_SHIFT, PAGE_SIZE
from thpmm.page_table import HugePmd
from thpmm.rmap import zap_range
from thpmm.vm_flags import (
    VM_ACCESS,
    VM_ACCOUNT,
    VM_EXEC,
    VM_MAY,
    VM_MAYSHARE,
    VM_READ,
    VM_SHARED,
    VM_WRITE,
)
from thpmm.vma import Vma, free_vma, link_vma, split_pmd_at, split_vma, unmapped_area, vma_merge

if TYPE_CHECKING:
    from thpmm.machine import Machine
    from thpmm.mm import Mm

PROT = {"r": VM_READ, "w": VM_WRITE, "x": VM_EXEC}
STORY_FLAGS = ("private", "shared", "anonymous", "fixed")


def prot_bits(prot: str) -> int:
    """VM_READ, VM_WRITE, VM_EXEC of a text such as "rw" or "r-x". Raises UsageError."""
    flags = 0
    for letter in prot.replace("-", "").replace("none", ""):
        if letter not in PROT:
            raise UsageError(f"protection '{prot}': write it with r, w, x and -")
        flags |= PROT[letter]
    return flags


def page_align(length: int) -> int:
    """Rounded up to whole pages."""
    return (length + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1)


def do_mmap(
    machine: Machine,
    mm: Mm,
    length: int,
    *,
    at: int | None,
    flags: int,
    shared: bool,
    file: File | None,
    pgoff: int = 0,
) -> int:
    """A new mapping; ``at`` is a fixed address whose old mappings go. Raises SyscallError EINVAL, ENOMEM."""
    if length <= 0 or (at is not None and (at < 0 or at & (PAGE_SIZE - 1))):
        raise SyscallError(EINVAL, "mmap: length or address")
    length = page_align(length)
    if shared and file is None:
        file = machine.files.shmem(length >> PAGE_SHIFT)
    start = at if at is not None else unmapped_area(mm, length, align_large=file is None)
    if start is None or start + length > mm.task_size:
        raise SyscallError(ENOMEM, f"mmap: no room for {length} bytes")
    do_munmap(mm, start, start + length)
    flags |= VM_MAY | mm.def_flags
    flags |= VM_SHARED | VM_MAYSHARE if shared else VM_ACCOUNT if flags & VM_WRITE else 0
    vma = Vma(mm, start, start + length, flags, file=file, pgoff=pgoff if file is not None else None)
    link_vma(vma)
    merged = vma_merge(vma)
    if merged is vma and not vma.anonymous:
        machine.khugepaged.enter_vma(vma)
    return start


def do_munmap(mm: Mm, start: int, end: int) -> None:
    """Remove what is mapped in [start, end), splitting VMAs at the borders; nothing mapped there is fine."""
    vmas = list(split_to_range(mm, start, end))
    for vma in vmas:
        zap_range(mm, vma.vm_start, vma.vm_end)
        free_vma(vma)
    if vmas:
        lower = mm.vmas.lookup(start - 1) if start else None
        prev_end = lower.vm_end if lower is not None else _end_below(mm, start)
        following = mm.vmas.find_vma(end)
        mm.page_table.free_empty(prev_end, following.vm_start if following is not None else mm.task_size)


def _end_below(mm: Mm, start: int) -> int:
    return max((vma.vm_end for vma in mm.vmas if vma.vm_end <= start), default=0)


def split_to_range(mm: Mm, start: int, end: int) -> Iterator[Vma]:
    """The VMAs of [start, end), cut so that each lies wholly inside."""
    for found in mm.vmas.overlapping(start, end):
        vma = found
        if vma.vm_start < start:
            vma = split_vma(vma, start)
        if vma.vm_end > end:
            split_vma(vma, end)
        yield vma


def change_flags(vma: Vma, start: int, end: int, flags: int) -> Vma:
    """vma_modify_flags(): give a part of a VMA other flags, by merging with a neighbour that has them or by
    splitting."""
    if vma.vm_flags == flags:
        return vma
    (part,) = split_to_range(vma.mm, max(start, vma.vm_start), min(end, vma.vm_end))
    part.set_flags(flags)
    return vma_merge(part)


def covered(mm: Mm, start: int, end: int) -> list[Vma]:
    """The VMAs of a range that must have no hole. Raises SyscallError(ENOMEM)."""
    vmas = mm.vmas.overlapping(start, end)
    at = start
    for vma in vmas:
        if vma.vm_start > at:
            break
        at = vma.vm_end
    if at < end:
        raise SyscallError(ENOMEM, f"{at:#x} is not mapped")
    return vmas


def do_mprotect(mm: Mm, start: int, length: int, prot: int) -> None:
    """Raises SyscallError: EINVAL unaligned, ENOMEM a hole, EACCES more than the mapping may."""
    if start & (PAGE_SIZE - 1):
        raise SyscallError(EINVAL, "mprotect: address")
    end = start + page_align(length)
    for vma in covered(mm, start, end):
        if prot & ~(vma.vm_flags >> 4) & VM_ACCESS:
            raise SyscallError(EACCES, "mprotect: the mapping doesn't allow it")
        low, high = max(start, vma.vm_start), min(end, vma.vm_end)
        writable = prot & VM_WRITE and not vma.vm_flags & VM_WRITE
        change_flags(vma, start, end, vma.vm_flags & ~VM_ACCESS | prot)
        if not writable:
            _write_protect(mm, low, high, keep=bool(prot & VM_WRITE))


def _write_protect(mm: Mm, start: int, end: int, *, keep: bool) -> None:
    """change_protection(): take the write permission away from what is mapped (it comes back by faults)."""
    if keep:
        return
    split_pmd_at(mm, start)
    split_pmd_at(mm, end)
    for _, entry in mm.page_table.pmds_in(start, end):
        if isinstance(entry, HugePmd):
            entry.write = False
    for _, pte in mm.page_table.ptes_in(start, end):
        pte.write = False


def do_brk(mm: Mm, brk: int) -> int:
    """Move the end of the heap; returns where it is now (the old place when it can't move)."""
    if brk < mm.start_brk:
        return mm.brk
    old, new = page_align(mm.brk), page_align(brk)
    if new < old:
        do_munmap(mm, new, old)
    elif new > old:
        if mm.vmas.overlapping(old, new):
            return mm.brk
        _grow_heap(mm, old, new)
    mm.brk = brk
    return brk


def _grow_heap(mm: Mm, start: int, end: int) -> None:
    """do_brk_flags(): extend the heap's VMA, or make it."""
    vma = Vma(mm, start, end, VM_READ | VM_WRITE | VM_MAY | VM_ACCOUNT | mm.def_flags)
    vma.label = "[heap]"
    link_vma(vma)
    vma_merge(vma)
