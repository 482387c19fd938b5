# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers on maps (kernel/bpf/helpers.c, bpf_iter.c map part, ringbuf.c; 6.18)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bpfvm.engine.services import CallFrame
from bpfvm.engine.trap import Unsupported
from bpfvm.errors import SyscallError
from bpfvm.isa.word import u32
from bpfvm.memory.fault import PAGE_SIZE
from bpfvm.runtime.helpers.table import Args, helper
from bpfvm.runtime.maps import BloomFilterMap, RingbufMap
from bpfvm.runtime.maps.ringbuf import HEADER

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime


@helper("map_lookup_elem")
def map_lookup_elem(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map, key) → address of the value or 0."""
    found = rt.map_at(args[0])
    return found.lookup_elem(rt.memory.read(args[1], found.key_size))


@helper("map_update_elem")
def map_update_elem(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map, key, value, flags) → 0 or an errno, -ENOMEM when the emulated memory is used up."""
    found = rt.map_at(args[0])
    key, value = rt.memory.read(args[1], found.key_size), rt.memory.read(args[2], found.value_size)
    try:
        return found.update_elem(key, value, args[3])
    except SyscallError as refused:
        if refused.errno != errno.ENOMEM:
            raise
        return -errno.ENOMEM


@helper("map_delete_elem")
def map_delete_elem(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map, key) → 0 or an errno."""
    found = rt.map_at(args[0])
    return found.delete_elem(rt.memory.read(args[1], found.key_size))


@helper("map_lookup_percpu_elem")
def map_lookup_percpu_elem(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map, key, cpu) → address of that CPU's value or 0."""
    found = rt.map_at(args[0])
    return found.lookup_percpu_elem(rt.memory.read(args[1], found.key_size), u32(args[2]))


@helper("map_push_elem")
def map_push_elem(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map, value, flags) → 0 or an errno."""
    found = rt.map_at(args[0])
    return found.push_elem(rt.memory.read(args[1], found.value_size), args[2])


def _copy_out(rt: Runtime, to: int, value: bytes | int, size: int) -> int:
    """The value goes to the program's buffer, zeros if there is none."""
    rt.memory.write(to, value if isinstance(value, bytes) else bytes(size))
    return 0 if isinstance(value, bytes) else value


@helper("map_pop_elem")
def map_pop_elem(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map, value) → 0 or an errno."""
    found = rt.map_at(args[0])
    return _copy_out(rt, args[1], found.pop_elem(), found.value_size)


@helper("map_peek_elem")
def map_peek_elem(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map, value) → 0 or an errno; a bloom filter says whether it may have the value."""
    found = rt.map_at(args[0])
    if isinstance(found, BloomFilterMap):
        return found.peek_value(rt.memory.read(args[1], found.value_size))
    return _copy_out(rt, args[1], found.peek_elem(), found.value_size)


@helper("for_each_map_elem")
def for_each_map_elem(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map, callback(map, key, value, ctx), ctx, flags) → elements visited; the callback's 1 ends the walk."""
    map_addr, callback, ctx, flags, _ = args
    if flags:
        return -errno.EINVAL
    count = 0
    for key, value in rt.map_at(map_addr).elements():
        count += 1
        if frame.call(callback, map_addr, key, value, ctx):
            break
    return count


# --- ring buffer ----------------------------------------------------------------------------------------------------
def ringbuf_at(rt: Runtime, map_addr: int) -> RingbufMap:
    """The ring buffer at this address. Raises Unsupported for another map."""
    found = rt.map_at(map_addr)
    if not isinstance(found, RingbufMap):
        raise Unsupported(f"{found!r} is no ring buffer")
    return found


def ringbuf_of(rt: Runtime, sample: int) -> RingbufMap:
    """The buffer a record lies in, from the page offset in its header (bpf_ringbuf_restore_from_rec)."""
    header = sample - HEADER
    base = (header & -PAGE_SIZE) - rt.memory.load(header + 4, 4) * PAGE_SIZE
    found = rt.ringbufs.get(base)
    if found is None:
        raise Unsupported(f"{sample:#x} is no ring buffer record")
    return found


@helper("ringbuf_output")
def ringbuf_output(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map, data, size, flags) → 0 or an errno."""
    return ringbuf_at(rt, args[0]).output(rt.memory.read(args[1], args[2]), args[3])


@helper("ringbuf_reserve")
def ringbuf_reserve(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map, size, flags) → address of the record or 0."""
    return 0 if args[2] else ringbuf_at(rt, args[0]).reserve(args[1])


@helper("ringbuf_submit")
def ringbuf_submit(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(record, flags): publish."""
    ringbuf_of(rt, args[0]).commit(args[0], args[1])
    return 0


@helper("ringbuf_discard")
def ringbuf_discard(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(record, flags): give up."""
    ringbuf_of(rt, args[0]).commit(args[0], args[1], discard=True)
    return 0


@helper("ringbuf_query")
def ringbuf_query(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map, what) → a number."""
    return ringbuf_at(rt, args[0]).query(args[1])
