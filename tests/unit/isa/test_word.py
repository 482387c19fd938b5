# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Word arithmetic against C's (ctypes) and RFC 9669's definitions."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from itertools import product

import pytest

from bpfvm.isa import word as w

EDGES = [
    0,
    1,
    2,
    7,
    0x7F,
    0x80,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    0x1_0000_0000,
    2**63 - 1,
    2**63,
    2**64 - 2,
    2**64 - 1,
]


@pytest.mark.parametrize(
    ("convert", "c_type"),
    [
        (w.u64, ctypes.c_uint64),
        (w.u32, ctypes.c_uint32),
        (w.s64, ctypes.c_int64),
        (w.s32, ctypes.c_int32),
        (w.s16, ctypes.c_int16),
        (w.s8, ctypes.c_int8),
    ],
)
def test_conversions_are_c_casts(convert: Callable[[int], int], c_type: Callable[[int], ctypes.c_int64]) -> None:
    for x in [*EDGES, *(-e for e in EDGES), 3**50, -(3**50)]:
        assert convert(x) == c_type(x).value


def test_sign_extension_gives_words() -> None:
    assert w.sext8(0x1FF) == w.U64_MAX
    assert w.sext16(0x8000) == w.U64_MAX - 0x7FFF
    assert w.sext32(0x8000_0000) == 0xFFFF_FFFF_8000_0000
    assert [f(5) for f in (w.sext8, w.sext16, w.sext32)] == [5, 5, 5]
    for bits, exact in ((8, w.s8), (16, w.s16), (32, w.s32), (64, w.s64)):
        assert all(w.signed(x, bits) == exact(x) for x in EDGES)


@pytest.mark.parametrize(
    ("ops", "meaning"),
    [
        ((w.add64, w.add32), lambda a, b: a + b),
        ((w.sub64, w.sub32), lambda a, b: a - b),
        ((w.mul64, w.mul32), lambda a, b: a * b),
    ],
)
def test_wrapping(ops: tuple[Callable[[int, int], int], ...], meaning: Callable[[int, int], int]) -> None:
    for a, b in product(EDGES, EDGES):
        assert ops[0](a, b) == meaning(a, b) % 2**64
        assert ops[1](a, b) == meaning(a, b) % 2**32


def test_negation_wraps() -> None:
    assert (w.neg64(1), w.neg64(0), w.neg64(2**63)) == (w.U64_MAX, 0, 2**63)
    assert (w.neg32(1), w.neg32(2**31)) == (w.U32_MAX, 2**31)


@pytest.mark.parametrize(
    ("bits", "udiv", "umod", "sdiv", "smod", "sign"),
    [
        (64, w.udiv64, w.umod64, w.sdiv64, w.smod64, w.s64),
        (32, w.udiv32, w.umod32, w.sdiv32, w.smod32, w.s32),
    ],
)
def test_division(
    bits: int,
    udiv: Callable[[int, int], int],
    umod: Callable[[int, int], int],
    sdiv: Callable[[int, int], int],
    smod: Callable[[int, int], int],
    sign: Callable[[int], int],
) -> None:
    top = 2**bits
    for a, b in product(EDGES, EDGES):
        a_low, b_low = a % top, b % top
        if not b_low:
            assert (udiv(a, b), sdiv(a, b)) == (0, 0)
            assert umod(a, b) == smod(a, b) == a_low
            continue
        assert udiv(a, b) * b_low + umod(a, b) == a_low
        quotient, rest = sign(sdiv(a, b)), sign(smod(a, b))
        assert (quotient * sign(b) + rest) % top == a_low
        assert abs(rest) < abs(sign(b))
        assert rest == 0 or (rest < 0) == (sign(a) < 0)


@pytest.mark.parametrize(
    ("a", "b", "quotient", "rest"),
    [(-13, 3, -4, -1), (13, -3, -4, 1), (-13, -3, 4, -1), (w.S64_MIN, -1, w.S64_MIN, 0)],
)
def test_signed_division_truncates(a: int, b: int, quotient: int, rest: int) -> None:
    """RFC 9669 section 4.1: -13 s/ 3 == -4, -13 s% 3 == -1."""
    assert w.s64(w.sdiv64(w.u64(a), w.u64(b))) == quotient
    assert w.s64(w.smod64(w.u64(a), w.u64(b))) == rest


def test_smallest_32_bit_number_by_minus_one() -> None:
    assert w.sdiv32(0x8000_0000, 0xFFFF_FFFF) == 0x8000_0000
    assert w.smod32(0x8000_0000, 0xFFFF_FFFF) == 0


def test_shift_amounts_are_masked() -> None:
    for a, n in product(EDGES, (0, 1, 31, 32, 33, 63, 64, 65, 2**32 + 3)):
        assert w.lsh64(a, n) == (a << n % 64) % 2**64
        assert w.rsh64(a, n) == a >> n % 64
        assert w.s64(w.arsh64(a, n)) == w.s64(a) >> n % 64
        assert w.lsh32(a, n) == (a << n % 32) % 2**32
        assert w.rsh32(a, n) == (a % 2**32) >> n % 32
        assert w.s32(w.arsh32(a, n)) == w.s32(a) >> n % 32


def test_byte_order() -> None:
    x = 0x0102_0304_0506_0708
    assert w.bswap(x, 16) == w.bswap16(x) == 0x0807
    assert w.bswap(x, 32) == w.bswap32(x) == 0x0807_0605
    assert w.bswap(x, 64) == w.bswap64(x) == 0x0807_0605_0403_0201
    assert [w.truncate(x, bits) for bits in (16, 32, 64)] == [0x0708, 0x0506_0708, x]


def test_alignment() -> None:
    assert [w.align_up(x, 8) for x in (0, 1, 8, 9)] == [0, 8, 8, 16]
    assert [w.align_down(x, 8) for x in (0, 7, 8, 15)] == [0, 0, 8, 8]
