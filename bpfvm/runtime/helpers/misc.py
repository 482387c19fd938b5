# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers on user memory, BTF, cookies and hardware that isn't there (kernel/bpf/helpers.c, syscall.c,
kernel/trace/bpf_trace.c, net/core/filter.c; 6.18)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.btf import types as t
from bpfvm.engine.services import CallFrame
from bpfvm.engine.trap import Unsupported
from bpfvm.isa.word import s32, u32
from bpfvm.runtime.helpers.probe import read_user
from bpfvm.runtime.helpers.table import Args, helper
from bpfvm.runtime.maps.perf_event_array import F_CURRENT_CPU, F_INDEX_MASK, PerfEventArrayMap

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

NETNS_COOKIE: Final = 1
"""what the first network namespace has"""
KINDS: Final[dict[int, type[t.BtfType]]] = {
    1: t.Int, 2: t.Ptr, 3: t.Array, 4: t.Struct, 5: t.Struct, 6: t.Enum, 7: t.Fwd, 8: t.Typedef, 12: t.Func, 14: t.Var,
    15: t.Datasec, 16: t.Float,
}  # fmt: skip
"""BTF kind → class; structs and unions share one"""


@helper("copy_from_user")
def copy_from_user(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(to, size, user address) → 0, or -EFAULT and zeros."""
    to, size, addr = args[0], u32(args[1]), args[2]
    if not size:
        return 0
    found = read_user(rt, addr, size)
    rt.memory.write(to, bytes(size) if isinstance(found, int) else found)
    return -errno.EFAULT if isinstance(found, int) else 0


@helper("copy_from_user_task")
def copy_from_user_task(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(to, size, user address, task, flags) → 0 or an errno. Only the current task's memory is emulated."""
    if args[4]:
        return -errno.EINVAL
    if u32(args[1]) and args[3] != rt.current():
        raise Unsupported("not emulated: bpf_copy_from_user_task of another task")
    return copy_from_user(rt, args, frame)


@helper("btf_find_by_name_kind")
def btf_find_by_name_kind(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(name, its size with NUL, kind, flags) → id in the kernel's BTF, or an errno."""
    size, kind, flags = s32(args[1]), u32(args[2]), u32(args[3])
    if flags or size <= 1 or rt.memory.load(args[0] + size - 1, 1):
        return -errno.EINVAL
    name = rt.memory.cstring(args[0], size).decode("utf-8", "replace")
    found = rt.btf.find(name, KINDS[kind]) if rt.btf is not None and kind in KINDS else 0
    return found or -errno.ENOENT


@helper("kallsyms_lookup_name")
def kallsyms_lookup_name(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(name, its size with NUL, flags, to) → 0, or an errno and 0: the address of a kernel variable or trampoline."""
    size, to = s32(args[1]), args[3]
    rt.memory.store(to, 8, 0)
    if args[2] or size <= 1 or rt.memory.load(args[0] + size - 1, 1):
        return -errno.EINVAL
    found = rt.symbol_address(rt.memory.cstring(args[0], size).decode("utf-8", "replace"))
    rt.memory.store(to, 8, found or 0)
    return 0 if found else -errno.ENOENT


@helper("get_socket_cookie")
def get_socket_cookie(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb or socket) → a number that no other socket has: here a test run's socket's, 1."""
    return 1 if args[0] else 0


@helper("get_netns_cookie")
def get_netns_cookie(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(ctx or 0) → the only network namespace's number."""
    return NETNS_COOKIE


@helper("get_attach_cookie")
def get_attach_cookie(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(ctx) → what the program was attached with: a test run attaches nothing, so 0."""
    return 0


@helper("get_branch_snapshot")
def get_branch_snapshot(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(entries, size, flags): this processor records no branches."""
    return -errno.EINVAL if args[2] else -errno.ENOENT


@helper("get_func_arg_cnt")
def get_func_arg_cnt(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(ctx) → number of the traced function's arguments, which lies before them."""
    return rt.memory.load(args[0] - 8, 8)


@helper("get_func_arg")
def get_func_arg(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(ctx, number, to) → 0, or -EINVAL for an argument that isn't there."""
    ctx, number, to, *_ = args
    if u32(number) >= rt.memory.load(ctx - 8, 8):
        return -errno.EINVAL
    rt.memory.store(to, 8, rt.memory.load(ctx + 8 * u32(number), 8))
    return 0


@helper("get_func_ret")
def get_func_ret(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(ctx, to) → 0: what the traced function returned lies behind its arguments."""
    ctx, to, *_ = args
    rt.memory.store(to, 8, rt.memory.load(ctx + 8 * rt.memory.load(ctx - 8, 8), 8))
    return 0


@helper("perf_event_read")
def perf_event_read(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map, flags) → an errno: no slot counts anything."""
    found, index = rt.map_at(args[0]), args[1] & F_INDEX_MASK
    if not isinstance(found, PerfEventArrayMap):
        raise Unsupported(f"{found!r} holds no perf events")
    if args[1] & ~F_INDEX_MASK:
        return -errno.EINVAL
    if index == F_CURRENT_CPU:
        index = rt.cpu
    if index >= found.max_entries:
        return -errno.E2BIG
    if found.is_open(index):
        raise Unsupported("not emulated: bpf_perf_event_read of a counter")
    return -errno.ENOENT


@helper("perf_event_read_value")
def perf_event_read_value(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map, flags, to, size) → an errno and zeros."""
    code = -errno.EINVAL if u32(args[3]) != 24 else perf_event_read(rt, args, frame)
    rt.memory.write(args[2], bytes(u32(args[3])))
    return code
