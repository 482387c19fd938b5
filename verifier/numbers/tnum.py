# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Tristate numbers: 64-bit words of which each bit is known 0, known 1 or unknown.

The domain and the precision of every operation are those of kernel/bpf/tnum.c in release 6.18. A `Tnum` is a pair of
words: a bit set in `mask` is unknown (and then clear in `value`). Values are never changed after construction and may
be shared freely. Function names are the kernel's without the `tnum_` prefix.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, final

from bpfvm.isa.word import U32_MAX, U64_MAX, bswap, s32, s64


@final
class Tnum:
    """One tristate number; `value` and `mask` are disjoint 64-bit words."""

    __slots__ = ("mask", "value")

    def __init__(self, value: int, mask: int) -> None:
        self.value = value
        self.mask = mask

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Tnum) and self.value == other.value and self.mask == other.mask

    def __hash__(self) -> int:
        return hash((self.value, self.mask))

    def __repr__(self) -> str:
        return f"Tnum({self.value:#x}, {self.mask:#x})"

    def __str__(self) -> str:
        """The text of kernel/bpf/log.c:tnum_strn: a constant as a number, else `(value; mask)`."""
        if self.mask:
            return f"({hex(self.value)}; {hex(self.mask)})"
        return str(self.value) if self.value <= 0xFFFF else hex(self.value)

    def is_const(self) -> bool:
        """Every bit is known."""
        return not self.mask

    def is_unknown(self) -> bool:
        """No bit is known."""
        return self.mask == U64_MAX


UNKNOWN: Final = Tnum(0, U64_MAX)
ZERO: Final = Tnum(0, 0)
U32_UNKNOWN: Final = Tnum(0, U32_MAX)
_SMALL: Final = tuple(Tnum(v, 0) for v in range(1024))


def const(value: int) -> Tnum:
    """The tnum of exactly one word; any int is wrapped to 64 bits."""
    value &= U64_MAX
    return _SMALL[value] if value < 1024 else Tnum(value, 0)


def range_(lo: int, hi: int) -> Tnum:
    """The smallest tnum that covers the unsigned words lo..hi: the common leading bits are known."""
    bits = (lo ^ hi).bit_length()
    if not bits:
        return const(lo)
    if bits > 63:
        return UNKNOWN
    low = (1 << bits) - 1
    return Tnum(lo & ~low, low)


# --- shifts ---------------------------------------------------------------------------------------
def lsh(a: Tnum, n: int) -> Tnum:
    """a << n, for 0 <= n < 64."""
    return Tnum((a.value << n) & U64_MAX, (a.mask << n) & U64_MAX)


def rsh(a: Tnum, n: int) -> Tnum:
    """Logical a >> n, for 0 <= n < 64."""
    return Tnum(a.value >> n, a.mask >> n)


def arsh(a: Tnum, n: int, width: int) -> Tnum:
    """Arithmetic a >> n in `width` (32 or 64) bits; an unknown sign bit spreads as unknown."""
    if width == 32:
        return Tnum((s32(a.value) >> n) & U32_MAX, (s32(a.mask) >> n) & U32_MAX)
    return Tnum((s64(a.value) >> n) & U64_MAX, (s64(a.mask) >> n) & U64_MAX)


# --- arithmetic -----------------------------------------------------------------------------------
def add(a: Tnum, b: Tnum) -> Tnum:
    """a + b: a bit is unknown where an operand's is, or where the carry into it is."""
    least = a.value + b.value
    most = least + a.mask + b.mask
    unknown = ((least ^ most) | a.mask | b.mask) & U64_MAX
    return Tnum(least & ~unknown & U64_MAX, unknown)


def sub(a: Tnum, b: Tnum) -> Tnum:
    """a - b: a bit is unknown where an operand's is, or where the borrow into it is."""
    diff = a.value - b.value
    unknown = (((diff + a.mask) ^ (diff - b.mask)) | a.mask | b.mask) & U64_MAX
    return Tnum(diff & ~unknown & U64_MAX, unknown)


def neg(a: Tnum) -> Tnum:
    """0 - a."""
    return sub(ZERO, a)


def mul(a: Tnum, b: Tnum) -> Tnum:
    """a * b by long multiplication (6.18): where a's bit is unknown, join the sums with and without b's addend."""
    return _mul(a.value, a.mask, b.value, b.mask)


@lru_cache(4096)
def _mul(value: int, mask: int, add_value: int, add_mask: int) -> Tnum:
    """`add` and `union` are written out here: this is their longest loop."""
    total_value = total_mask = 0
    while (value or mask) and (add_value or add_mask) and total_mask != U64_MAX:
        if (value | mask) & 1:
            least = total_value + add_value
            unknown = ((least ^ (least + total_mask + add_mask)) | total_mask | add_mask) & U64_MAX
            least &= ~unknown & U64_MAX
            if mask & 1:
                unknown |= total_value ^ least
                total_value &= least & ~unknown
            else:
                total_value = least
            total_mask = unknown
        value >>= 1
        mask >>= 1
        add_value = (add_value << 1) & U64_MAX
        add_mask = (add_mask << 1) & U64_MAX
    return Tnum(total_value, total_mask)


