# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Bits of ``vm_area_struct.vm_flags`` (include/linux/mm.h, 6.18, x86-64) and the two-letter names smaps prints for
them."""

from __future__ import annotations

VM_READ = 0x1
VM_WRITE = 0x2
VM_EXEC = 0x4
VM_SHARED = 0x8
VM_MAYREAD = 0x10
VM_MAYWRITE = 0x20
VM_MAYEXEC = 0x40
VM_MAYSHARE = 0x80
VM_GROWSDOWN = 0x100
VM_PFNMAP = 0x400
VM_IO = 0x4000
VM_SEQ_READ = 0x8000
VM_RAND_READ = 0x10000
VM_DONTCOPY = 0x20000
VM_DONTEXPAND = 0x40000
VM_ACCOUNT = 0x100000
VM_HUGETLB = 0x400000
VM_WIPEONFORK = 0x2000000
VM_MIXEDMAP = 0x10000000
VM_HUGEPAGE = 0x20000000
VM_NOHUGEPAGE = 0x40000000

VM_STACK_INCOMPLETE_SETUP = VM_RAND_READ | VM_SEQ_READ
VM_NO_KHUGEPAGED = VM_IO | VM_DONTEXPAND | VM_PFNMAP | VM_MIXEDMAP | VM_HUGETLB
VM_ACCESS = VM_READ | VM_WRITE | VM_EXEC
VM_MAY = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC

MNEMONICS = (
    (VM_READ, "rd"),
    (VM_WRITE, "wr"),
    (VM_EXEC, "ex"),
    (VM_SHARED, "sh"),
    (VM_MAYREAD, "mr"),
    (VM_MAYWRITE, "mw"),
    (VM_MAYEXEC, "me"),
    (VM_MAYSHARE, "ms"),
    (VM_GROWSDOWN, "gd"),
    (VM_PFNMAP, "pf"),
    (VM_IO, "io"),
    (VM_SEQ_READ, "sr"),
    (VM_RAND_READ, "rr"),
    (VM_DONTCOPY, "dc"),
    (VM_DONTEXPAND, "de"),
    (VM_ACCOUNT, "ac"),
    (VM_HUGETLB, "ht"),
    (VM_WIPEONFORK, "wf"),
    (VM_MIXEDMAP, "mm"),
    (VM_HUGEPAGE, "hg"),
    (VM_NOHUGEPAGE, "nh"),
)
"""(bit, name) in the order fs/proc/task_mmu.c:show_smap_vma_flags prints them, which is that of the bits."""


def mnemonics(flags: int) -> tuple[str, ...]:
    """The names of the set bits, as the VmFlags line of smaps has them."""
    return tuple(name for bit, name in MNEMONICS if flags & bit)
