# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers on call chains (kernel/bpf/stackmap.c, 6.18).

There is no kernel below a program here, so the kernel's stack of the current task is what the kernel's begins with:
the running programs' own frames, innermost first, each by the address of the instruction behind its call
(bpfvm.runtime.prog_text; %pB shows its function). Programs that ask run in an interpreting engine. User space has no
frames, as for a kernel thread, and neither have other tasks.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.engine.trap import Unsupported
from bpfvm.isa.word import u32
from bpfvm.runtime.helpers.table import Args, helper
from bpfvm.runtime.maps.stack_trace import (
    BUILD_ID_SIZE,
    F_FAST_STACK_CMP,
    F_REUSE_STACKID,
    MAX_STACK,
    StackTraceMap,
    build_id,
)

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

F_SKIP_FIELD_MASK: Final = 0xFF
F_USER_STACK: Final = 1 << 8
F_USER_BUILD_ID: Final = 1 << 11


def call_chain(rt: Runtime, frame: CallFrame, depth: int) -> list[int]:
    """Return addresses of the running programs, innermost first, ``depth`` at most."""
    return [rt.text.address(image, slot + 1) for image, slot in frame.callers()[:depth]]


@helper("get_stackid")
def get_stackid(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(ctx, map, flags) → the chain's number in the map, or an errno."""
    _, map_addr, flags, _, _ = args
    if flags & ~(F_SKIP_FIELD_MASK | F_USER_STACK | F_FAST_STACK_CMP | F_REUSE_STACKID):
        return -errno.EINVAL
    found = rt.map_at(map_addr)
    if not isinstance(found, StackTraceMap):
        raise Unsupported(f"{found!r} has no call chains")
    skip = flags & F_SKIP_FIELD_MASK
    ips = [] if flags & F_USER_STACK else call_chain(rt, frame, found.depth(skip))
    return found.put(ips[skip:], flags) if len(ips) > skip else -errno.EFAULT


@helper("get_stack")
def get_stack(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(ctx, buffer, size, flags) → bytes written, or an errno; the rest of the buffer becomes zero."""
    _, buffer, size, flags, _ = args
    return _store(rt, frame, buffer, u32(size), flags)


@helper("get_task_stack")
def get_task_stack(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(task, buffer, size, flags) → bytes written, or an errno."""
    task, buffer, size, flags, _ = args
    return _store(rt, frame, buffer, u32(size), flags, task)


def _store(rt: Runtime, frame: CallFrame, buffer: int, size: int, flags: int, task: int | None = None) -> int:
    ips = _frames(rt, frame, size, flags, task)
    if isinstance(ips, int):
        rt.memory.write(buffer, bytes(size))
        return ips
    data = b"".join(build_id(ip) if flags & F_USER_BUILD_ID else ip.to_bytes(8, "little") for ip in ips)
    rt.memory.write(buffer, data.ljust(size, b"\0"))
    return len(data)


def _frames(rt: Runtime, frame: CallFrame, size: int, flags: int, task: int | None) -> list[int] | int:
    """The addresses that a buffer of ``size`` bytes gets, or a negative errno (__bpf_get_stack)."""
    user, skip = bool(flags & F_USER_STACK), flags & F_SKIP_FIELD_MASK
    if flags & ~(F_SKIP_FIELD_MASK | F_USER_STACK | F_USER_BUILD_ID) or (flags & F_USER_BUILD_ID and not user):
        return -errno.EINVAL
    each = BUILD_ID_SIZE if flags & F_USER_BUILD_ID else 8
    if size % each:
        return -errno.EINVAL
    if task is not None and user:
        return -errno.EFAULT
    elsewhere = user or (task is not None and task != rt.current())
    ips = [] if elsewhere else call_chain(rt, frame, min(size // each + skip, MAX_STACK))
    return ips[skip:] if len(ips) >= skip else -errno.EFAULT
