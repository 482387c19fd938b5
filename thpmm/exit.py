# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The end of tasks and address spaces (kernel/exit.c, kernel/fork.c __mmput, 6.18 with the hook of v11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpfvm.errors import SyscallError
from thpmm.errnos import EAGAIN, ECHILD
from thpmm.events import TaskExited
from thpmm.kobject import sub_and_test
from thpmm.mm import Mm, mmdrop, mmgrab
from thpmm.mm_flags import MMF_OOM_SKIP
from thpmm.rmap import zap_range
from thpmm.task import EXIT_DEAD, EXIT_ZOMBIE, PF_EXITING, PF_KTHREAD, PF_SIGNALED, Task
from thpmm.vma import free_vma

if TYPE_CHECKING:
    from thpmm.machine import Machine


def mmput(machine: Machine, mm: int) -> None:
    """Drop a user of the address space at ``mm``; the last one tears it down. With NULL it is the oops it would be."""
    with machine.kernel.in_function("mmput"):
        if sub_and_test(machine, mm + machine.layouts[Mm.STRUCT].offset("mm_users.counter")):
            _mmput(machine, machine.mms[mm])


def _mmput(machine: Machine, mm: Mm) -> None:
    """__mmput(): khugepaged first, then the policy, then the pages."""
    with machine.kernel.in_function("__mmput"):
        machine.khugepaged.exit(mm)
        machine.bpf_thp.exit(mm.addr)
        exit_mmap(mm)
        machine.huge_zero.put(mm)
        mm.set_exe(None)
        mmdrop(machine, mm.addr)


def exit_mmap(mm: Mm) -> None:
    """Unmap and free everything."""
    for vma in mm.vmas:
        zap_range(mm, vma.vm_start, vma.vm_end)
        free_vma(vma)
    mm.page_table.pmds.clear()
    mm.page_table.puds.clear()
    mm.set_flag(MMF_OOM_SKIP)


def mm_release(machine: Machine, task: Task) -> None:
    """A task stops using its mm, by exit or exec: a vfork parent may go on."""
    completion = task.vfork_completion
    if completion is None:
        return
    task.vfork_completion = None
    task.vfork_done = 0
    completion.free()
    for waiting in machine.tasks.values():
        if waiting.waiting_vfork is task:
            waiting.waiting_vfork = None


def exit_mm(machine: Machine, task: Task) -> None:
    """Give up the address space; its owner changes when somebody else still uses it."""
    mm = task.mm
    mm_release(machine, task)
    if mm is None:
        return
    mmgrab(mm)
    task.mm_addr = 0
    mm_update_next_owner(machine, mm, task)
    mmput(machine, mm.addr)
    mmdrop(machine, mm.addr)


def mm_update_next_owner(machine: Machine, mm: Mm, leaving: Task) -> None:
    """Search children, siblings, then everybody for another user of the mm; nobody: no owner."""
    if mm.owner is not leaving:
        return
    parent = machine.tasks.get(leaving.real_parent)
    searched = (
        *leaving.group.threads,
        *leaving.child_tasks,
        *(parent.child_tasks if parent else ()),
        *machine.tasks.values(),
    )
    for task in searched:
        if task is not leaving and task.mm_addr == mm.addr and not task.flags & PF_KTHREAD:
            mm.owner_addr = task.addr
            return
    mm.owner_addr = 0


def do_exit(machine: Machine, task: Task) -> None:
    """One thread ends. A leader becomes a zombie, and stays one at least until its threads are gone."""
    task.flags = task.flags | PF_EXITING
    try:
        with machine.as_current(task), machine.kernel.in_function("do_exit"):
            exit_mm(machine, task)
    finally:
        machine.emit(TaskExited(task.name, task.pid))
        _exit_notify(machine, task)


def _exit_notify(machine: Machine, task: Task) -> None:
    _reparent_children(machine, task)
    if task.is_leader:
        task.exit_state = EXIT_ZOMBIE
    else:
        task.exit_state = EXIT_DEAD
        release_task(machine, task)
    _autoreap(machine, task.group.leader)


def _autoreap(machine: Machine, leader: Task) -> None:
    """Init waits for whoever was left to it; kernel threads are nobody's zombies."""
    parent = machine.tasks.get(leader.real_parent)
    if leader.zombie and len(leader.group.threads) == 1 and machine.init is not None and leader is not machine.init:
        adopted = parent is machine.init and leader.orphan
        if adopted or leader.flags & PF_KTHREAD:
            release_task(machine, leader)


def _reparent_children(machine: Machine, task: Task) -> None:
    """forget_original_parent(): to a living thread of the same process, else to init."""
    heirs = [thread for thread in task.group.living() if thread is not task]
    for child in list(task.child_tasks):
        if heirs:
            child.set_parent(heirs[0])
        elif machine.init is not None and machine.init is not task:
            child.set_parent(machine.init)
            child.orphan = True
            if child.zombie:
                _autoreap(machine, child)


def do_group_exit(machine: Machine, task: Task, *, killed: bool = False) -> None:
    """exit_group(), or death by a signal: every thread of the process ends, the leader last."""
    threads = sorted(task.group.living(), key=lambda thread: thread.is_leader)
    for thread in threads:
        if killed:
            thread.flags = thread.flags | PF_SIGNALED
        do_exit(machine, thread)


def wait_task(machine: Machine, task: Task) -> None:
    """The parent waits for a child. Raises SyscallError: ECHILD no child to wait for, EAGAIN it isn't dead yet."""
    if not task.is_leader:
        raise SyscallError(ECHILD, f"{task.name} is a thread, not a child process")
    if not task.zombie or len(task.group.threads) > 1:
        raise SyscallError(EAGAIN, f"{task.name} hasn't ended")
    release_task(machine, task)


def release_task(machine: Machine, task: Task) -> None:
    """Nobody will ask for it again: the pid is free, the struct goes."""
    machine.pids.free(task.pid)
    task.unlink_parent()
    if task.cgroup is not None:
        task.cgroup.tasks.pop(task, None)
    task.group.threads.remove(task)
    if not task.group.threads:
        task.group.signal.free()
    machine.forget_task(task)
