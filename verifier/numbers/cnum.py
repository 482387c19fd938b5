# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the verifier knows of a number: a tnum and ranges in u64, s64, u32 and s32, and how they sharpen one another.

The results are those of kernel/bpf/verifier.c in release 6.18: reg_bounds_sync and the functions it calls
(__update_reg_bounds, __reg_deduce_bounds, __reg_bound_offset), coerce_reg_to_size(_sx), zext_32_to_64. The order and
number of the steps are observable in the verifier's log, hence part of the specification. A `Bounds` never changes.
"""

from __future__ import annotations

from typing import Final, TypeAlias, final

from bpfvm.isa.word import S32_MAX, S32_MIN, S64_MAX, S64_MIN, SIGN32, SIGN64, U32_MAX, U64_MAX, s32, s64, signed
from verifier.numbers import tnum
from verifier.numbers.tnum import Tnum

HIGH32: Final = U64_MAX ^ U32_MAX
Range: TypeAlias = tuple[int, int]
"""Inclusive (lowest, highest)."""


@final
class Bounds:
    """Numbers described at once by `var_off` (tnum) and by four inclusive ranges.

    smin..smax: s64, signed ints; umin..umax: u64 words; s32_min..s32_max: signed ints of the low half;
    u32_min..u32_max: words of the low half. `var_off` and the ranges each cover every possible value; they need not
    be equally sharp.
    """

    __slots__ = ("low", "s32_max", "s32_min", "smax", "smin", "u32_max", "u32_min", "umax", "umin", "var_off")

    def __init__(
        self,
        var_off: Tnum,
        smin: int = S64_MIN,
        smax: int = S64_MAX,
        umin: int = 0,
        umax: int = U64_MAX,
        s32_min: int = S32_MIN,
        s32_max: int = S32_MAX,
        u32_min: int = 0,
        u32_max: int = U32_MAX,
    ) -> None:
        self.var_off = var_off
        self.smin = smin
        self.smax = smax
        self.umin = umin
        self.umax = umax
        self.s32_min = s32_min
        self.s32_max = s32_max
        self.u32_min = u32_min
        self.u32_max = u32_max
        self.low: Bounds | None = None
        """what `zext32` makes of these bounds, once it was asked"""

    def key(self) -> tuple[int, ...]:
        """All ten numbers: (value, mask, smin, smax, umin, umax, s32_min, s32_max, u32_min, u32_max)."""
        t = self.var_off
        return (
            *(t.value, t.mask, self.smin, self.smax, self.umin, self.umax),
            *(self.s32_min, self.s32_max, self.u32_min, self.u32_max),
        )

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Bounds) and self.same(other))

    def same(self, other: Bounds) -> bool:
        """Equal in all ten numbers (`==` between bounds, without the detour)."""
        if self is other:
            return True
        a, b = self.var_off, other.var_off
        return (
            self.umin == other.umin
            and self.umax == other.umax
            and (a is b or (a.value == b.value and a.mask == b.mask))
            and self.smin == other.smin
            and self.smax == other.smax
            and self.u32_min == other.u32_min
            and self.u32_max == other.u32_max
            and self.s32_min == other.s32_min
            and self.s32_max == other.s32_max
        )

    def __hash__(self) -> int:
        return hash(self.key())

    def __repr__(self) -> str:
        return (
            f"Bounds({self.var_off!r}, s64={self.smin}..{self.smax}, u64={self.umin}..{self.umax}, "
            f"s32={self.s32_min}..{self.s32_max}, u32={self.u32_min}..{self.u32_max})"
        )

    def is_const(self) -> bool:
        """Exactly one 64-bit word is possible (as the kernel decides it: by the tnum)."""
        return not self.var_off.mask

    def within(self, wider: Bounds) -> bool:
        """Each of the four ranges lies inside the other's: kernel/bpf/states.c range_within(wider, self)."""
        return self is wider or (
            wider.umin <= self.umin
            and wider.umax >= self.umax
            and wider.smin <= self.smin
            and wider.smax >= self.smax
            and wider.u32_min <= self.u32_min
            and wider.u32_max >= self.u32_max
            and wider.s32_min <= self.s32_min
            and wider.s32_max >= self.s32_max
        )

    def contains(self, word: int) -> bool:
        """The 64-bit word satisfies the tnum and all four ranges."""
        low = word & U32_MAX
        return (
            word & ~self.var_off.mask == self.var_off.value
            and self.umin <= word <= self.umax
            and self.smin <= s64(word) <= self.smax
            and self.u32_min <= low <= self.u32_max
            and self.s32_min <= s32(low) <= self.s32_max
        )


