# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Addition, subtraction and multiplication of scalars as kernels up to 6.12 know them: less is known of the result.

Everything else is as in scalar_alu.py. Source: kernel/bpf/verifier.c scalar_min_max_add, scalar_min_max_sub,
scalar_min_max_mul and their 32-bit versions, adjust_reg_min_max_vals; kernel/bpf/tnum.c tnum_mul (6.12).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bpfvm.isa.word import S32_MAX, U32_MAX, U64_MAX
from verifier.numbers import scalar_alu, tnum
from verifier.numbers.cnum import Bounds, Range
from verifier.numbers.scalar_alu import S32, S64, U32, U64, Report
from verifier.numbers.tnum import Tnum
from verifier.state.reg import ADD_CONST, ADD_CONST64, RegState, unknown
from verifier.state.reg_type import SCALAR_VALUE

U16_MAX: Final = 0xFFFF
Unsigned = Callable[[Range, Range, int], Range]


def _with_unsigned(num: Bounds, a: Bounds, b: Bounds, unsigned: Unsigned) -> Bounds:
    """`num` but for its unsigned ranges."""
    umin, umax = unsigned((a.umin, a.umax), (b.umin, b.umax), U64_MAX)
    u32_min, u32_max = unsigned((a.u32_min, a.u32_max), (b.u32_min, b.u32_max), U32_MAX)
    return Bounds(num.var_off, num.smin, num.smax, umin, umax, num.s32_min, num.s32_max, u32_min, u32_max)


def _sum(a: Range, b: Range, top: int) -> Range:
    low, high = a[0] + b[0], a[1] + b[1]
    return (low, high) if high <= top else (0, top)


def _difference(a: Range, b: Range, top: int) -> Range:
    return (a[0] - b[1], a[1] - b[0]) if a[0] >= b[1] else (0, top)


def add(a: Bounds, b: Bounds, width: int) -> Bounds:
    """a + b; an unsigned range is lost as soon as an end may wrap. Not normalised."""
    return _with_unsigned(scalar_alu.add(a, b, width), a, b, _sum)


def sub(a: Bounds, b: Bounds, width: int) -> Bounds:
    """a - b; an unsigned range is lost as soon as an end may wrap. Not normalised."""
    return _with_unsigned(scalar_alu.sub(a, b, width), a, b, _difference)


def _product(signed_low: int, a: Range, b: Range, half: int, signs: Range, whole: Range) -> tuple[int, int, int, int]:
    """(signed range, unsigned range). half: greatest factor whose square fits."""
    if signed_low < 0 or a[1] > half or b[1] > half:
        return (*signs, *whole)
    low, high = a[0] * b[0], a[1] * b[1]
    return (*(signs if high > signs[1] else (low, high)), low, high)


def tnum_mul(a: Tnum, b: Tnum) -> Tnum:
    """a * b by long multiplication, where every unknown bit of an addend makes bits of the sum unknown."""
    mask = tnum.ZERO
    value_a, mask_a, addend = a.value, a.mask, b
    while value_a or mask_a:
        if value_a & 1:
            mask = tnum.add(mask, Tnum(0, addend.mask))
        elif mask_a & 1:
            mask = tnum.add(mask, Tnum(0, addend.value | addend.mask))
        value_a >>= 1
        mask_a >>= 1
        addend = tnum.lsh(addend, 1)
    return tnum.add(Tnum(a.value * b.value & U64_MAX, 0), mask)


def mul(a: Bounds, b: Bounds, width: int) -> Bounds:
    """a * b: known for factors that are not negative and fit half the width. Not normalised."""
    del width
    long = _product(min(a.smin, b.smin), (a.umin, a.umax), (b.umin, b.umax), U32_MAX, S64, U64)
    short = _product(min(a.s32_min, b.s32_min), (a.u32_min, a.u32_max), (b.u32_min, b.u32_max), U16_MAX, S32, U32)
    return Bounds(tnum_mul(a.var_off, b.var_off), *long, *short)


def _linked(op: str, width: int, dst: RegState, src: Bounds) -> tuple[int, int]:
    """(id, off): only adding a small constant in 64 bits, once, keeps the link."""
    if op != "add" or width != 64 or not dst.id or src.var_off.mask:
        return 0, 0
    value = src.var_off.value
    return (0, 0) if dst.id & ADD_CONST or value > S32_MAX else (dst.id | ADD_CONST64, value)


ARITHMETIC: Final[dict[str, Callable[[Bounds, Bounds, int], Bounds]]] = {"add": add, "sub": sub, "mul": mul}


def computed(op: str, width: int, dst: RegState, src: RegState, report: Report) -> RegState:
    """The scalar that `dst op= src` leaves in dst, for every binary operation but moves."""
    a, b = dst.num, src.num
    if scalar_alu.forgets(op, width, b):
        return unknown()
    known = not (a.var_off.mask or b.var_off.mask)
    num = scalar_alu.number(op, width, a, b) if known or op not in ARITHMETIC else _normal(op, width, a, b)
    id_, off = _linked(op, width, dst, b)
    return RegState(SCALAR_VALUE, scalar_alu.consistent(num, report), off, id_, 0, dst.precise)


def _normal(op: str, width: int, a: Bounds, b: Bounds) -> Bounds:
    return scalar_alu.normal(ARITHMETIC[op](a, b, width), width)
