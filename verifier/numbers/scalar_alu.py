# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Arithmetic on scalars of which only bounds are known: one abstract function per ALU operation.

Results are those of 6.18's kernel/bpf/verifier.c:adjust_scalar_min_max_vals and check_alu_op, imprecision included: a
division is unknown even when both operands are constants, and so is a shift by anything but a constant in range.
Where stable releases of 6.18 added precision (known bits through byte swaps, linked registers after a subtraction or
a 32-bit addition) they are followed: the log of 6.18.44 is the reference. `alu` is the door; the functions named
after operations work on `Bounds`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from bpfvm.isa import word
from bpfvm.isa.word import S32_MAX, S32_MIN, S64_MAX, S64_MIN, SIGN32, SIGN64, U32_MAX, U64_MAX, s32, s64
from verifier.numbers import cnum, tnum
from verifier.numbers.cnum import Bounds, Range
from verifier.numbers.tnum import Tnum
from verifier.state.reg import ADD_CONST, ADD_CONST32, ADD_CONST64, RegState, const, unknown
from verifier.state.reg_type import SCALAR_VALUE

Report: TypeAlias = Callable[[str], None]
"""Receives the kernel's log line when a result contradicts itself."""

S64: Final[Range] = (S64_MIN, S64_MAX)
S32: Final[Range] = (S32_MIN, S32_MAX)
U64: Final[Range] = (0, U64_MAX)
U32: Final[Range] = (0, U32_MAX)


# --- addition: the same in both widths, since a low half does not depend on the high one ----------
def add(a: Bounds, b: Bounds, width: int) -> Bounds:
    """a + b. A signed range is lost if an end overflows; an unsigned one only if just one end wraps. Not normalised."""
    smin, smax = a.smin + b.smin, a.smax + b.smax
    if smin < S64_MIN or smin > S64_MAX or smax < S64_MIN or smax > S64_MAX:
        smin, smax = S64_MIN, S64_MAX
    umin, umax = a.umin + b.umin, a.umax + b.umax
    if umin <= U64_MAX < umax:
        umin, umax = 0, U64_MAX
    s32_min, s32_max = a.s32_min + b.s32_min, a.s32_max + b.s32_max
    if s32_min < S32_MIN or s32_min > S32_MAX or s32_max < S32_MIN or s32_max > S32_MAX:
        s32_min, s32_max = S32_MIN, S32_MAX
    u32_min, u32_max = a.u32_min + b.u32_min, a.u32_max + b.u32_max
    if u32_min <= U32_MAX < u32_max:
        u32_min, u32_max = 0, U32_MAX
    t = tnum.add(a.var_off, b.var_off)
    return Bounds(
        *(t, smin, smax, umin & U64_MAX, umax & U64_MAX),
        *(s32_min, s32_max, u32_min & U32_MAX, u32_max & U32_MAX),
    )


def sub(a: Bounds, b: Bounds, width: int) -> Bounds:
    """a - b; what is lost to overflow is as in `add`."""
    smin, smax = a.smin - b.smax, a.smax - b.smin
    if smin < S64_MIN or smin > S64_MAX or smax < S64_MIN or smax > S64_MAX:
        smin, smax = S64_MIN, S64_MAX
    umin, umax = a.umin - b.umax, a.umax - b.umin
    if umin < 0 <= umax:
        umin, umax = 0, U64_MAX
    s32_min, s32_max = a.s32_min - b.s32_max, a.s32_max - b.s32_min
    if s32_min < S32_MIN or s32_min > S32_MAX or s32_max < S32_MIN or s32_max > S32_MAX:
        s32_min, s32_max = S32_MIN, S32_MAX
    u32_min, u32_max = a.u32_min - b.u32_max, a.u32_max - b.u32_min
    if u32_min < 0 <= u32_max:
        u32_min, u32_max = 0, U32_MAX
    t = tnum.sub(a.var_off, b.var_off)
    return Bounds(
        *(t, smin, smax, umin & U64_MAX, umax & U64_MAX),
        *(s32_min, s32_max, u32_min & U32_MAX, u32_max & U32_MAX),
    )


def neg(a: Bounds, b: Bounds, width: int) -> Bounds:
    """0 - a; b is not looked at."""
    return sub(cnum.ZERO, a, width)


# --- multiplication -------------------------------------------------------------------------------
def _mul_signed(a: Range, b: Range, whole: Range) -> Range:
    corners = (a[0] * b[0], a[0] * b[1], a[1] * b[0], a[1] * b[1])
    lo, hi = min(corners), max(corners)
    return whole if lo < whole[0] or hi > whole[1] else (lo, hi)


