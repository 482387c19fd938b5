# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Kernel functions by name (kernel/bpf/helpers.c, cpumask.c, map_iter.c, bpf_iter; 6.18)."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.engine.throw import Thrown
from bpfvm.isa.word import s32
from bpfvm.runtime.helpers.basic import BPF_MAX_LOOPS
from bpfvm.runtime.helpers.table import Args
from bpfvm.runtime.maps import HashMap

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

Kfunc = Callable[["Runtime", Args, CallFrame], int]
KFUNCS: Final[dict[str, Kfunc]] = {}


def kfunc(function: Kfunc) -> Kfunc:
    """Register a function under bpf_ and its own name."""
    KFUNCS[f"bpf_{function.__name__}"] = function
    return function


# --- tasks ----------------------------------------------------------------------------------------------------------
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


# --- sections, casts ------------------------------------------------------------------------------------------------
@kfunc
def rcu_read_lock(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """Enter a read-side critical section."""
    rt.rcu_depth += 1
    return 0


@kfunc
def rcu_read_unlock(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """Leave it."""
    rt.rcu_depth -= 1
    return 0


@kfunc
def preempt_disable(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """Programs aren't preempted here anyway."""
    return 0


@kfunc
def preempt_enable(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """See preempt_disable."""
    return 0


@kfunc
def rdonly_cast(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(object, BTF id) → the object, which the verifier now takes for that type."""
    return args[0]


@kfunc
def cast_to_kern_ctx(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(context) → the context, which the verifier now takes for the kernel's type."""
    return args[0]


@kfunc
def map_sum_elem_count(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map) → number of elements of a hash table, 0 for other kinds."""
    found = rt.map_at(args[0])
    return len(found) if isinstance(found, HashMap) else 0


# --- exceptions -----------------------------------------------------------------------------------------------------
@kfunc
def throw(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(cookie): end the program. Raises Thrown."""
    raise Thrown(args[0])


# --- numeric iterator: struct bpf_iter_num is s32 cur, s32 end ------------------------------------------------------
@kfunc
def iter_num_new(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(iterator, start, end) → 0 or an errno; then the iterator is empty."""
    it, start, end = args[0], s32(args[1]), s32(args[2])
    code = -errno.EINVAL if start > end else -errno.E2BIG if end - start > BPF_MAX_LOOPS else 0
    rt.memory.store(it, 4, 0 if code else start - 1)
    rt.memory.store(it + 4, 4, 0 if code else end)
    return code


@kfunc
def iter_num_next(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(iterator) → address of the next number, 0 at the end."""
    it = args[0]
    following, end = s32(rt.memory.load(it, 4) + 1), s32(rt.memory.load(it + 4, 4))
    if following >= end:
        rt.memory.store(it, 8, 0)
        return 0
    rt.memory.store(it, 4, following)
    return it


@kfunc
def iter_num_destroy(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(iterator): end it."""
    rt.memory.store(args[0], 8, 0)
    return 0
