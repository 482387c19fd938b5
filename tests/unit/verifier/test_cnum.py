# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Bounds: normalisation, changes of size and contradictions; texts are those the 6.18 verifier printed for the same
facts."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Any

import pytest

from bpfvm.isa.word import S32_MAX, S32_MIN, S64_MAX, S64_MIN, U32_MAX, U64_MAX, s64
from tests.property.verifier.domain import EDGES, abstract
from verifier.numbers import cnum, tnum
from verifier.numbers.cnum import Bounds
from verifier.numbers.tnum import Tnum
from verifier.text.reg_fmt import ranges


def text(b: Bounds) -> str:
    """The bounds as the log prints them between a scalar's parentheses."""
    return ",".join(ranges(b))


def test_constants_are_exact_and_small_ones_shared() -> None:
    assert cnum.const(7) is cnum.const(7)
    assert cnum.const(-256) is cnum.const(-256)
    assert cnum.const(0) is cnum.ZERO
    for w in (*EDGES, 1023, 1024, U64_MAX - 255, U64_MAX - 256):
        b = cnum.const(w)
        assert b.is_const()
        assert b.key()[:6] == (w, 0, s64(w), s64(w), w, w)
        assert cnum.resync(b) == b
        assert b == cnum.make(umin=w, umax=w)


def test_pairs_of_edge_words_stay_inside() -> None:
    for pair in combinations_with_replacement(EDGES, 2):
        b = abstract(pair)
        assert all(b.contains(w) for w in pair)
        assert not cnum.violation(b)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, ""),
        ({"umax": 255}, "smin=smin32=0,smax=umax=smax32=umax32=255"),
        ({"smin": -5, "smax": 3}, "smin=smin32=-5,smax=smax32=3"),
        ({"smin": -5, "smax": -1}, "smin=smin32=-5,smax=smax32=-1,umin=0xfffffffffffffffb,umin32=0xfffffffb"),
        ({"umin": 0x8000}, "umin=32768"),
        ({"umin": 0x1_0000}, "umin=0x10000"),
        ({"umin": 1, "umax": 0x8000}, "smin=umin=smin32=umin32=1,smax=umax=smax32=umax32=0x8000"),
        (
            {"u32_min": 3, "u32_max": 5},
            "smin=0x8000000000000003,smax=0x7fffffff00000005,umin=smin32=umin32=3,"
            "umax=0xffffffff00000005,smax32=umax32=5",
        ),
        ({"smin": -1, "smax": 0}, "smin=smin32=-1,smax=smax32=0"),
        # A signed range that crosses 0 and an unsigned one that touches only its non-negative end, in 32 and 64 bits.
        (
            {"s32_min": -8, "s32_max": 8, "u32_min": 2, "u32_max": 0x8000_0000, "umax": U32_MAX},
            "smin=umin=smin32=umin32=2,smax=umax=smax32=umax32=8",
        ),
        ({"smin": -8, "smax": 8, "umin": 2, "umax": 1 << 63}, "smin=umin=smin32=umin32=2,smax=umax=smax32=umax32=8"),
        # ... and one that touches only its negative end.
        (
            {"smin": -8, "smax": 8, "umin": 16},
            "smin=smin32=-8,smax=smax32=-1,umin=0xfffffffffffffff8,umin32=0xfffffff8",
        ),
    ],
)
def test_ranges_sharpen_one_another(facts: dict[str, Any], expected: str) -> None:
    assert text(cnum.make(**facts)) == expected


def test_positive_low_half_of_an_s32_fixes_the_high_half() -> None:
    b = cnum.make(smin=S32_MIN, smax=S32_MAX, s32_min=1, s32_max=9)
    assert (b.smin, b.smax, b.umin, b.umax) == (1, 9, 1, 9)
    assert b.var_off == Tnum(0, 15)


def test_only_word_of_a_tnum_inside_the_range() -> None:
    """r7 &= 0x800000; if r7 s<= 2 falls through: 0x800000."""
    assert cnum.make(var_off=Tnum(0, 0x80_0000), umin=3, umax=0x80_0000) == cnum.const(0x80_0000)
    assert cnum.make(var_off=Tnum(0, 0x81), umin=2, umax=0x80) == cnum.const(0x80)
    assert cnum.make(var_off=Tnum(0x40, 0x81), umax=0x40) == cnum.const(0x40)


def test_range_makes_bits_known() -> None:
    assert cnum.of_range(0x100, 0x1FF).var_off == Tnum(0x100, 0xFF)
    assert cnum.of_srange(-4, -1).var_off == Tnum(U64_MAX - 3, 3)
    assert cnum.make(u32_max=15).var_off == Tnum(0, U64_MAX - U32_MAX + 15)