def _mul_unsigned(a: Range, b: Range, whole: Range) -> Range:
    lo, hi = a[0] * b[0], a[1] * b[1]
    return whole if lo > whole[1] or hi > whole[1] else (lo, hi)


def mul(a: Bounds, b: Bounds, width: int) -> Bounds:
    """a * b; a range that can overflow is lost. Not normalised."""
    return Bounds(
        tnum.mul(a.var_off, b.var_off),
        *_mul_signed((a.smin, a.smax), (b.smin, b.smax), S64),
        *_mul_unsigned((a.umin, a.umax), (b.umin, b.umax), U64),
        *_mul_signed((a.s32_min, a.s32_max), (b.s32_min, b.s32_max), S32),
        *_mul_unsigned((a.u32_min, a.u32_max), (b.u32_min, b.u32_max), U32),
    )


# --- bitwise operations ---------------------------------------------------------------------------
def _as_signed64(lo: int, hi: int) -> Range:
    """The u64 range as s64, whole if it crosses the sign."""
    low, high = s64(lo), s64(hi)
    return (low, high) if low <= high else S64


def _as_signed32(lo: int, hi: int) -> Range:
    """The u32 range as s32, whole if it crosses the sign."""
    low, high = s32(lo), s32(hi)
    return (low, high) if low <= high else S32


def _bitwise(a: Bounds, b: Bounds, t: Tnum, u: Range, u_low: Range) -> Bounds:
    """Bounds of a bitwise result from its tnum and its unsigned ranges. Operands known in full (or in their low half)
    leave a known word (or low half)."""
    if not (a.var_off.mask or b.var_off.mask):
        return cnum.const(t.value)
    if not (a.var_off.mask | b.var_off.mask) & U32_MAX:
        low = t.value & U32_MAX
        u_low = (low, low)
    return Bounds(t, *_as_signed64(*u), *u, *_as_signed32(*u_low), *u_low)


def and_(a: Bounds, b: Bounds, width: int) -> Bounds:
    """a & b: at least the known ones, at most the smaller operand."""
    t = tnum.and_(a.var_off, b.var_off)
    u = (t.value, min(a.umax, b.umax))
    u_low = (t.value & U32_MAX, min(a.u32_max, b.u32_max))
    return _bitwise(a, b, t, u, u_low)


def or_(a: Bounds, b: Bounds, width: int) -> Bounds:
    """a | b: at least the larger operand, at most the possible ones."""
    t = tnum.or_(a.var_off, b.var_off)
    top = t.value | t.mask
    return _bitwise(a, b, t, (max(a.umin, b.umin), top), (max(a.u32_min, b.u32_min), top & U32_MAX))


def xor(a: Bounds, b: Bounds, width: int) -> Bounds:
    """a ^ b: only the bits tell."""
    t = tnum.xor(a.var_off, b.var_off)
    top = t.value | t.mask
    return _bitwise(a, b, t, (t.value, top), (t.value & U32_MAX, top & U32_MAX))


# --- shifts by a known amount ---------------------------------------------------------------------
def lsh(a: Bounds, b: Bounds, width: int) -> Bounds:
    """a << b for a constant b < width."""
    n = b.var_off.value if width == 64 else b.u32_min
    u_low = U32 if n > 31 or a.u32_max > SIGN32 >> n else (a.u32_min << n, a.u32_max << n)
    if width == 32:
        t = tnum.subreg(tnum.lsh(tnum.subreg(a.var_off), n))
        return Bounds(t, S64_MIN, S64_MAX, 0, U64_MAX, S32_MIN, S32_MAX, *u_low)
    # << 32, the first half of a compiler's sign extension, keeps the order of signed low halves.
    s = (a.s32_min << 32, a.s32_max << 32) if n == 32 else S64
    u = U64 if a.umax > SIGN64 >> n else (a.umin << n, a.umax << n)
    return Bounds(tnum.lsh(a.var_off, n), *s, *u, S32_MIN, S32_MAX, *u_low)


def rsh(a: Bounds, b: Bounds, width: int) -> Bounds:
    """Logical a >> b for a constant b < width; signed bounds come back from the unsigned ones."""
    if width == 32:
        n = b.u32_min
        t = tnum.rsh(tnum.subreg(a.var_off), n)
        return Bounds(t, u32_min=a.u32_min >> n, u32_max=a.u32_max >> n)
    n = b.var_off.value
    return Bounds(tnum.rsh(a.var_off, n), umin=a.umin >> n, umax=a.umax >> n)