UNKNOWN: Final = Bounds(tnum.UNKNOWN)


def _exactly(word: int) -> Bounds:
    low = word & U32_MAX
    wide, narrow = s64(word), s32(low)
    return Bounds(tnum.const(word), wide, wide, word, word, narrow, narrow, low, low)


_SMALL: Final = tuple(_exactly(v & U64_MAX) for v in range(-256, 1024))
ZERO: Final = _SMALL[256]


def const(word: int) -> Bounds:
    """The bounds of exactly one word; any int is wrapped to 64 bits. Small ones are shared objects."""
    word &= U64_MAX
    if word < 1024:
        return _SMALL[word + 256]
    if word >= U64_MAX - 255:
        return _SMALL[word - (U64_MAX - 255)]
    return _exactly(word)


# --- the steps of reg_bounds_sync -----------------------------------------------------------------
# Written on plain ints passed and returned in the order s64, u64, s32, u32: this is the verifier's innermost loop.
_Four: TypeAlias = tuple[int, int, int, int]
_State: TypeAlias = tuple[Tnum, int, int, int, int, int, int, int, int]
"""Bounds under way: tnum, smin, smax, umin, umax, s32_min, s32_max, u32_min, u32_max."""


def _low_half(words: bool, lo: int, hi: int, s_lo: int, s_hi: int, u_lo: int, u_hi: int) -> _Four:
    """The s32 and u32 range sharpened by the 64-bit range lo..hi (words or signed) of which the high halves are equal
    or successors.

    Equal high halves: the low halves form a range (`words`: even if upside down, as the kernel lets that pass for u64).
    Successors: they do if they run from a negative to a non-negative number.
    """
    low, high = lo & U32_MAX, hi & U32_MAX
    signed_low, signed_high = (low ^ SIGN32) - SIGN32, (high ^ SIGN32) - SIGN32
    same = lo >> 32 == hi >> 32
    if same and (words or low <= high):
        u_lo = low if low > u_lo else u_lo
        u_hi = high if high < u_hi else u_hi
    if signed_low <= signed_high if same else signed_low < 0 <= signed_high:
        s_lo = signed_low if signed_low > s_lo else s_lo
        s_hi = signed_high if signed_high < s_hi else s_hi
    return s_lo, s_hi, u_lo, u_hi


def _agree(smin: int, smax: int, umin: int, umax: int, top: int, sign: int) -> _Four:
    """Let the signed and the unsigned range of one width sharpen each other; `top` is its largest word, `sign` its
    sign bit.

    A range within one half of the number line means the same read either way. A signed range that crosses 0 is, as
    words, the two ends of the line; if the unsigned range touches only one of them, both shrink to that one.
    """
    lo, hi = (umin ^ sign) - sign, (umax ^ sign) - sign
    if lo <= hi:
        smin = lo if lo > smin else smin
        smax = hi if hi < smax else smax
    low, high = smin & top, smax & top
    if low <= high:
        return smin, smax, (low if low > umin else umin), (high if high < umax else umax)
    if umax < low:
        return lo, smax, umin, (umax if umax < high else high)
    if high < umin:
        return smin, hi, (umin if umin > low else low), umax
    return smin, smax, umin, umax


