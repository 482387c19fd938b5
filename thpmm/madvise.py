# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""madvise(): the advice that matters for huge pages (mm/madvise.c, mm/khugepaged.c hugepage_madvise, 6.18)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpfvm.errors import SyscallError, UsageError
from thpmm.collapse import madvise_collapse
from thpmm.errnos import EINVAL, ENOMEM
from thpmm.fault import populate
from thpmm.mmap import change_flags, covered, page_align
from thpmm.orders import PAGE_SIZE
from thpmm.rmap import zap_range
from thpmm.vm_flags import VM_HUGEPAGE, VM_NOHUGEPAGE

if TYPE_CHECKING:
    from thpmm.machine import Machine
    from thpmm.mm import Mm

ADVICE = {
    "dontneed": 4,
    "free": 8,
    "hugepage": 14,
    "nohugepage": 15,
    "populate_read": 22,
    "populate_write": 23,
    "collapse": 25,
}
"""MADV_* by name (include/uapi/asm-generic/mman-common.h)."""


def advice_number(advice: str | int) -> int:
    """The number of an advice given by name, with or without MADV_. Raises UsageError for an unknown name."""
    if isinstance(advice, int):
        return advice
    name = advice.lower().removeprefix("madv_")
    if name not in ADVICE:
        raise UsageError(f"advice '{advice}': choose one of {', '.join(ADVICE)}")
    return ADVICE[name]


def do_madvise(machine: Machine, mm: Mm, start: int, length: int, advice: int) -> int:
    """Returns the number of 2 MiB blocks that are huge after MADV_COLLAPSE, else 0.

    Raises SyscallError: EINVAL unaligned or unknown advice, ENOMEM a hole in the range, and what a collapse ends with.
    """
    if start & (PAGE_SIZE - 1) or length < 0 or advice not in ADVICE.values():
        raise SyscallError(EINVAL, f"madvise({start:#x}, {length:#x}, {advice})")
    end = start + page_align(length)
    if advice == ADVICE["collapse"]:
        return sum(
            madvise_collapse(machine, mm, vma, max(start, vma.vm_start), min(end, vma.vm_end))
            for vma in covered(mm, start, end)
        )
    if advice in (ADVICE["dontneed"], ADVICE["free"]):
        for vma in covered(mm, start, end):
            zap_range(mm, max(start, vma.vm_start), min(end, vma.vm_end))
    elif advice in (ADVICE["hugepage"], ADVICE["nohugepage"]):
        for vma in covered(mm, start, end):
            flags = vma.vm_flags & ~(VM_HUGEPAGE | VM_NOHUGEPAGE)
            flags |= VM_HUGEPAGE if advice == ADVICE["hugepage"] else VM_NOHUGEPAGE
            if advice == ADVICE["hugepage"] and machine.sysfs.pmd_enabled():
                machine.khugepaged.enter(mm)  # without asking the policy: patch 01 of the series
            change_flags(vma, start, end, flags)
    else:
        covered(mm, start, end)
        if not populate(machine, mm, start, end, write=advice == ADVICE["populate_write"]):
            raise SyscallError(ENOMEM, "madvise: a page couldn't be faulted in")
    return 0
