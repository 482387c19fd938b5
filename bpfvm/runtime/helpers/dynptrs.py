# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers on dynptrs and user ring buffers (kernel/bpf/helpers.c, ringbuf.c; 6.18)."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.engine.trap import Unsupported
from bpfvm.isa.word import u32
from bpfvm.runtime import dynptr
from bpfvm.runtime.dynptr import Dynptr
from bpfvm.runtime.helpers.map_helpers import ringbuf_at, ringbuf_of
from bpfvm.runtime.helpers.table import Args, helper
from bpfvm.runtime.maps.ringbuf import FORCE_WAKEUP, NO_WAKEUP
from bpfvm.runtime.maps.user_ringbuf import MAX_SAMPLES, UserRingbufMap

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

_PASSED_OVER: Final = -errno.EAGAIN


@helper("dynptr_from_mem")
def dynptr_from_mem(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(data, size, flags, dynptr) → 0 or an errno."""
    made, size = Dynptr(rt, args[3]), u32(args[1])
    if code := dynptr.too_big(size):
        return made.set_null(code)
    return made.set_null(-errno.EINVAL) if args[2] else made.set(args[0], dynptr.LOCAL, size)


@helper("dynptr_read")
def dynptr_read(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(to, size, dynptr, offset, flags) → 0 or an errno."""
    if args[4]:
        return -errno.EINVAL
    found = Dynptr(rt, args[2]).read(u32(args[3]), u32(args[1]))
    if isinstance(found, int):
        return found
    rt.memory.write(args[0], found)
    return 0


@helper("dynptr_write")
def dynptr_write(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(dynptr, offset, from, size, flags) → 0 or an errno."""
    return Dynptr(rt, args[0]).write(u32(args[1]), rt.memory.read(args[2], u32(args[3])), args[4])


@helper("dynptr_data")
def dynptr_data(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(dynptr, offset, size) → address, or 0; packets need bpf_dynptr_slice."""
    found = Dynptr(rt, args[0])
    if found.is_rdonly or found.kind not in (dynptr.LOCAL, dynptr.RINGBUF):
        return 0
    return found.address(u32(args[1]), u32(args[2]))


# --- ring buffers ---------------------------------------------------------------------------------------------------
@helper("ringbuf_reserve_dynptr")
def ringbuf_reserve_dynptr(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map, size, flags, dynptr) → 0 or an errno, with a dynptr that points to nothing."""
    made, size = Dynptr(rt, args[3]), u32(args[1])
    if args[2]:
        return made.set_null(-errno.EINVAL)
    if code := dynptr.too_big(size):
        return made.set_null(code)
    sample = ringbuf_at(rt, args[0]).reserve(size)
    return made.set(sample, dynptr.RINGBUF, size) if sample else made.set_null(-errno.EINVAL)


def _end(rt: Runtime, args: Args, *, discard: bool) -> int:
    held = Dynptr(rt, args[0])
    sample = held.data
    if sample:
        ringbuf_of(rt, sample).commit(sample, args[1], discard=discard)
        held.set_null()
    return 0


@helper("ringbuf_submit_dynptr")
def ringbuf_submit_dynptr(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(dynptr, flags): publish the record."""
    return _end(rt, args, discard=False)


@helper("ringbuf_discard_dynptr")
def ringbuf_discard_dynptr(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(dynptr, flags): give the record up."""
    return _end(rt, args, discard=True)


@helper("user_ringbuf_drain")
def user_ringbuf_drain(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map, callback(dynptr, ctx), ctx, flags) → samples seen, or an errno; the callback's 1 ends it."""
    map_addr, callback, ctx, flags, _ = args
    found = rt.map_at(map_addr)
    if not isinstance(found, UserRingbufMap):
        raise Unsupported(f"{found!r} is no user ring buffer")
    if flags & ~(NO_WAKEUP | FORCE_WAKEUP):
        return -errno.EINVAL
    if found.busy:
        return -errno.EBUSY
    found.busy = True
    place = rt.memory.alloc(dynptr.SIZE, what="bpf_dynptr")
    try:
        return _drain(rt, found, place, lambda: frame.call(callback, place, ctx))
    finally:
        found.busy = False
        rt.memory.free(place)


def _drain(rt: Runtime, found: UserRingbufMap, place: int, call: Callable[[], int]) -> int:
    seen = passed_over = 0
    while seen < MAX_SAMPLES:
        sample = found.peek_sample()
        if isinstance(sample, int):
            if sample == _PASSED_OVER:
                seen, passed_over = seen + 1, passed_over + 1
                continue
            if sample == -errno.ENODATA:
                break
            return sample
        addr, size = sample
        Dynptr(rt, place).set(addr, dynptr.LOCAL, size)
        stop = call()
        found.release_sample(size)
        seen += 1
        if stop:
            break
    return seen - passed_over
