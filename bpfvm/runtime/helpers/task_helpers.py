# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers about the current task and its cgroup (kernel/bpf/helpers.c, kernel/trace/bpf_trace.c; 6.18)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bpfvm.engine.services import CallFrame
from bpfvm.isa.word import s32
from bpfvm.runtime.helpers.table import Args, helper

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

TASK_COMM_LEN = 16
PIDNS_INFO_SIZE = 8
"""sizeof(struct bpf_pidns_info): u32 pid, u32 tgid"""


@helper("get_current_pid_tgid")
def get_current_pid_tgid(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """tgid in the upper half, pid in the lower."""
    pid, tgid = rt.current_ids()
    return tgid << 32 | pid


@helper("get_current_uid_gid")
def get_current_uid_gid(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """gid in the upper half, uid in the lower."""
    uid, gid = rt.uid_gid()
    return gid << 32 | uid


@helper("get_current_comm")
def get_current_comm(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(buffer, size): the name, cut to size-1 bytes and padded with NUL."""
    size = args[1]
    comm = rt.current_comm().encode()[: min(TASK_COMM_LEN, max(size, 1)) - 1]
    rt.memory.write(args[0], comm.ljust(size, b"\0")[:size])
    return 0


@helper("get_current_task", "get_current_task_btf")
def get_current_task(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """Address of the current task_struct."""
    return rt.current()


@helper("get_current_cgroup_id")
def get_current_cgroup_id(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """Id of the current task's cgroup in the default hierarchy."""
    return rt.cgroup_id()


@helper("get_current_ancestor_cgroup_id")
def get_current_ancestor_cgroup_id(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(level) → id of the current cgroup's ancestor there; 0 when there is none."""
    level = s32(args[0])
    tasks = rt.need_tasks("bpf_get_current_ancestor_cgroup_id")
    ancestor = tasks.cgroup_ancestor(tasks.cgroup_of(rt.current()), level) if level >= 0 else 0
    return tasks.cgroup_id_of(ancestor) if ancestor else 0


@helper("get_ns_current_pid_tgid")
def get_ns_current_pid_tgid(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(dev, ino, info, size): the ids as seen in that pid namespace; -EINVAL when the task isn't in it."""
    dev, inode, info, size, _ = args
    ids = rt.ns_ids(dev, inode) if size == PIDNS_INFO_SIZE else None
    if ids is None:
        rt.memory.write(info, bytes(size))
        return -errno.EINVAL
    rt.memory.store(info, 4, ids[0])
    rt.memory.store(info + 4, 4, ids[1])
    return 0
