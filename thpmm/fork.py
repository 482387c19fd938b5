# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""clone() and fork() (kernel/fork.c copy_process, copy_mm, dup_mm; mm/mmap.c dup_mmap; 6.18 with the hook of v11)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bpfvm.errors import KernelReport, SyscallError, UsageError
from thpmm.cgroup import attach
from thpmm.errnos import EAGAIN, EINTR, EINVAL, ENOMEM, ENOSPC
from thpmm.events import TaskForked
from thpmm.exit import mmput
from thpmm.mm import Mm, mmget
from thpmm.orders import PMD_SIZE
from thpmm.page_table import HugePmd, Pte, pte_index
from thpmm.rmap import RSS_KIND, SWAP_ENTRIES, map_page, split_huge_pmd
from thpmm.task import PF_FORKNOEXEC, PF_KTHREAD, Completion, Task
from thpmm.vm_flags import VM_DONTCOPY, VM_SHARED, VM_WIPEONFORK
from thpmm.vma import Vma, link_vma, vm_area_dup

if TYPE_CHECKING:
    from thpmm.machine import Machine

CLONE_VM = 0x100
CLONE_SIGHAND = 0x800
CLONE_VFORK = 0x4000
CLONE_PARENT = 0x8000
CLONE_THREAD = 0x10000
CLONE_FLAGS = {
    "CLONE_VM": CLONE_VM,
    "CLONE_FS": 0x200,
    "CLONE_FILES": 0x400,
    "CLONE_SIGHAND": CLONE_SIGHAND,
    "CLONE_VFORK": CLONE_VFORK,
    "CLONE_PARENT": CLONE_PARENT,
    "CLONE_THREAD": CLONE_THREAD,
    "CLONE_SYSVSEM": 0x40000,
    "CLONE_SETTLS": 0x80000,
}

BEFORE_MM = {"creds": EAGAIN, "files": ENOMEM, "fs": ENOMEM, "sighand": ENOMEM}
AFTER_MM = {
    "after_mm": ENOMEM,
    "namespaces": ENOSPC,
    "io": ENOMEM,
    "thread": ENOMEM,
    "pid": EAGAIN,
    "cgroup": EAGAIN,
    "signal": EINTR,
}
IN_MM = ("mm_init", "mmap_lock", "dup_mmap")
"""Places where copy_process() can be made to fail, with the errno the caller sees; everything in copy_mm() is
ENOMEM."""

FailAt = str | int | None


def clone_flags(flags: int | Iterable[str]) -> int:
    """The bits of flags given by name. Raises UsageError."""
    if isinstance(flags, int):
        return flags
    bits = 0
    for name in flags:
        if name not in CLONE_FLAGS:
            raise UsageError(f"clone flag '{name}' isn't emulated: choose from {', '.join(CLONE_FLAGS)}")
        bits |= CLONE_FLAGS[name]
    return bits


def check_fail_at(fail_at: FailAt) -> FailAt:
    """Raises UsageError for a place that doesn't exist."""
    places = (*BEFORE_MM, *IN_MM, *AFTER_MM)
    if fail_at is not None and not isinstance(fail_at, int) and fail_at not in places:
        raise UsageError(f"fork can't fail at '{fail_at}': choose a VMA's number or one of {', '.join(places)}")
    return fail_at


def copy_process(machine: Machine, parent: Task, name: str, flags: int = 0, *, fail_at: FailAt = None) -> Task:
    """A new task, running. Raises SyscallError: EINVAL for flags that contradict, and what ``fail_at`` stands for."""
    check_fail_at(fail_at)
    if (flags & CLONE_THREAD and not flags & CLONE_SIGHAND) or (flags & CLONE_SIGHAND and not flags & CLONE_VM):
        raise SyscallError(EINVAL, "CLONE_THREAD needs CLONE_SIGHAND, which needs CLONE_VM")
    with machine.as_current(parent), machine.kernel.in_function("copy_process"):
        child = machine.new_task(name)
        _inherit(child, parent)
        try:
            _fail(BEFORE_MM, fail_at)
            copy_mm(machine, child, parent, flags, fail_at)
            try:
                _fail(AFTER_MM, fail_at)
                child.pid = machine.pids.alloc(child)
            except SyscallError:
                _undo_mm(machine, child)
                raise
        except (SyscallError, KernelReport):
            machine.discard_task(child)
            raise
        _publish(machine, child, parent, flags)
    machine.emit(TaskForked(name, child.pid, child.tgid, parent.pid, bool(flags & CLONE_VM)))
    return child


def _inherit(child: Task, parent: Task) -> None:
    """dup_task_struct()."""
    child.comm = parent.comm
    child.flags = parent.flags & ~PF_KTHREAD | PF_FORKNOEXEC


def _fail(places: dict[str, int], fail_at: FailAt) -> None:
    if isinstance(fail_at, str) and fail_at in places:
        raise SyscallError(places[fail_at], f"fork: failure injected at {fail_at}")


