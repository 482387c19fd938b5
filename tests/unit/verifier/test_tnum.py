# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Tristate numbers, exhaustively at 4 bits: nothing is lost, and where the kernel is optimal so are we."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product

import pytest

from bpfvm.isa.word import U32_MAX, U64_MAX, add64, arsh32, arsh64, mul64, neg64, sub64
from tests.property.verifier.small import BITS as PROOF
from verifier.numbers import tnum
from verifier.numbers.tnum import Tnum

BITS = 4
SMALL = [Tnum(v, m) for m in range(1 << BITS) for v in range(1 << BITS) if not v & m]
"""Every tnum of 4 bits with zeroes above."""
HIGH = [Tnum(t.value << 60, t.mask << 60) for t in SMALL]
"""The same in the highest 4 bits, where sums wrap and the sign is."""


def words(t: Tnum) -> list[int]:
    """All words of t."""
    out, subset = [], t.mask
    while True:
        out.append(t.value | subset)
        if not subset:
            return out
        subset = (subset - 1) & t.mask


def pairs(domain: list[Tnum]) -> Iterable[tuple[Tnum, Tnum]]:
    """All pairs under `make prove`, else every other operand on each side."""
    return product(domain, domain) if PROOF >= BITS else product(domain[::2], domain[1::2])


WORDS = {t: words(t) for t in SMALL + HIGH}


def hull(all_words: list[int]) -> Tnum:
    """The best tnum of a set of words."""
    t = tnum.const(all_words[0])
    for w in all_words[1:]:
        t = tnum.union(t, tnum.const(w))
    return t


OPTIMAL: dict[str, tuple[Callable[[Tnum, Tnum], Tnum], Callable[[int, int], int]]] = {
    "add": (tnum.add, add64),
    "sub": (tnum.sub, sub64),
    "and": (tnum.and_, lambda a, b: a & b),
    "or": (tnum.or_, lambda a, b: a | b),
    "xor": (tnum.xor, lambda a, b: a ^ b),
}


@pytest.mark.parametrize("name", sorted(OPTIMAL))
@pytest.mark.parametrize("domain", [SMALL, HIGH], ids=["low", "high"])
def test_operation_is_the_best_there_is(name: str, domain: list[Tnum]) -> None:
    abstract, concrete = OPTIMAL[name]
    for a, b in pairs(domain):
        assert abstract(a, b) == hull([concrete(x, y) for x in WORDS[a] for y in WORDS[b]])


def test_multiplication_is_sound() -> None:
    for a, b in pairs(SMALL):
        product_ = tnum.mul(a, b)
        assert all(tnum.contains(product_, mul64(x, y)) for x in WORDS[a] for y in WORDS[b])


def test_multiplication_joins_partial_sums() -> None:
    """6.18's long multiplication is sharper than the half-multiply-add before it: x * 3 for x in {0, 1, 2, 3}."""
    assert tnum.mul(tnum.const(3), Tnum(0, 2)) == Tnum(0, 6)


@pytest.mark.parametrize("n", [0, 1, 3, 31])
def test_shifts_are_the_best_there_is(n: int) -> None:
    for t in SMALL + HIGH:
        assert tnum.lsh(t, n) == hull([(w << n) & U64_MAX for w in WORDS[t]])
        assert tnum.rsh(t, n) == hull([w >> n for w in WORDS[t]])
        assert tnum.arsh(t, n, 64) == hull([arsh64(w, n) for w in WORDS[t]])
        low = tnum.rsh(t, 32)
        assert tnum.arsh(low, n, 32) == hull([arsh32(w >> 32, n) for w in WORDS[t]])


def test_negation() -> None:
    for t in SMALL:
        assert tnum.neg(t) == hull([neg64(w) for w in WORDS[t]])


def test_range_is_the_common_prefix() -> None:
    for lo in range(16):
        for hi in range(lo, 16):
            t = tnum.range_(lo, hi)
            assert all(tnum.contains(t, w) for w in range(lo, hi + 1))
            assert t.mask + 1 < 2 * max(1, hi - lo + 1) or (t.mask + 1) >> 1 & (lo ^ hi)
    assert tnum.range_(7, 7) is tnum.const(7)
    assert tnum.range_(0, U64_MAX) == tnum.UNKNOWN
    assert tnum.range_(1, 1 << 63) == tnum.UNKNOWN


