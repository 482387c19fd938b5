# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Open-coded iterators (kernel/bpf/bpf_iter.c, helpers.c, task_iter.c; 6.18)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bpfvm.engine.services import CallFrame
from bpfvm.isa.word import s32, u32
from bpfvm.runtime.helpers.basic import BPF_MAX_LOOPS
from bpfvm.runtime.helpers.probe import read_kernel
from bpfvm.runtime.helpers.table import Args
from bpfvm.runtime.kfuncs.table import kfunc

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime


# --- numbers: struct bpf_iter_num is s32 cur, s32 end ------------------------------------------------------
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


# --- bits: struct bpf_iter_bits is bits or the address of many, s32 their number, s32 the last one -------------------
BITS_NUMBER, BITS_LAST = 8, 12
MAX_WORDS = 511
WORD = 64


@kfunc
def iter_bits_new(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(iterator, address, number of words) → 0 or an errno; then the iterator is empty."""
    it, addr, words = args[0], args[1], u32(args[2])
    rt.memory.write(it, bytes(BITS_LAST))
    rt.memory.store(it + BITS_LAST, 4, -1)
    if not addr or not words:
        return -errno.EINVAL
    if words > MAX_WORDS:
        return -errno.E2BIG
    found = read_kernel(rt, addr, words * 8)
    if isinstance(found, int):
        return -errno.EFAULT if words == 1 else found
    place = it if words == 1 else rt.memory.alloc(words * 8, what="iterator's bits")
    rt.memory.write(place, found)
    if words > 1:
        rt.memory.store(it, 8, place)
    rt.memory.store(it + BITS_NUMBER, 4, words * WORD)
    return 0


@kfunc
def iter_bits_next(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(iterator) → address of the number of the next bit that is set, 0 at the end."""
    it = args[0]
    number, last = rt.memory.load(it + BITS_NUMBER, 4), s32(rt.memory.load(it + BITS_LAST, 4))
    if not number or last >= number:
        return 0
    place = it if number == WORD else rt.memory.load(it, 8)
    left = int.from_bytes(rt.memory.read(place, number // 8), "little") >> last + 1
    found = last + (left & -left).bit_length() if left else number
    rt.memory.store(it + BITS_LAST, 4, found)
    return it + BITS_LAST if left else 0


@kfunc
def iter_bits_destroy(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(iterator): end it."""
    if rt.memory.load(args[0] + BITS_NUMBER, 4) > WORD:
        rt.memory.free(rt.memory.load(args[0], 8))
    return 0
