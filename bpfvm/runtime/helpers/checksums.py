# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers on checksums (net/core/filter.c, 6.18)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.errors import ENOTSUPP
from bpfvm.isa.word import U32_MAX, u32
from bpfvm.runtime import checksum
from bpfvm.runtime.helpers.table import Args, helper

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

MAX_OFFSET: Final = 0xFFFF
FIELD_MASK: Final = 0xF
PSEUDO_HDR, MARK_MANGLED_0, MARK_ENFORCE, F_IPV6 = 1 << 4, 1 << 5, 1 << 6, 1 << 7
MANGLED_0: Final = 0xFFFF
MAX_LEVEL: Final = 3
LEVEL_QUERY, LEVEL_INC, LEVEL_DEC, LEVEL_RESET = range(4)


@helper("csum_diff")
def csum_diff(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(from, its size, to, its size, seed) → the folded sum of what "to" adds to "from" (since 6.13; before, the sum
    was not folded and sizes had to be multiples of 4)."""
    old_size, new_size, seed = u32(args[1]), u32(args[3]), u32(args[4])
    if not new_size:  # the same but for which of the two zeros comes out
        left = checksum.partial(rt.memory.read(args[0], old_size), ~seed & U32_MAX) if old_size else ~seed
        return checksum.fold(~left & U32_MAX)
    total = checksum.partial(rt.memory.read(args[2], new_size), seed)
    if old_size:
        total = checksum.add32(total, ~checksum.partial(rt.memory.read(args[0], old_size), 0) & U32_MAX)
    return checksum.fold(total)


def _replaced(check: int, field: int, old: int, new: int) -> int:
    """The check after a change of 2 or 4 bytes (``field``), or by a sum (0); a negative errno."""
    if field == 0:
        return -errno.EINVAL if old else checksum.by_diff(check, u32(new))
    if field == 2:
        return checksum.replace(check, old & 0xFFFF, new & 0xFFFF)
    return checksum.replace(check, u32(old), u32(new)) if field == 4 else -errno.EINVAL


@helper("l3_csum_replace")
def l3_csum_replace(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, offset of the check, from, to, size) → 0 or an errno."""
    packet, offset, flags = rt.packet_of(args[0], "bpf_l3_csum_replace"), u32(args[1]), args[4]
    if flags & ~FIELD_MASK:
        return -errno.EINVAL
    held = packet.load(offset, 2)
    if offset > MAX_OFFSET or offset & 1 or held is None:
        return -errno.EFAULT
    made = _replaced(int.from_bytes(held, "little"), flags, args[2], args[3])
    if made >= 0:
        packet.store(offset, made.to_bytes(2, "little"))
    return min(made, 0)


@helper("l4_csum_replace")
def l4_csum_replace(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, offset of the check, from, to, flags and size) → 0 or an errno. The pseudo header only matters for packets
    whose checksum the device computed, of which there are none."""
    packet, offset, flags = rt.packet_of(args[0], "bpf_l4_csum_replace"), u32(args[1]), args[4]
    if flags & ~(FIELD_MASK | PSEUDO_HDR | MARK_MANGLED_0 | MARK_ENFORCE | F_IPV6):
        return -errno.EINVAL
    held = packet.load(offset, 2)
    if offset > MAX_OFFSET or offset & 1 or held is None:
        return -errno.EFAULT
    if flags & MARK_MANGLED_0 and not flags & MARK_ENFORCE and not any(held):
        return 0
    made = _replaced(int.from_bytes(held, "little"), flags & FIELD_MASK, args[2], args[3])
    if made >= 0:
        packet.store(offset, (made or (MANGLED_0 if flags & MARK_MANGLED_0 else 0)).to_bytes(2, "little"))
    return min(made, 0)


@helper("csum_update")
def csum_update(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, sum): no packet of a test run has a sum from its device."""
    rt.packet_of(args[0], "bpf_csum_update")
    return -ENOTSUPP


@helper("csum_level")
def csum_level(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, what to do) → the level when asked for, 0 or an errno."""
    packet, what = rt.packet_of(args[0], "bpf_csum_level"), args[1]
    level = packet.csum_level
    if what == LEVEL_QUERY:
        return -errno.EACCES if level is None else level
    if what == LEVEL_INC:
        packet.csum_level = 0 if level is None else min(level + 1, MAX_LEVEL)
    elif what == LEVEL_DEC:
        packet.csum_level = None if not level else level - 1
    elif what == LEVEL_RESET:
        packet.csum_level = None
    else:
        return -errno.EINVAL
    return 0
