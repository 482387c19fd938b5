# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Conditional jumps on scalars: which way they must go, and what each way teaches about the operands.

Source: kernel/bpf/verifier.c (6.18) is_scalar_branch_taken, regs_refine_cond_op, reg_set_min_max. Operation names are
those of the operation table; the opposite of `jset`, which BPF lacks, is called `jclr` here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from bpfvm.isa.word import U32_MAX, U64_MAX, s32, s64
from verifier.numbers import cnum, tnum
from verifier.numbers.cnum import Bounds
from verifier.numbers.scalar_alu import Report
from verifier.state.reg import RegState

OPPOSITE: Final = {
    "jeq": "jne",
    "jne": "jeq",
    "jset": "jclr",
    "jclr": "jset",
    "jgt": "jle",
    "jle": "jgt",
    "jge": "jlt",
    "jlt": "jge",
    "jsgt": "jsle",
    "jsle": "jsgt",
    "jsge": "jslt",
    "jslt": "jsge",
}
"""The condition that holds when the jump is not taken."""

FLIPPED: Final = {
    "jeq": "jeq",
    "jne": "jne",
    "jset": "jset",
    "jclr": "jclr",
    "jgt": "jlt",
    "jlt": "jgt",
    "jge": "jle",
    "jle": "jge",
    "jsgt": "jslt",
    "jslt": "jsgt",
    "jsge": "jsle",
    "jsle": "jsge",
}
"""The condition with its operands exchanged."""


# --- which way ------------------------------------------------------------------------------------
def _is_const(b: Bounds, width: int) -> bool:
    return not (b.var_off.mask if width == 64 else b.var_off.mask & U32_MAX)


def _const_value(b: Bounds, width: int) -> int:
    return b.var_off.value if width == 64 else b.var_off.value & U32_MAX


def _less(lo1: int, hi1: int, lo2: int, hi2: int) -> int:
    """1, 0, -1: always, never, sometimes x < y for x in lo1..hi1 and y in lo2..hi2."""
    if hi1 < lo2:
        return 1
    return 0 if lo1 >= hi2 else -1


def _equal(width: int, a: Bounds, b: Bounds) -> int:
    """1, 0, -1: a and b are the same constant, cannot be equal, may be."""
    mask = U64_MAX if width == 64 else U32_MAX
    t1, t2 = a.var_off, b.var_off
    if not (t1.mask | t2.mask) & mask:
        return 1 if (t1.value ^ t2.value) & mask == 0 else 0
    if (t1.value ^ t2.value) & ~(t1.mask | t2.mask) & mask:
        return 0
    apart = a.u32_min > b.u32_max or a.u32_max < b.u32_min or a.s32_min > b.s32_max or a.s32_max < b.s32_min
    if not apart and width == 64:
        apart = a.umin > b.umax or a.umax < b.umin or a.smin > b.smax or a.smax < b.smin
    return 0 if apart else -1


def _bits_set(width: int, a: Bounds, b: Bounds) -> int:
    """1, 0, -1: a & b is non-zero, zero, unknown; only a constant operand tells."""
    if not _is_const(b, width):
        a, b = b, a
        if not _is_const(b, width):
            return -1
    bits = _const_value(b, width)
    if a.var_off.value & bits:
        return 1
    return -1 if (a.var_off.value | a.var_off.mask) & bits else 0


def _negated(verdict: int) -> int:
    return verdict if verdict < 0 else 1 - verdict


def _ordered(op: str, width: int, a: Bounds, b: Bounds) -> int:
    """The four comparisons by "less": x > y is y < x, and >=, <= are their opposites."""
    if op in ("jgt", "jle", "jsgt", "jsle"):
        a, b = b, a
    if op[1] == "s":
        if width == 64:
            verdict = _less(a.smin, a.smax, b.smin, b.smax)
        else:
            verdict = _less(a.s32_min, a.s32_max, b.s32_min, b.s32_max)
    elif width == 64:
        verdict = _less(a.umin, a.umax, b.umin, b.umax)
    else:
        verdict = _less(a.u32_min, a.u32_max, b.u32_min, b.u32_max)
    return _negated(verdict) if op[-1] == "e" else verdict


def branch_taken(op: str, width: int, dst: RegState, src: RegState) -> int:
    """1 if `if dst op src` is always taken, 0 if never, -1 if that depends; both operands scalars.

    For an immediate operand src is `reg.const(imm)`. That a register equals itself is not known in 6.18.
    """
    a, b = dst.num, src.num
    if op == "jeq":
        return _equal(width, a, b)
    if op == "jne":
        return _negated(_equal(width, a, b))
    if op == "jset":
        return _bits_set(width, a, b)
    return _ordered(op, width, a, b)