def _deduce(
    t: Tnum,
    smin: int,
    smax: int,
    umin: int,
    umax: int,
    s32_min: int,
    s32_max: int,
    u32_min: int,
    u32_max: int,
) -> _State:
    """One round of __reg_deduce_bounds: 64 to 32 bits, 32-bit signs, 64-bit signs, 32 to 64 bits."""
    if ((umax >> 32) - (umin >> 32)) & U32_MAX < 2:
        s32_min, s32_max, u32_min, u32_max = _low_half(True, umin, umax, s32_min, s32_max, u32_min, u32_max)
    if ((smax >> 32) - (smin >> 32)) & U32_MAX < 2:
        s32_min, s32_max, u32_min, u32_max = _low_half(False, smin, smax, s32_min, s32_max, u32_min, u32_max)
    s32_min, s32_max, u32_min, u32_max = _agree(s32_min, s32_max, u32_min, u32_max, U32_MAX, SIGN32)
    smin, smax, umin, umax = _agree(smin, smax, umin, umax, U64_MAX, SIGN64)
    # The ends of the u32 range are sharper low halves for the ends of the 64-bit ranges.
    if umin & U32_MAX < u32_min:
        umin = (umin & HIGH32) | u32_min
    if umax & U32_MAX > u32_max:
        umax = (umax & HIGH32) | u32_max
    if smin & U32_MAX < u32_min:
        smin = (smin & -0x1_0000_0000) | u32_min
    if smax & U32_MAX > u32_max:
        smax = (smax & -0x1_0000_0000) | u32_max
    if s32_min >= 0 and smin >= S32_MIN and smax <= S32_MAX:
        # The number fits s32 and its low half is not negative, so the high half cannot be all ones.
        smin, smax = s32_min, s32_max
        umin, umax = s32_min, s32_max & U64_MAX
        t = tnum.intersect(t, tnum.range_(umin, umax))
    return t, smin, smax, umin, umax, s32_min, s32_max, u32_min, u32_max


def _known(word: int) -> _State:
    low = word & U32_MAX
    wide, narrow = s64(word), s32(low)
    return tnum.const(word), wide, wide, word, word, narrow, narrow, low, low


def _from_tnum(
    t: Tnum,
    smin: int,
    smax: int,
    umin: int,
    umax: int,
    s32_min: int,
    s32_max: int,
    u32_min: int,
    u32_max: int,
) -> _State:
    """Sharpen all four ranges with the known bits: an unknown sign bit counts for the low end, other bits for the high.
    If the u64 range then holds only one of the tnum's words, that is the number."""
    value, mask = t.value, t.mask
    top = value | mask
    umin = value if value > umin else umin
    umax = top if top < umax else umax
    if not mask or mask & (mask + 1) or umin >= umax:
        only = tnum.only_member(t, umin, umax)
        if only >= 0:
            return _known(only)
    lo = ((value | (mask & SIGN64)) ^ SIGN64) - SIGN64
    hi = ((value | (mask & S64_MAX)) ^ SIGN64) - SIGN64
    smin = lo if lo > smin else smin
    smax = hi if hi < smax else smax
    value &= U32_MAX
    top &= U32_MAX
    u32_min = value if value > u32_min else u32_min
    u32_max = top if top < u32_max else u32_max
    lo = ((value | (mask & SIGN32)) ^ SIGN32) - SIGN32
    hi = ((value | (mask & S32_MAX)) ^ SIGN32) - SIGN32
    s32_min = lo if lo > s32_min else s32_min
    s32_max = hi if hi < s32_max else s32_max
    return t, smin, smax, umin, umax, s32_min, s32_max, u32_min, u32_max


def _bound_offset(t: Tnum, umin: int, umax: int, u32_min: int, u32_max: int) -> Tnum:
    """t with the leading bits that all of umin..umax (and, in the low half, of u32_min..u32_max) have in common."""
    low = (1 << (umin ^ umax).bit_length()) - 1
    mask = t.mask & low
    value = (t.value | (umin & ~low)) & ~mask
    low = (1 << (u32_min ^ u32_max).bit_length()) - 1
    low_mask = mask & U32_MAX & low
    low_value = (value & U32_MAX | (u32_min & ~low)) & ~low_mask
    mask = mask & HIGH32 | low_mask
    value = value & HIGH32 | low_value
    return t if mask == t.mask and value == t.value else Tnum(value, mask)


def sync(
    t: Tnum,
    smin: int,
    smax: int,
    umin: int,
    umax: int,
    s32_min: int,
    s32_max: int,
    u32_min: int,
    u32_max: int,
) -> Bounds:
    """Let the tnum and the four ranges sharpen one another as reg_bounds_sync does: tnum, three rounds, tnum.

    A round that changes nothing ends the rounds, since the next could not either.
    """
    state = _from_tnum(t, smin, smax, umin, umax, s32_min, s32_max, u32_min, u32_max)
    for _ in range(3):
        before = state
        state = _deduce(*state)
        if state == before:
            break
    old, smin, smax, umin, umax, s32_min, s32_max, u32_min, u32_max = state
    new = _bound_offset(old, umin, umax, u32_min, u32_max)
    if new is t and umin < umax and not new.mask & (new.mask + 1):
        return Bounds(new, smin, smax, umin, umax, s32_min, s32_max, u32_min, u32_max)
    return Bounds(*_from_tnum(new, smin, smax, umin, umax, s32_min, s32_max, u32_min, u32_max))


