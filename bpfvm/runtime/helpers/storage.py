# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers on storage that belongs to kernel objects, and on perf events (kernel/bpf/bpf_{task,inode,cgrp}_storage.c,
net/core/bpf_sk_storage.c, kernel/bpf/cgroup.c, kernel/trace/bpf_trace.c; 6.18)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.engine.trap import Unsupported
from bpfvm.isa.word import U32_MAX
from bpfvm.runtime.helpers.table import Args, helper
from bpfvm.runtime.maps.cgroup_storage import CgroupStorageMap
from bpfvm.runtime.maps.local_storage import LocalStorageMap
from bpfvm.runtime.maps.perf_event_array import PerfEventArrayMap

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

CTXLEN_SHIFT: Final = 32
CTXLEN_MASK: Final = 0xFFFFF << CTXLEN_SHIFT


def _storage(rt: Runtime, map_addr: int) -> LocalStorageMap:
    found = rt.map_at(map_addr)
    if not isinstance(found, LocalStorageMap):
        raise Unsupported(f"{found!r} holds no storage")
    return found


@helper("task_storage_get", "inode_storage_get", "sk_storage_get", "cgrp_storage_get")
def storage_get(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map, owner, initial value, flags) → address of the value, or 0."""
    return _storage(rt, args[0]).storage(args[1], args[2], args[3])


@helper("task_storage_delete", "inode_storage_delete", "sk_storage_delete", "cgrp_storage_delete")
def storage_delete(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map, owner) → 0 or an errno."""
    return _storage(rt, args[0]).drop(args[1])


@helper("get_local_storage")
def get_local_storage(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map, 0) → address of the program's storage in its cgroup."""
    found = rt.map_at(args[0])
    if not isinstance(found, CgroupStorageMap):
        raise Unsupported(f"{found!r} holds no cgroup storage")
    return found.storage()


@helper("perf_event_output", "skb_output", "xdp_output")
def perf_event_output(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(ctx, map, flags, data, size) → 0 or an errno; programs with packets may append the packet's first bytes."""
    ctx, map_addr, flags, data, size = args
    found = rt.map_at(map_addr)
    if not isinstance(found, PerfEventArrayMap):
        raise Unsupported(f"{found!r} holds no perf events")
    record, packet = rt.memory.read(data, size), rt.packets.get(ctx)
    if packet is not None:
        more = (flags & CTXLEN_MASK) >> CTXLEN_SHIFT
        if flags & ~(CTXLEN_MASK | U32_MAX):
            return -errno.EINVAL
        if more > len(packet):
            return -errno.EFAULT
        record += packet.content()[:more]
        flags &= U32_MAX
    return found.output(flags, record)
