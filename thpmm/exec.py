# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""execve() (fs/exec.c, 6.18 with the hook of v11): a fresh address space, and the moment it replaces the old one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpfvm.errors import SyscallError, UsageError
from thpmm.errnos import E2BIG, EACCES, ENOENT, ENOEXEC, ENOMEM
from thpmm.events import TaskExecuted
from thpmm.exit import do_exit, do_group_exit, mm_release, mm_update_next_owner, mmput, release_task
from thpmm.fault import handle_mm_fault
from thpmm.mm import TASK_SIZE, Mm, mm_alloc
from thpmm.orders import PAGE_SIZE
from thpmm.task import PF_FORKNOEXEC, PF_KTHREAD, Task
from thpmm.vm_flags import (
    VM_ACCOUNT,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_MAY,
    VM_READ,
    VM_STACK_INCOMPLETE_SETUP,
    VM_WRITE,
)
from thpmm.vma import Vma, link_vma

if TYPE_CHECKING:
    from thpmm.machine import Machine

REFUSED = {"open": ENOENT, "access": EACCES, "binfmt": ENOEXEC, "args": E2BIG}
"""Failures before the point of no return, with their errno."""
FATAL = ("point_of_no_return", "after_exec_mmap")
"""Failures that nobody is left to hear of: the task gets SIGKILL."""

TEXT, DATA = 0x40_0000, 0x60_0000
STACK_PAGES = 33


def do_execve(machine: Machine, task: Task, path: str, *, fail_at: str | None = None) -> None:
    """Replace a task's program. Raises SyscallError for a failure before the point of no return; after it the task
    dies."""
    if fail_at is not None and fail_at not in (*REFUSED, *FATAL):
        raise UsageError(f"exec can't fail at '{fail_at}': choose one of {', '.join((*REFUSED, *FATAL))}")
    with machine.as_current(task), machine.kernel.in_function("do_execveat_common"):
        if fail_at in ("open", "access"):
            raise SyscallError(REFUSED[fail_at], f"exec {path}")
        mm = _bprm_mm(machine, task)
        try:
            _arguments(machine, mm)
            if fail_at in REFUSED:
                raise SyscallError(REFUSED[fail_at], f"exec {path}")
        except SyscallError:
            mmput(machine, mm.addr)
            raise
        dead = _begin_new_exec(machine, task, mm, path, fail_at)
    if dead:
        do_group_exit(machine, task, killed=True)


def _bprm_mm(machine: Machine, task: Task) -> Mm:
    """bprm_mm_init(): a zeroed mm with nothing but a stack in the making."""
    mm = mm_alloc(machine, task, task.mm)
    flags = VM_READ | VM_WRITE | VM_MAY | VM_GROWSDOWN | VM_ACCOUNT | VM_STACK_INCOMPLETE_SETUP
    stack = Vma(mm, TASK_SIZE - PAGE_SIZE, TASK_SIZE, flags)
    stack.label = "[stack]"
    link_vma(stack)
    return mm


def _arguments(machine: Machine, mm: Mm) -> None:
    """copy_strings(): the arguments are written to the new stack, by faults that no policy governs yet."""
    if handle_mm_fault(machine, mm, TASK_SIZE - 8, write=True) == "oom":
        raise SyscallError(ENOMEM, "exec: no memory for the arguments")


def _begin_new_exec(machine: Machine, task: Task, mm: Mm, path: str, fail_at: str | None) -> bool:
    """begin_new_exec() and load_elf_binary(); True when the task has to die."""
    if fail_at == "point_of_no_return":
        mmput(machine, mm.addr)
        return True
    _de_thread(machine, task)
    mm.set_exe(machine.files.open(path, thp_capable=True))
    machine.kernel.pause_point("before_exec_mmap")
    exec_mmap(machine, task, mm)
    task.flags = task.flags & ~(PF_FORKNOEXEC | PF_KTHREAD)
    task.comm = path.rsplit("/", 1)[-1]
    machine.emit(TaskExecuted(task.name, task.pid, path, mm.addr))
    if fail_at == "after_exec_mmap":
        return True
    _load_elf(machine, mm)
    return False


def _de_thread(machine: Machine, task: Task) -> None:
    """Every other thread of the process dies; the caller becomes the leader and takes over its pid."""
    for thread in task.group.living():
        if thread is not task:
            do_exit(machine, thread)
    old_leader = task.group.leader
    if old_leader is task:
        return
    machine.swap_leader(old_leader, task)
    release_task(machine, old_leader)


def exec_mmap(machine: Machine, task: Task, mm: Mm) -> None:
    """The switch: vfork's parent goes on, the new mm is in place, the policy follows, the old mm loses a user."""
    with machine.kernel.in_function("exec_mmap"):
        old = task.mm
        mm_release(machine, task)
        task.mm_addr = task.active_mm = mm.addr
        machine.kernel.pause_point("before_retain")
        machine.bpf_thp.retain(mm.addr, old.addr if old is not None else 0)
        if old is not None:
            mm_update_next_owner(machine, old, task)
            mmput(machine, old.addr)


def _load_elf(machine: Machine, mm: Mm) -> None:
    """Stack in its final shape, text, data, and where the heap will begin."""
    (stack,) = list(mm.vmas)
    stack.set_flags(stack.vm_flags & ~VM_STACK_INCOMPLETE_SETUP)
    mm.total_vm = mm.total_vm + STACK_PAGES - stack.pages
    stack.move_bounds(TASK_SIZE - STACK_PAGES * PAGE_SIZE, TASK_SIZE)
    file = mm.exe
    link_vma(Vma(mm, TEXT, TEXT + 2 * PAGE_SIZE, VM_READ | VM_EXEC | VM_MAY, file=file, pgoff=0))
    link_vma(Vma(mm, DATA, DATA + PAGE_SIZE, VM_READ | VM_WRITE | VM_MAY | VM_ACCOUNT, file=file, pgoff=2))
    mm.start_code = TEXT
    mm.start_brk = mm.brk = DATA + 16 * PAGE_SIZE
    mm.start_stack = TASK_SIZE - PAGE_SIZE // 2