def make(
    *,
    var_off: Tnum = tnum.UNKNOWN,
    smin: int = S64_MIN,
    smax: int = S64_MAX,
    umin: int = 0,
    umax: int = U64_MAX,
    s32_min: int = S32_MIN,
    s32_max: int = S32_MAX,
    u32_min: int = 0,
    u32_max: int = U32_MAX,
) -> Bounds:
    """Normalised bounds of what is given; what is not given is unknown."""
    return sync(var_off, smin, smax, umin, umax, s32_min, s32_max, u32_min, u32_max)


def resync(b: Bounds) -> Bounds:
    """The same bounds, normalised."""
    t = b.var_off
    if not t.mask and b.contains(t.value):
        return const(t.value)
    if b is UNKNOWN:
        return b
    return sync(b.var_off, b.smin, b.smax, b.umin, b.umax, b.s32_min, b.s32_max, b.u32_min, b.u32_max)


def _meet(lo: int, hi: int, other_lo: int, other_hi: int) -> Range:
    """Intersection of two ranges of one kind (may come out empty, that is, upside down)."""
    return (lo if lo > other_lo else other_lo), (hi if hi < other_hi else other_hi)


def of_range(umin: int, umax: int) -> Bounds:
    """The unsigned words umin..umax."""
    return make(umin=umin, umax=umax)


def of_srange(smin: int, smax: int) -> Bounds:
    """The signed values smin..smax."""
    return make(smin=smin, smax=smax)


def intersect_u(b: Bounds, umin: int, umax: int) -> Bounds:
    """b with its u64 range cut to umin..umax, normalised."""
    lo, hi = _meet(b.umin, b.umax, umin, umax)
    return sync(b.var_off, b.smin, b.smax, lo, hi, b.s32_min, b.s32_max, b.u32_min, b.u32_max)


def intersect_s(b: Bounds, smin: int, smax: int) -> Bounds:
    """b with its s64 range cut to smin..smax, normalised."""
    lo, hi = _meet(b.smin, b.smax, smin, smax)
    return sync(b.var_off, lo, hi, b.umin, b.umax, b.s32_min, b.s32_max, b.u32_min, b.u32_max)


def known_subreg(b: Bounds, low: int) -> Bounds:
    """b with its low half known to be the 32-bit word `low`; not normalised (kernel __mark_reg32_known)."""
    narrow = s32(low)
    return Bounds(tnum.const_subreg(b.var_off, low), b.smin, b.smax, b.umin, b.umax, narrow, narrow, low, low)


# --- changes of size ------------------------------------------------------------------------------
def zext32(b: Bounds) -> Bounds:
    """The low half, zero-extended (zext_32_to_64, then sync): what every 32-bit operation leaves in the register."""
    found = b.low
    if found is None:
        found = _zext32(b)
        if found.same(b):
            found = b
        b.low = found
    return found


def _zext32(b: Bounds) -> Bounds:
    smin, smax = (b.s32_min, b.s32_max) if b.s32_min >= 0 and b.s32_max >= 0 else (0, U32_MAX)
    low = tnum.subreg(b.var_off)
    return sync(low, smin, smax, b.u32_min, b.u32_max, b.s32_min, b.s32_max, b.u32_min, b.u32_max)


def trunc(b: Bounds, size: int) -> Bounds:
    """The low `size` (1, 2, 4 or 8) bytes, zero-extended, as a load of that size leaves them (coerce_reg_to_size)."""
    if size == 8:
        return b
    if b is UNKNOWN:
        return _LOADED[size]
    return _trunc(b, size)


def _trunc(b: Bounds, size: int) -> Bounds:
    keep = (1 << (size << 3)) - 1
    t = tnum.cast(b.var_off, size)
    if b.umin & ~keep == b.umax & ~keep:
        lo, hi = b.umin & keep, b.umax & keep
    else:
        lo, hi = 0, keep
    if size < 4:
        return sync(t, lo, hi, lo, hi, S32_MIN, S32_MAX, 0, U32_MAX)
    return sync(t, lo, hi, lo, hi, b.s32_min, b.s32_max, b.u32_min, b.u32_max)