def arsh(a: Bounds, b: Bounds, width: int) -> Bounds:
    """Arithmetic a >> b for a constant b < width; unsigned bounds come back from the signed ones."""
    if width == 32:
        n = b.u32_min
        t = tnum.arsh(tnum.subreg(a.var_off), n, 32)
        return Bounds(t, s32_min=a.s32_min >> n, s32_max=a.s32_max >> n)
    n = b.var_off.value
    return Bounds(tnum.arsh(a.var_off, n, 64), a.smin >> n, a.smax >> n)


# --- byte order -----------------------------------------------------------------------------------
def bswap(a: Bounds, bits: int) -> Bounds:
    """The low `bits` with their bytes reversed: known bits move, ranges are forgotten."""
    swapped = Bounds(tnum.bswapped(a.var_off, bits))
    return cnum.resync(swapped) if bits == 64 else cnum.trunc(swapped, bits >> 3)


def le(a: Bounds, bits: int) -> Bounds:
    """The low `bits`: on a little-endian machine nothing is swapped."""
    return cnum.resync(a) if bits == 64 else cnum.trunc(a, bits >> 3)


be = bswap


# --- division, of which 6.18 tracks nothing -------------------------------------------------------
def div(a: Bounds, b: Bounds, width: int) -> Bounds:
    """a / b, unsigned: anything."""
    return cnum.UNKNOWN


sdiv = mod = smod = div


# --- moves ----------------------------------------------------------------------------------------
def mov(src: RegState, width: int) -> RegState:
    """What `dst = src` leaves in dst for a scalar src; a 32-bit move keeps the id only if src has no higher bits."""
    if width == 64:
        return src
    num = cnum.zext32(src.num)
    return src.with_(num=num, id=src.id if src.num.umax <= U32_MAX else 0)


def movsx(src: RegState, bits: int, width: int) -> RegState:
    """What `dst = (sN)src` leaves in dst for a scalar src; the id stays only if src is N bits and not negative."""
    same = src.num.umax < 1 << (bits - 1)
    num = cnum.sext(src.num, bits >> 3) if width == 64 else cnum.sext_subreg(src.num, bits >> 3)
    return src.with_(num=num, id=src.id if same else 0)


# --- forks ----------------------------------------------------------------------------------------
def fork(op: str, dst: RegState, src: RegState) -> tuple[RegState, RegState] | None:
    """(dst to go on with, dst to verify the same instruction with again later) where the kernel splits a state.

    Before `and` and `or` with a constant, a dst that can only be 0 or -1 (what `s>>= 63` leaves) is split into -1,
    which goes on, and 0, which is pushed; likewise its low half (kernel maybe_fork_scalars). None: no split.
    """
    if (op != "and" and op != "or") or src.num.var_off.mask:
        return None
    num = dst.num
    if num.smin == -1 and num.smax == 0:
        return dst.with_(num=cnum.const(-1), id=0, off=0), dst.with_(num=cnum.const(0), id=0, off=0)
    if num.s32_min == -1 and num.s32_max == 0:
        return dst.with_(num=cnum.known_subreg(num, U32_MAX)), dst.with_(num=cnum.known_subreg(num, 0))
    return None


# --- the door -------------------------------------------------------------------------------------
_BoundsOp: TypeAlias = Callable[[Bounds, Bounds, int], Bounds]

ARITHMETIC: Final[dict[str, _BoundsOp]] = {
    "add": add,
    "sub": sub,
    "mul": mul,
    "neg": neg,
    "or": or_,
    "and": and_,
    "xor": xor,
    "lsh": lsh,
    "rsh": rsh,
    "arsh": arsh,
}
CONCRETE64: Final[dict[str, Callable[[int, int], int]]] = {
    "add": word.add64,
    "sub": word.sub64,
    "mul": word.mul64,
    "neg": lambda a, b: word.neg64(a),
    "or": lambda a, b: a | b,
    "and": lambda a, b: a & b,
    "xor": lambda a, b: a ^ b,
    "lsh": word.lsh64,
    "rsh": word.rsh64,
    "arsh": word.arsh64,
}
"""The same on two known words."""
CONCRETE32: Final[dict[str, Callable[[int, int], int]]] = {
    "add": word.add32,
    "sub": word.sub32,
    "mul": word.mul32,
    "neg": lambda a, b: word.neg32(a),
    "or": lambda a, b: (a | b) & U32_MAX,
    "and": lambda a, b: a & b & U32_MAX,
    "xor": lambda a, b: (a ^ b) & U32_MAX,
    "lsh": word.lsh32,
    "rsh": word.rsh32,
    "arsh": word.arsh32,
}
DIVISIONS: Final[dict[str, _BoundsOp]] = {"div": div, "sdiv": sdiv, "mod": mod, "smod": smod}
BYTE_ORDER: Final[dict[str, Callable[[Bounds, int], Bounds]]] = {"le": le, "be": be, "bswap": bswap}
SHIFTS: Final = frozenset(("lsh", "rsh", "arsh"))


