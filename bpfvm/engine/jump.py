# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Jumps within a program (RFC 9669 section 4.3; may_goto: Linux 6.18 kernel/bpf/core.c and verifier.c).

Each comparison takes the table row and gives its test: (dst, operand) -> jump or not, on u64 words.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

from bpfvm.engine.step import BUDGET, Place, Regs, Step
from bpfvm.engine.trap import Unsupported
from bpfvm.isa.table import Op
from bpfvm.isa.word import U32_MAX, s32, s64

Test = Callable[[int, int], bool]


def _unsigned(op: Op, test: Test) -> Test:
    return test if op.width == 64 else lambda a, b: test(a & U32_MAX, b & U32_MAX)


def _signed(op: Op, test: Test) -> Test:
    if op.width == 64:
        return lambda a, b: test(s64(a), s64(b))
    return lambda a, b: test(s32(a), s32(b))


def jeq(op: Op) -> Test:
    """dst == operand."""
    return _unsigned(op, operator.eq)


def jne(op: Op) -> Test:
    """dst != operand."""
    return _unsigned(op, operator.ne)


def jgt(op: Op) -> Test:
    """dst > operand, unsigned."""
    return _unsigned(op, operator.gt)


def jge(op: Op) -> Test:
    """dst >= operand, unsigned."""
    return _unsigned(op, operator.ge)


def jlt(op: Op) -> Test:
    """dst < operand, unsigned."""
    return _unsigned(op, operator.lt)


def jle(op: Op) -> Test:
    """dst <= operand, unsigned."""
    return _unsigned(op, operator.le)


def jsgt(op: Op) -> Test:
    """dst > operand, signed."""
    return _signed(op, operator.gt)


def jsge(op: Op) -> Test:
    """dst >= operand, signed."""
    return _signed(op, operator.ge)


def jslt(op: Op) -> Test:
    """dst < operand, signed."""
    return _signed(op, operator.lt)


def jsle(op: Op) -> Test:
    """dst <= operand, signed."""
    return _signed(op, operator.le)


def jset(op: Op) -> Test:
    """dst and operand have a bit in common."""
    return _unsigned(op, lambda a, b: a & b != 0)


def step(place: Place, test: Test) -> Step:
    """The step of a conditional jump that asks `test`."""
    dst, src, operand = place.insn.dst, place.insn.src, place.operand
    following, taken = place.next, place.target(place.insn.off)
    if place.op.operand == "reg":
        return lambda r: taken if test(r[dst], r[src]) else following
    return lambda r: taken if test(r[dst], operand) else following


def ja(place: Place) -> Step:
    """Jump; the distance is in imm for the 32-bit class (gotol), in off otherwise."""
    taken = place.target(place.insn.imm if place.op.operand == "imm" else place.insn.off)
    return lambda _: taken


def may_goto(place: Place) -> Step:
    """Jump when the frame's budget of may_goto steps is used up, otherwise take one and go on."""
    following, taken = place.next, place.target(place.insn.off)

    def step(r: Regs) -> int:
        if not r[BUDGET]:
            return taken
        r[BUDGET] -= 1
        return following

    return step


def gotox(_: Place) -> Step:
    """Refused: jumps to computed addresses are not supported."""
    raise Unsupported("gotox (jump to an address in a register) is not supported")