def _publish(machine: Machine, child: Task, parent: Task, flags: int) -> None:
    """The last part of copy_process(): from here on the task can be seen."""
    child.join_group(parent.group.leader if flags & CLONE_THREAD else None)
    grandparent = machine.tasks.get(parent.real_parent)
    if flags & (CLONE_THREAD | CLONE_PARENT) and grandparent is not None:
        child.set_parent(grandparent)
    else:
        child.set_parent(parent)
    if parent.cgroup is not None:
        attach(child, parent.cgroup)
    if flags & CLONE_VFORK:
        child.vfork_completion = Completion(machine)
        child.vfork_done = child.vfork_completion.addr
        parent.waiting_vfork = child


def copy_mm(machine: Machine, child: Task, parent: Task, flags: int, fail_at: FailAt) -> None:
    """Share the address space (CLONE_VM) or copy it. Raises SyscallError(ENOMEM), whatever the cause."""
    with machine.kernel.in_function("copy_mm"):
        old = parent.mm
        if old is None:
            return
        if flags & CLONE_VM:
            mmget(old)
            mm = old
        else:
            mm = _dup_mm(machine, child, old, fail_at)
        child.mm_addr = child.active_mm = mm.addr


def _undo_mm(machine: Machine, child: Task) -> None:
    """bad_fork_cleanup_mm."""
    mm = child.mm
    if mm is not None:
        child.mm_addr = 0
        if mm.owner is child:
            mm.owner_addr = 0
        mmput(machine, mm.addr)


def _dup_mm(machine: Machine, child: Task, old: Mm, fail_at: FailAt) -> Mm:
    """Copy the struct byte by byte, reset what mm_init() knows of, then the mappings."""
    with machine.kernel.in_function("dup_mm"):
        mm = Mm(machine)
        machine.memory.write(mm.addr, machine.memory.read(old.addr, mm.members.size))
        machine.bpf_thp.mm_copied(mm.addr)
        machine.kernel.pause_point("after_mm_copy")
        if fail_at == "mm_init":
            mm.free()
            raise SyscallError(ENOMEM, "fork: failure injected at mm_init")
        mm.init(child, old)
        mm.total_vm = 0
        try:
            dup_mmap(machine, mm, old, fail_at)
        except SyscallError as error:
            mm.owner_addr = 0
            mmput(machine, mm.addr)
            raise SyscallError(ENOMEM, error.message) from error
        mm.set_exe(old.exe)
        mm.hiwater_rss = mm.total_rss
        return mm


def dup_mmap(machine: Machine, mm: Mm, old: Mm, fail_at: FailAt) -> None:
    """Copy VMAs and page tables; only complete success registers the copy. Raises SyscallError EINTR, ENOMEM."""
    with machine.kernel.in_function("dup_mmap"):
        if fail_at == "mmap_lock":
            raise SyscallError(EINTR, "fork: killed while waiting for the mmap lock")
        number = 0
        for vma in old.vmas:
            if vma.vm_flags & VM_DONTCOPY:
                continue
            if fail_at == number or (fail_at == "dup_mmap" and number == 0):
                raise SyscallError(ENOMEM, f"fork: failure injected at the copy of VMA {number}")
            number += 1
            new = vm_area_dup(vma, mm)
            link_vma(new)
            if not vma.vm_flags & VM_WIPEONFORK:
                _copy_pages(vma, new)
        if isinstance(fail_at, int) and fail_at >= number:
            raise SyscallError(ENOMEM, f"fork: failure injected behind the last of {number} VMAs")
        machine.kernel.pause_point("before_fork_hook")
        machine.bpf_thp.fork(mm.addr, old.addr)
        machine.khugepaged.fork(mm, old)


def _copy_pages(vma: Vma, new: Vma) -> None:
    """copy_page_range(): anonymous pages are shared and write-protected on both sides; file pages fault in again."""
    if vma.anon is None and vma.vm_flags & VM_SHARED:
        return
    source, mm = vma.mm, new.mm
    for base, entry in list(source.page_table.pmds_in(vma.vm_start, vma.vm_end)):
        if isinstance(entry, HugePmd) and not vma.contains(base, PMD_SIZE):
            entry = split_huge_pmd(source, base)
        if isinstance(entry, HugePmd):
            _copy_huge(mm, base, entry)
            continue
        for addr, pte in source.page_table.ptes_in(max(base, vma.vm_start), min(base + (PMD_SIZE), vma.vm_end)):
            _copy_pte(mm, addr, pte)


def _copy_huge(mm: Mm, addr: int, entry: HugePmd) -> None:
    entry.write = False
    mm.page_table.set_pmd(addr, HugePmd(entry.folio))
    if entry.folio is None:
        mm.machine.huge_zero.get(mm)
    else:
        entry.folio.pmds[(mm, addr)] = None
        mm.add_rss(RSS_KIND[entry.folio.kind], entry.folio.nr_pages)


def _copy_pte(mm: Mm, addr: int, pte: Pte) -> None:
    if pte.folio is not None:
        if pte.folio.kind == "anon":
            pte.write = False
            map_page(mm, addr, pte.folio, pte.index, write=False)
    elif pte.swap >= 0:
        mm.page_table.table(addr)[pte_index(addr)] = Pte(swap=pte.swap)
        mm.machine.swap.get(pte.swap)
        mm.add_rss(SWAP_ENTRIES, 1)
    else:
        mm.page_table.table(addr)[pte_index(addr)] = Pte()