def test_sets() -> None:
    for a, b in pairs(SMALL):
        first, second = set(WORDS[a]), set(WORDS[b])
        assert tnum.in_(a, b) == (second <= first)
        assert tnum.overlap(a, b) == bool(first & second)
        assert tnum.union(a, b) == hull(WORDS[a] + WORDS[b])
        if first & second:
            assert set(words(tnum.intersect(a, b))) == first & second


def test_intersection_of_contradicting_bits_keeps_the_one() -> None:
    assert tnum.intersect(tnum.const(1), tnum.const(2)) == tnum.const(3)


def test_step_is_the_next_member() -> None:
    for t in SMALL:
        for w in range(18):
            above = [x for x in WORDS[t] if x > w]
            assert tnum.step(t, w) == (min(above) if above else max(WORDS[t]))


def test_only_member() -> None:
    for t in SMALL:
        least, largest = min(WORDS[t]), max(WORDS[t])
        for lo in range(least, largest + 1):
            for hi in range(lo, largest + 1):
                members = [w for w in WORDS[t] if lo <= w <= hi]
                if len(members) > 1:
                    assert tnum.only_member(t, lo, hi) == -1
                elif members:
                    # The end of the range and of the tnum at once is left to the ranges, which know it already.
                    assert tnum.only_member(t, lo, hi) in (members[0], *([-1] if lo == largest else []))


def test_parts() -> None:
    t = Tnum(0x1234_5678_0000_00F0, 0xF_0000_000F)
    assert tnum.subreg(t) == Tnum(0xF0, 0xF)
    assert tnum.clear_subreg(t) == Tnum(0x1234_5678_0000_0000, 0xF_0000_0000)
    assert tnum.with_subreg(t, tnum.const(7)) == tnum.const_subreg(t, 7)
    assert tnum.const_subreg(t, 7) == Tnum(0x1234_5678_0000_0007, 0xF_0000_0000)
    assert not tnum.subreg_is_const(t)
    assert tnum.subreg_is_const(tnum.const_subreg(t, 7))
    assert tnum.cast(t, 1) == Tnum(0xF0, 0xF)
    assert tnum.cast(t, 8) == t
    assert tnum.bswapped(Tnum(0x12, 0xFF00), 16) == Tnum(0x1200, 0xFF)
    assert tnum.bswapped(tnum.const(0x0102_0304), 32) == tnum.const(0x0403_0201)
    assert tnum.bswapped(Tnum(0, 0xFF), 64) == Tnum(0, 0xFF << 56)


@pytest.mark.parametrize(
    ("t", "size", "aligned"),
    [(Tnum(8, 16), 8, True), (Tnum(8, 4), 8, False), (tnum.UNKNOWN, 0, True)],
)
def test_alignment(t: Tnum, size: int, aligned: bool) -> None:
    assert tnum.is_aligned(t, size) is aligned


@pytest.mark.parametrize(
    ("t", "text"),
    [
        (Tnum(0, 0xFF), "(0x0; 0xff)"),
        (tnum.UNKNOWN, "(0x0; 0xffffffffffffffff)"),
        (tnum.const(65535), "65535"),
        (tnum.const(65536), "0x10000"),
        (tnum.const(-1), "0xffffffffffffffff"),
    ],
)
def test_text(t: Tnum, text: str) -> None:
    assert str(t) == text


def test_identity_and_questions() -> None:
    assert tnum.const(5) is tnum.const(5)
    assert tnum.const(1 << 64) == tnum.ZERO
    assert tnum.const(5).is_const()
    assert not tnum.U32_UNKNOWN.is_const()
    assert tnum.UNKNOWN.is_unknown()
    assert Tnum(1, U32_MAX - 1) in {Tnum(1, U32_MAX - 1)}
    assert Tnum(1, 2) != 1
    assert repr(Tnum(1, 2)) == "Tnum(0x1, 0x2)"
