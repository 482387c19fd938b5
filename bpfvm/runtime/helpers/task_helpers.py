# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers about the current task and its cgroup (kernel/bpf/helpers.c, kernel/trace/bpf_trace.c; 6.18)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bpfvm.btf import types as t
from bpfvm.engine.services import CallFrame
from bpfvm.isa.word import s32, u32
from bpfvm.memory import View
from bpfvm.runtime import signals
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


def _no_cgroup(rt: Runtime, map_addr: int, index: int) -> int:
    """The errno for an element of an array of cgroups, which has none here."""
    return -errno.E2BIG if u32(index) >= rt.map_at(map_addr).max_entries else -errno.EAGAIN


@helper("skb_under_cgroup")
def skb_under_cgroup(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, map, index) → an errno: no cgroup is there to compare the test run's socket's with."""
    rt.packet_of(args[0], "bpf_skb_under_cgroup")
    return _no_cgroup(rt, args[1], args[2])


@helper("current_task_under_cgroup")
def current_task_under_cgroup(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map, index) → an errno: no cgroup is there."""
    return _no_cgroup(rt, args[0], args[1])


@helper("send_signal")
def send_signal(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(signal) → 0 or an errno: to the current process."""
    return signals.send(rt, rt.current(), u32(args[0]), thread=False)


@helper("send_signal_thread")
def send_signal_thread(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(signal) → 0 or an errno: to the current thread."""
    return signals.send(rt, rt.current(), u32(args[0]), thread=True)


@helper("find_vma")
def find_vma(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(task, address, callback(task, area, ctx), ctx, flags) → 0, or an errno; the area around the address is the
    callback's for its time (kernel/bpf/task_iter.c)."""
    task, addr, callback, ctx, flags = args
    if flags:
        return -errno.EINVAL
    areas = rt.need_tasks("bpf_find_vma").vmas(task) if task else None
    found = next((area for end, area in areas or () if end > addr), 0)
    if not found or _vm_start(rt, found) > addr:
        return -errno.ENOENT
    frame.call(callback, task, found, ctx)
    return 0


def _vm_start(rt: Runtime, area: int) -> int:
    """Where a vm_area_struct begins."""
    type_id = rt.btf.find("vm_area_struct", t.Struct) if rt.btf is not None else 0
    return int(View(rt.memory, rt.btf, type_id, area).vm_start) if rt.btf is not None and type_id else 0


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