_LOADED: Final = {size: _trunc(UNKNOWN, size) for size in (1, 2, 4)}
"""What a load of so many bytes leaves if nothing is known of them."""


def _sext_range(lo: int, hi: int, bits: int) -> Range | None:
    """Signed lo..hi after sign extension from `bits`, if they differ only below and the result has one sign."""
    if lo >> bits != hi >> bits:
        return None
    a, b = signed(lo, bits), signed(hi, bits)
    low, high = (a, b) if a <= b else (b, a)
    return (low, high) if (low >= 0) == (high >= 0) else None


def sext(b: Bounds, size: int) -> Bounds:
    """The low `size` (1, 2, 4) bytes sign-extended to 64 bits (coerce_reg_to_size_sx; like it, not normalised)."""
    bits = size << 3
    if not b.var_off.mask:
        return const(signed(b.var_off.value, bits))
    found = _sext_range(b.smin, b.smax, bits)
    if found is None:
        limit = 1 << (bits - 1)
        return Bounds(tnum.UNKNOWN, -limit, limit - 1, 0, U64_MAX, -limit, limit - 1, 0, U32_MAX)
    lo, hi = found
    word_lo, word_hi = lo & U64_MAX, hi & U64_MAX
    return Bounds(
        *(tnum.range_(word_lo, word_hi), lo, hi, word_lo, word_hi),
        *(s32(lo), s32(hi), lo & U32_MAX, hi & U32_MAX),
    )


def sext_subreg(b: Bounds, size: int) -> Bounds:
    """The low `size` (1, 2) bytes sign-extended to 32 bits, then zero-extended (coerce_subreg_to_size_sx,
    zext_32_to_64)."""
    bits = size << 3
    if not b.var_off.mask:
        return const(signed(b.var_off.value, bits) & U32_MAX)
    found = _sext_range(b.s32_min, b.s32_max, bits)
    if found is None:
        limit = 1 << (bits - 1)
        return zext32(Bounds(tnum.U32_UNKNOWN, s32_min=-limit, s32_max=limit - 1))
    lo, hi = found
    u_lo, u_hi = lo & U32_MAX, hi & U32_MAX
    return zext32(Bounds(tnum.range_(u_lo, u_hi), s32_min=lo, s32_max=hi, u32_min=u_lo, u32_max=u_hi))


# --- contradictions -------------------------------------------------------------------------------
def violation(b: Bounds) -> str:
    """What contradicts itself in the bounds, in the words of reg_bounds_sanity_check; "" if nothing does."""
    if b.umin > b.umax or b.smin > b.smax or b.u32_min > b.u32_max or b.s32_min > b.s32_max:
        return "range bounds violation"
    t = b.var_off
    if not t.mask and not (b.umin == b.umax == t.value and b.smin == b.smax == s64(t.value)):
        return "const tnum out of sync with range bounds"
    low = t.value & U32_MAX
    if not t.mask & U32_MAX and not (b.u32_min == b.u32_max == low and b.s32_min == b.s32_max == s32(low)):
        return "const subreg tnum out of sync with range bounds"
    return ""


def violation_text(b: Bounds, what: str, place: str) -> str:
    """The kernel's log line (without newline) for a contradiction `what` found at `place` ("alu", "true_reg1", ...)."""
    words = (
        f"u64=[{b.umin:#x}, {b.umax:#x}] s64=[{b.smin & U64_MAX:#x}, {b.smax & U64_MAX:#x}] "
        f"u32=[{b.u32_min:#x}, {b.u32_max:#x}] s32=[{b.s32_min & U32_MAX:#x}, {b.s32_max & U32_MAX:#x}] "
        f"var_off=({b.var_off.value:#x}, {b.var_off.mask:#x})"
    )
    return f"verifier bug: REG INVARIANTS VIOLATION ({place}): {what} {words}"


def checked(b: Bounds) -> Bounds:
    """b itself, or with all ranges forgotten (the tnum is kept) if it contradicts itself, as the kernel repairs it."""
    return Bounds(b.var_off) if violation(b) else b