# --- what it teaches ------------------------------------------------------------------------------
def _with64(b: Bounds, smin: int, smax: int, umin: int, umax: int) -> Bounds:
    return Bounds(b.var_off, smin, smax, umin, umax, b.s32_min, b.s32_max, b.u32_min, b.u32_max)


def _with32(b: Bounds, smin: int, smax: int, umin: int, umax: int) -> Bounds:
    return Bounds(b.var_off, b.smin, b.smax, b.umin, b.umax, smin, smax, umin, umax)


_Pair: TypeAlias = tuple[Bounds, Bounds]


def _learn_eq(width: int, a: Bounds, b: Bounds) -> _Pair:
    """Both operands get the intersection."""
    if width == 64:
        t = tnum.intersect(a.var_off, b.var_off)
        s = max(a.smin, b.smin), min(a.smax, b.smax)
        u = max(a.umin, b.umin), min(a.umax, b.umax)
        return (
            Bounds(t, *s, *u, a.s32_min, a.s32_max, a.u32_min, a.u32_max),
            Bounds(t, *s, *u, b.s32_min, b.s32_max, b.u32_min, b.u32_max),
        )
    t = tnum.intersect(tnum.subreg(a.var_off), tnum.subreg(b.var_off))
    s = max(a.s32_min, b.s32_min), min(a.s32_max, b.s32_max)
    u = max(a.u32_min, b.u32_min), min(a.u32_max, b.u32_max)
    return (
        Bounds(tnum.with_subreg(a.var_off, t), a.smin, a.smax, a.umin, a.umax, *s, *u),
        Bounds(tnum.with_subreg(b.var_off, t), b.smin, b.smax, b.umin, b.umax, *s, *u),
    )


def _learn_ne(width: int, a: Bounds, b: Bounds) -> _Pair:
    """A range that ends at the constant loses that end."""
    value = _const_value(b, width)
    if width == 64:
        sval = s64(value)
        return (
            _with64(
                a,
                *(a.smin + (a.smin == sval), a.smax - (a.smax == sval)),
                *(a.umin + (a.umin == value), a.umax - (a.umax == value)),
            ),
            b,
        )
    sval = s32(value)
    return (
        _with32(
            a,
            *(a.s32_min + (a.s32_min == sval), a.s32_max - (a.s32_max == sval)),
            *(a.u32_min + (a.u32_min == value), a.u32_max - (a.u32_max == value)),
        ),
        b,
    )


def _learn_set(width: int, a: Bounds, b: Bounds) -> _Pair:
    """Only a single bit tells: it is set."""
    bit = _const_value(b, width)
    if not bit or bit & (bit - 1):
        return a, b
    t = tnum.or_(a.var_off, tnum.const(bit))
    return Bounds(t, a.smin, a.smax, a.umin, a.umax, a.s32_min, a.s32_max, a.u32_min, a.u32_max), b


def _learn_clr(width: int, a: Bounds, b: Bounds) -> _Pair:
    """All the constant's bits are clear; the ranges are forgotten first (they could contradict that on a dead
    branch)."""
    bits = _const_value(b, width)
    return Bounds(tnum.and_(a.var_off, tnum.const(~bits))), b


def _learn_unsigned(width: int, a: Bounds, b: Bounds, gap: int) -> _Pair:
    """a + gap <= b, unsigned."""
    if width == 64:
        top, bottom = (b.umax - gap) & U64_MAX, (a.umin + gap) & U64_MAX
        return (
            _with64(a, a.smin, a.smax, a.umin, min(a.umax, top)),
            _with64(b, b.smin, b.smax, max(bottom, b.umin), b.umax),
        )
    top, bottom = (b.u32_max - gap) & U32_MAX, (a.u32_min + gap) & U32_MAX
    return (
        _with32(a, a.s32_min, a.s32_max, a.u32_min, min(a.u32_max, top)),
        _with32(b, b.s32_min, b.s32_max, max(bottom, b.u32_min), b.u32_max),
    )


def _learn_signed(width: int, a: Bounds, b: Bounds, gap: int) -> _Pair:
    """a + gap <= b, signed."""
    if width == 64:
        top, bottom = s64(b.smax - gap), s64(a.smin + gap)
        return (
            _with64(a, a.smin, min(a.smax, top), a.umin, a.umax),
            _with64(b, max(bottom, b.smin), b.smax, b.umin, b.umax),
        )
    top, bottom = s32(b.s32_max - gap), s32(a.s32_min + gap)
    return (
        _with32(a, a.s32_min, min(a.s32_max, top), a.u32_min, a.u32_max),
        _with32(b, max(bottom, b.s32_min), b.s32_max, b.u32_min, b.u32_max),
    )


