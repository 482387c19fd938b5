# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Ways to get a task, made of fork and exec: boot's first tasks, kernel threads, fresh processes, posix_spawn,
threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpfvm.errors import SyscallError
from thpmm.cgroup import attach
from thpmm.exec import do_execve
from thpmm.exit import do_group_exit, wait_task
from thpmm.fork import CLONE_FLAGS, CLONE_SIGHAND, CLONE_THREAD, CLONE_VFORK, CLONE_VM, copy_process
from thpmm.task import PF_KTHREAD, Task

if TYPE_CHECKING:
    from thpmm.machine import Machine

THREAD_FLAGS = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_FLAGS["CLONE_FS"] | CLONE_FLAGS["CLONE_FILES"]
FIRST_USER_PID = 300


def boot_tasks(machine: Machine) -> None:
    """pid 1 "init" with a program, pid 2 "kthreadd", khugepaged; ordinary processes come after pid 300."""
    init = _first(machine, "init", 0)
    machine.init = init
    do_execve(machine, init, "/sbin/init")
    _first(machine, "kthreadd", PF_KTHREAD)
    machine.khugepaged.task = kthread(machine, "khugepaged")
    machine.pids.last = FIRST_USER_PID


def _first(machine: Machine, name: str, flags: int) -> Task:
    """A task nobody forked; it is its own parent."""
    task = machine.new_task(name)
    task.pid = machine.pids.alloc(task)
    task.flags = flags
    task.join_group(None)
    task.real_parent = task.parent = task.addr
    attach(task, machine.cgroups.root)
    return task


def kthread(machine: Machine, name: str) -> Task:
    """A kernel thread, child of kthreadd: no address space."""
    task = _first(machine, name, PF_KTHREAD)
    task.set_parent(machine.names["kthreadd"])
    return task


def spawn(machine: Machine, name: str) -> Task:
    """A fresh process: a child of init that has executed a program of this name."""
    assert machine.init is not None
    task = copy_process(machine, machine.init, name)
    do_execve(machine, task, f"/usr/bin/{name}")
    return task


def thread(machine: Machine, of: Task, name: str) -> Task:
    """pthread_create()."""
    return copy_process(machine, of, name, THREAD_FLAGS)


def posix_spawn(machine: Machine, of: Task, name: str, path: str, *, fail_at: str | None = None) -> Task:
    """glibc's way: a child that shares the memory of its suspended parent until it executes the program.

    Raises SyscallError: what exec failed with; the child is gone then."""
    child = copy_process(machine, of, name, CLONE_VM | CLONE_VFORK)
    try:
        do_execve(machine, child, path, fail_at=fail_at)
    except SyscallError:
        do_group_exit(machine, child)
        wait_task(machine, child)
        raise
    return child
