# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""kfuncs on tasks and cgroups (kernel/bpf/helpers.c, kernel/trace/bpf_trace.c; 6.18)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bpfvm.engine.services import CallFrame
from bpfvm.isa.word import s32, u32
from bpfvm.runtime import signals
from bpfvm.runtime.helpers.table import Args
from bpfvm.runtime.kfuncs.table import kfunc

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

PIDTYPE_PID, PIDTYPE_TGID = 0, 1


@kfunc
def task_acquire(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(task) → the task with a reference taken, or 0."""
    return rt.need_tasks("bpf_task_acquire").acquire(args[0])


@kfunc
def task_release(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(task): drop a reference."""
    rt.need_tasks("bpf_task_release").release(args[0])
    return 0


@kfunc
def task_from_pid(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(pid in the initial namespace) → the task with a reference taken, or 0."""
    tasks = rt.need_tasks("bpf_task_from_pid")
    task = tasks.by_pid(s32(args[0]))
    return tasks.acquire(task) if task else 0


@kfunc
def task_from_vpid(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(pid in the current task's namespace) → the task with a reference taken, or 0."""
    tasks = rt.need_tasks("bpf_task_from_vpid")
    task = tasks.by_vpid(s32(args[0]))
    return tasks.acquire(task) if task else 0


@kfunc
def send_signal_task(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(task, signal, whom: 0 the thread or 1 its process, value) → 0 or an errno."""
    task, sig, whom = args[0], u32(args[1]), u32(args[2])
    if whom not in (PIDTYPE_PID, PIDTYPE_TGID):
        return -errno.EINVAL
    return signals.send(rt, task, sig, thread=whom == PIDTYPE_PID)


# --- cgroups --------------------------------------------------------------------------------------------------------
@kfunc
def cgroup_acquire(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(cgroup) → the cgroup with a reference taken, or 0."""
    return rt.need_tasks("bpf_cgroup_acquire").cgroup_acquire(args[0])


@kfunc
def cgroup_release(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(cgroup): drop a reference."""
    rt.need_tasks("bpf_cgroup_release").cgroup_release(args[0])
    return 0


@kfunc
def cgroup_from_id(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(id) → the cgroup with a reference taken, or 0."""
    tasks = rt.need_tasks("bpf_cgroup_from_id")
    cgroup = tasks.cgroup_by_id(args[0])
    return tasks.cgroup_acquire(cgroup) if cgroup else 0


@kfunc
def cgroup_ancestor(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(cgroup, level) → the ancestor at that level with a reference taken, or 0."""
    tasks = rt.need_tasks("bpf_cgroup_ancestor")
    level = s32(args[1])
    ancestor = tasks.cgroup_ancestor(args[0], level) if level >= 0 else 0
    return tasks.cgroup_acquire(ancestor) if ancestor else 0


@kfunc
def task_under_cgroup(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(task, cgroup) → 1 if the task is in it or below it, else 0."""
    return int(rt.need_tasks("bpf_task_under_cgroup").under_cgroup(args[0], args[1]))