_NEEDS_CONST: Final[dict[str, Callable[[int, Bounds, Bounds], _Pair]]] = {
    "jne": _learn_ne,
    "jset": _learn_set,
    "jclr": _learn_clr,
}


def _learn(op: str, width: int, a: Bounds, b: Bounds) -> _Pair:
    """The operands' bounds, not normalised, where the condition `a op b` is known to hold."""
    if op == "jeq":
        return _learn_eq(width, a, b)
    learn = _NEEDS_CONST.get(op)
    if learn is not None:
        if _is_const(b, width):
            return learn(width, a, b)
        if not _is_const(a, width):
            return a, b
        b, a = learn(width, b, a)
        return a, b
    less = _learn_signed if op[1] == "s" else _learn_unsigned
    gap = 0 if op[-1] == "e" else 1
    if op in ("jlt", "jle", "jslt", "jsle"):
        return less(width, a, b, gap)
    b, a = less(width, b, a, gap)
    return a, b


def _consistent(num: Bounds, place: str, report: Report | None) -> Bounds:
    """num, with its ranges forgotten if they contradict themselves (reg_bounds_sanity_check)."""
    what = cnum.violation(num)
    if not what:
        return num
    if report is not None:
        report(cnum.violation_text(num, what, place))
    return cnum.checked(num)


def _settled(old: Bounds, num: Bounds, place: str, report: Report | None) -> Bounds:
    """The bounds learnt, normalised and, should they contradict themselves, forgotten; the old object if they say the
    same."""
    if not old.var_off.mask and num.contains(old.var_off.value):
        return old
    num = _consistent(cnum.resync(num), place, report)
    return old if num.same(old) else num


def _refine_same(op: str, width: int, old: Bounds, taken: bool, report: Report | None) -> Bounds:
    """A register compared with itself: 6.18 applies what is learnt of either operand to the one register, normalises it
    twice and checks it twice."""
    a, b = _learn(op if taken else OPPOSITE[op], width, old, old)
    both = Bounds(
        a.var_off,
        *(max(a.smin, b.smin), min(a.smax, b.smax), max(a.umin, b.umin), min(a.umax, b.umax)),
        *(max(a.s32_min, b.s32_min), min(a.s32_max, b.s32_max), max(a.u32_min, b.u32_min), min(a.u32_max, b.u32_max)),
    )
    side = "true" if taken else "false"
    num = cnum.resync(cnum.resync(both))
    for place in (side + "_reg1", side + "_reg2"):
        num = _consistent(num, place, report)
    return old if num.same(old) else num


def lesson(
    op: str, width: int, a: Bounds, b: Bounds, taken: bool, report: Report | None, *, same_reg: bool = False
) -> tuple[Bounds, Bounds]:
    """The bounds of the operands a and b where `if a op b` was taken, or was not; the same object where nothing is
    learnt. same_reg: both are one register. Arguments and reports are as in `refine`."""
    if same_reg:
        num = _refine_same(op, width, a, taken, report)
        return num, num
    new_a, new_b = _learn(op if taken else OPPOSITE[op], width, a, b)
    side = "true" if taken else "false"
    return _settled(a, new_a, side + "_reg1", report), _settled(b, new_b, side + "_reg2", report)


def taught(reg: RegState, num: Bounds) -> RegState:
    """The register with the bounds learnt; the same object if they are its own."""
    return reg if num is reg.num else reg.with_(num=num)


def refine(
    op: str,
    width: int,
    dst: RegState,
    src: RegState,
    taken: bool,
    report: Report | None = None,
    *,
    same_reg: bool = False,
) -> tuple[RegState, RegState]:
    """(dst, src) where `if dst op src` was taken, or was not; both operands scalars.

    same_reg: both operands are the same register. A register about which nothing is learnt comes back as the same
    object. `report` receives the kernel's line for each register whose bounds come out contradictory (its ranges are
    then forgotten, its tnum kept).
    """
    a, b = lesson(op, width, dst.num, src.num, taken, report, same_reg=same_reg)
    if same_reg:
        reg = taught(dst, a)
        return reg, reg
    return taught(dst, a), taught(src, b)


def refine_both(
    op: str,
    width: int,
    dst: RegState,
    src: RegState,
    report: Report | None = None,
    *,
    same_reg: bool = False,
) -> tuple[tuple[RegState, RegState], tuple[RegState, RegState]]:
    """((dst, src) if taken, (dst, src) if not); the way not taken comes first in what is reported, as in the kernel."""
    not_taken = refine(op, width, dst, src, False, report, same_reg=same_reg)
    return refine(op, width, dst, src, True, report, same_reg=same_reg), not_taken