# --- bits -----------------------------------------------------------------------------------------
def and_(a: Tnum, b: Tnum) -> Tnum:
    """a & b."""
    ones = a.value & b.value
    return Tnum(ones, (a.value | a.mask) & (b.value | b.mask) & ~ones)


def or_(a: Tnum, b: Tnum) -> Tnum:
    """a | b."""
    ones = a.value | b.value
    return Tnum(ones, (a.mask | b.mask) & ~ones)


def xor(a: Tnum, b: Tnum) -> Tnum:
    """a ^ b."""
    unknown = a.mask | b.mask
    return Tnum((a.value ^ b.value) & ~unknown, unknown)


def bswapped(a: Tnum, bits: int) -> Tnum:
    """The low `bits` (16, 32, 64) with their bytes reversed, the rest 0."""
    return Tnum(bswap(a.value, bits), bswap(a.mask, bits))


# --- order and sets -------------------------------------------------------------------------------
def intersect(a: Tnum, b: Tnum) -> Tnum:
    """What is known from both; where they contradict each other the bit becomes a known 1, as in the kernel."""
    unknown = a.mask & b.mask
    return Tnum((a.value | b.value) & ~unknown, unknown)


def union(a: Tnum, b: Tnum) -> Tnum:
    """The best tnum covering both."""
    unknown = (a.value ^ b.value) | a.mask | b.mask
    return Tnum(a.value & b.value & ~unknown, unknown)


def overlap(a: Tnum, b: Tnum) -> bool:
    """The two can share a word: their known bits do not contradict each other."""
    return not (a.value ^ b.value) & ~(a.mask | b.mask)


def in_(a: Tnum, b: Tnum) -> bool:
    """b is a subset of a (the kernel's tnum_in argument order)."""
    if b.mask & ~a.mask:
        return False
    return a.value == b.value & ~a.mask


def contains(a: Tnum, word: int) -> bool:
    """The 64-bit word is one of a's."""
    return word & ~a.mask == a.value


def step(a: Tnum, word: int) -> int:
    """The smallest word of a above `word`; a's largest if there is none (kernel tnum_step)."""
    value, mask = a.value, a.mask
    if word >= value | mask:
        return value | mask
    if word < value:
        return value
    # Count up inside the mask: ones in every other place carry the increment across, and so do ones below the highest
    # place where the distance has a bit that no member can have.
    distance = word - value
    beyond = distance & ~mask
    filled = distance | ((1 << beyond.bit_length()) - 1) | (mask ^ U64_MAX)
    return value | ((filled + 1) & mask)


def only_member(a: Tnum, umin: int, umax: int) -> int:
    """The one word of a within umin..umax, -1 if there are several, for a range cut to a's least and largest word.

    Where there is none the answer is either (kernel __update_reg64_bounds: such a register is on a dead branch).
    """
    following = step(a, umin)
    if umin & ~a.mask == a.value:
        return umin if following > umax else -1
    if following == a.value | a.mask:
        return following
    return following if following <= umax < step(a, following) else -1


def is_aligned(a: Tnum, size: int) -> bool:
    """Every word of a is a multiple of the power of two `size` (0 counts as 1)."""
    return not size or not (a.value | a.mask) & (size - 1)


# --- parts ----------------------------------------------------------------------------------------
def cast(a: Tnum, size: int) -> Tnum:
    """The low `size` (1..8) bytes, zero-extended."""
    keep = (1 << (size << 3)) - 1
    return Tnum(a.value & keep, a.mask & keep)


def subreg(a: Tnum) -> Tnum:
    """The low 32 bits, zero-extended."""
    return Tnum(a.value & U32_MAX, a.mask & U32_MAX)


def subreg_is_const(a: Tnum) -> bool:
    """The low 32 bits are all known."""
    return not a.mask & U32_MAX


def clear_subreg(a: Tnum) -> Tnum:
    """The low 32 bits set to known 0."""
    return Tnum(a.value & ~U32_MAX, a.mask & ~U32_MAX)


def with_subreg(a: Tnum, low: Tnum) -> Tnum:
    """The high half of a over the low half of `low`."""
    return Tnum((a.value & ~U32_MAX) | (low.value & U32_MAX), (a.mask & ~U32_MAX) | (low.mask & U32_MAX))


def const_subreg(a: Tnum, value: int) -> Tnum:
    """The high half of a over the known 32-bit word `value`."""
    return Tnum((a.value & ~U32_MAX) | (value & U32_MAX), a.mask & ~U32_MAX)