def _is_const(b: Bounds, width: int) -> bool:
    """Known in the operation's width by tnum and ranges alike."""
    if width == 32:
        return not b.var_off.mask & U32_MAX and b.s32_min == b.s32_max and b.u32_min == b.u32_max
    return not b.var_off.mask and b.smin == b.smax and b.umin == b.umax


def _linked(op: str, width: int, dst: RegState, src: Bounds) -> tuple[int, int]:
    """(id, off) of dst after the operation: adding or subtracting a constant once keeps the link to the registers dst
    was copied from, remembering the constant; everything else cuts it (adjust_reg_min_max_vals)."""
    if (op != "add" and op != "sub") or not dst.id or src.var_off.mask & (U64_MAX if width == 64 else U32_MAX):
        return 0, 0
    value = src.var_off.value
    delta = s64(value) if width == 64 else s32(value)
    fits = S32_MIN <= delta <= S32_MAX if width == 64 else dst.num.umax <= U32_MAX
    if op == "sub":
        fits = fits and delta != S32_MIN
        delta = -delta
    if not fits or dst.id & ADD_CONST:
        return 0, 0
    return dst.id | (ADD_CONST64 if width == 64 else ADD_CONST32), delta


def _swapped(op: str, dst: RegState, bits: int) -> RegState:
    """`le`, `be`, `bswap`; only `le64`, which does nothing, keeps the link to other registers."""
    num = BYTE_ORDER[op](dst.num, bits)
    return dst.with_(num=num) if op == "le" and bits == 64 else dst.with_(num=num, id=0, off=0)


def alu(op: str, width: int, dst: RegState, src: RegState, report: Report | None = None) -> RegState:
    """The scalar that `dst op= src` leaves in dst, both operands scalars.

    op: a name of the operation table ("add" ... "bswap"); width: 32 or 64. For an immediate operand src is
    `reg.const(imm)`; for le, be and bswap `reg.const(bits)`; `neg` does not look at it. `movsx` has a function of its
    own. `report` receives the kernel's line if the result contradicts itself, after which its ranges are forgotten as
    the kernel does. KeyError for an operation that is not arithmetic.
    """
    if op == "mov":
        return _checked(mov(src, width), report)
    if op in BYTE_ORDER:
        return _checked(_swapped(op, dst, src.num.var_off.value), report)
    if forgets(op, width, src.num):
        return unknown()
    return linked(op, width, dst, src.num, consistent(number(op, width, dst.num, src.num), report))


def forgets(op: str, width: int, b: Bounds) -> bool:
    """Nothing at all is known of `a op b`."""
    return op in DIVISIONS or (op in SHIFTS and not (_is_const(b, width) and b.umax < width))


def number(op: str, width: int, a: Bounds, b: Bounds) -> Bounds:
    """`a op b`, normalised but not looked at for contradictions."""
    if not (a.var_off.mask or b.var_off.mask):
        return cnum.const((CONCRETE64 if width == 64 else CONCRETE32)[op](a.var_off.value, b.var_off.value))
    return normal(ARITHMETIC[op](a, b, width), width)


def normal(num: Bounds, width: int) -> Bounds:
    """A result of an operation of this width, its parts brought together."""
    return cnum.resync(num) if width == 64 else cnum.zext32(num)


def linked(op: str, width: int, dst: RegState, src: Bounds, num: Bounds) -> RegState:
    """`num`, the result of `dst op= src`, with dst's precision and what is left of its link to others."""
    id_, off = _linked(op, width, dst, src)
    return RegState(SCALAR_VALUE, num, off, id_, 0, dst.precise)


def consistent(num: Bounds, report: Report | None, place: str = "alu") -> Bounds:
    """num itself; if it contradicts itself, that is reported and its ranges are forgotten (reg_bounds_sanity_check)."""
    what = cnum.violation(num)
    if not what:
        return num
    if report is not None:
        report(cnum.violation_text(num, what, place))
    return cnum.checked(num)


def _checked(reg: RegState, report: Report | None) -> RegState:
    num = consistent(reg.num, report)
    return reg if num is reg.num else reg.with_(num=num)


def mov_imm(value: int, width: int) -> RegState:
    """What `dst = imm` leaves in dst: the immediate sign-extended to 64 bits, or its low half zero-extended."""
    return const(value if width == 64 else value & U32_MAX)
