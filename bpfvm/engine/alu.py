# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Arithmetic, moves and byte swaps (RFC 9669 sections 4.1 and 4.2).

Each function takes the table row and gives what computes it: (dst, operand) -> new dst, all u64 words. The operand is
already sign-extended when it is an immediate; an operation without one gets 0.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

from bpfvm.engine.step import Place, Regs, Step
from bpfvm.isa import word
from bpfvm.isa.table import Op
from bpfvm.isa.word import U32_MAX, U64_MAX

Binary = Callable[[int, int], int]


def _by_width(op: Op, narrow: Binary, wide: Binary) -> Binary:
    return wide if op.width == 64 else narrow


def add(op: Op) -> Binary:
    """dst + operand, wrapping."""
    return _by_width(op, word.add32, word.add64)


def sub(op: Op) -> Binary:
    """dst - operand, wrapping."""
    return _by_width(op, word.sub32, word.sub64)


def mul(op: Op) -> Binary:
    """dst * operand, wrapping."""
    return _by_width(op, word.mul32, word.mul64)


def div(op: Op) -> Binary:
    """Unsigned quotient; 0 for a division by 0."""
    return _by_width(op, word.udiv32, word.udiv64)


def sdiv(op: Op) -> Binary:
    """Signed quotient, truncated; 0 for a division by 0."""
    return _by_width(op, word.sdiv32, word.sdiv64)


def mod(op: Op) -> Binary:
    """Unsigned remainder; dst for a division by 0."""
    return _by_width(op, word.umod32, word.umod64)


def smod(op: Op) -> Binary:
    """Signed remainder with the sign of dst; dst for a division by 0."""
    return _by_width(op, word.smod32, word.smod64)


def or_(op: Op) -> Binary:
    """Bits that are in dst or in operand."""
    return _by_width(op, lambda a, b: (a | b) & U32_MAX, operator.or_)


def and_(op: Op) -> Binary:
    """Bits that are in both."""
    return _by_width(op, lambda a, b: a & b & U32_MAX, operator.and_)


def xor(op: Op) -> Binary:
    """Bits that are in one of the two."""
    return _by_width(op, lambda a, b: (a ^ b) & U32_MAX, operator.xor)


def lsh(op: Op) -> Binary:
    """dst shifted left; the amount is taken modulo the width."""
    return _by_width(op, word.lsh32, word.lsh64)


def rsh(op: Op) -> Binary:
    """dst shifted right, filled with zeros; the amount is taken modulo the width."""
    return _by_width(op, word.rsh32, word.rsh64)


def arsh(op: Op) -> Binary:
    """dst shifted right, filled with its sign; the amount is taken modulo the width."""
    return _by_width(op, word.arsh32, word.arsh64)


def neg(op: Op) -> Binary:
    """-dst, wrapping."""
    return _by_width(op, lambda a, _: word.neg32(a), lambda a, _: word.neg64(a))


def mov(op: Op) -> Binary:
    """operand."""
    return _by_width(op, lambda _, b: b & U32_MAX, lambda _, b: b)


def movsx(op: Op) -> Binary:
    """operand's low bytes, sign-extended to the width and from there zero-extended."""
    bits, mask = op.size << 3, U64_MAX if op.width == 64 else U32_MAX
    return lambda _, b: word.signed(b, bits) & mask


def le(op: Op) -> Binary:
    """dst's low bytes in little-endian order, which they are in already; the rest becomes zero."""
    bits = op.size << 3
    return lambda a, _: word.truncate(a, bits)


def be(op: Op) -> Binary:
    """dst's low bytes in big-endian order; the rest becomes zero."""
    bits = op.size << 3
    return lambda a, _: word.bswap(a, bits)


def bswap(op: Op) -> Binary:
    """dst's low bytes reversed; the rest becomes zero."""
    bits = op.size << 3
    return lambda a, _: word.bswap(a, bits)


def step(place: Place, compute: Binary) -> Step:
    """The step of an arithmetic instruction that computes `compute`."""
    dst, src, operand, following = place.insn.dst, place.insn.src, place.operand, place.next
    if place.op.operand == "reg":

        def with_register(r: Regs) -> int:
            r[dst] = compute(r[dst], r[src])
            return following

        return with_register

    def with_constant(r: Regs) -> int:
        r[dst] = compute(r[dst], operand)
        return following

    return with_constant