def test_cut() -> None:
    b = cnum.of_range(0, 255)
    assert cnum.intersect_u(b, 16, 1000).umin == 16
    assert cnum.intersect_u(b, 16, 1000).umax == 255
    assert cnum.intersect_s(cnum.UNKNOWN, -3, 3).key()[2:4] == (-3, 3)


@pytest.mark.parametrize(("size", "top"), [(1, 0xFF), (2, 0xFFFF), (4, U32_MAX)])
def test_truncation(size: int, top: int) -> None:
    assert cnum.trunc(cnum.UNKNOWN, size) == cnum.of_range(0, top)
    assert cnum.trunc(cnum.of_range(3, 9), size) == cnum.of_range(3, 9)
    assert cnum.trunc(cnum.const(-1), size) == cnum.const(top)
    assert cnum.trunc(cnum.of_range(top, top + 1), size).umax == top
    assert cnum.trunc(cnum.UNKNOWN, 8) is cnum.UNKNOWN


@pytest.mark.parametrize(("size", "lo", "hi"), [(1, -128, 127), (2, -32768, 32767), (4, S32_MIN, S32_MAX)])
def test_sign_extension(size: int, lo: int, hi: int) -> None:
    b = cnum.sext(cnum.UNKNOWN, size)
    assert (b.smin, b.smax, b.s32_min, b.s32_max) == (lo, hi, lo, hi)
    assert (b.umin, b.umax, b.var_off) == (0, U64_MAX, tnum.UNKNOWN)
    assert cnum.sext(cnum.const(hi + 1), size) == cnum.const(lo)
    assert text(cnum.sext(cnum.of_range(3, 9), size)) == "smin=umin=smin32=umin32=3,smax=umax=smax32=umax32=9"
    assert cnum.sext(cnum.of_range(hi - 1, hi + 1), size).smin == lo


@pytest.mark.parametrize(("size", "lo", "hi"), [(1, -128, 127), (2, -32768, 32767)])
def test_sign_extension_of_the_low_half(size: int, lo: int, hi: int) -> None:
    b = cnum.sext_subreg(cnum.UNKNOWN, size)
    assert (b.s32_min, b.s32_max, b.umax) == (lo, hi, U32_MAX)
    assert cnum.sext_subreg(cnum.const(hi + 1), size) == cnum.const(lo & U32_MAX)
    assert cnum.sext_subreg(cnum.of_range(3, 9), size) == cnum.make(umin=3, umax=9, var_off=Tnum(0, 15))


def test_zero_extension() -> None:
    assert cnum.zext32(cnum.UNKNOWN) == cnum.of_range(0, U32_MAX)
    assert cnum.zext32(cnum.of_srange(-4, -1)) == cnum.of_range(U32_MAX - 3, U32_MAX)
    assert cnum.zext32(cnum.make(s32_min=0)) == cnum.of_range(0, S32_MAX)


def test_within() -> None:
    narrow, wide = cnum.of_range(2, 5), cnum.of_range(1, 9)
    assert narrow.within(wide)
    assert not wide.within(narrow)
    assert wide.within(wide)
    assert narrow.within(cnum.UNKNOWN)


@pytest.mark.parametrize(
    ("b", "what"),
    [
        (cnum.of_range(1, 5), ""),
        (Bounds(tnum.UNKNOWN, umin=2, umax=1), "range bounds violation"),
        (Bounds(tnum.UNKNOWN, s32_min=2, s32_max=1), "range bounds violation"),
        (Bounds(tnum.const(3)), "const tnum out of sync with range bounds"),
        (Bounds(tnum.const_subreg(tnum.UNKNOWN, 3)), "const subreg tnum out of sync with range bounds"),
    ],
)
def test_contradictions(b: Bounds, what: str) -> None:
    assert cnum.violation(b) == what
    if what:
        assert cnum.checked(b) == Bounds(b.var_off)
    else:
        assert cnum.checked(b) is b


def test_text_of_a_contradiction() -> None:
    b = Bounds(tnum.UNKNOWN, S64_MIN, S64_MAX, 2, 1, -1, 5, 0, 7)
    assert cnum.violation_text(b, cnum.violation(b), "true_reg1") == (
        "verifier bug: REG INVARIANTS VIOLATION (true_reg1): range bounds violation u64=[0x2, 0x1] "
        "s64=[0x8000000000000000, 0x7fffffffffffffff] u32=[0x0, 0x7] s32=[0xffffffff, 0x5] "
        "var_off=(0x0, 0xffffffffffffffff)"
    )


def test_value_semantics() -> None:
    assert cnum.of_range(1, 5) == cnum.of_range(1, 5)
    assert len({cnum.of_range(1, 5), cnum.of_range(1, 5)}) == 1
    assert cnum.of_range(1, 5) != 3
    assert repr(cnum.const(1)).startswith("Bounds(Tnum(0x1, 0x0), s64=1..1")
