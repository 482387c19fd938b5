# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Soundness at 64 bits of what isn't an instruction: tristate numbers, intersections, linked registers."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from bpfvm.isa.word import U32_MAX, U64_MAX, add32, add64, arsh32, arsh64, bswap, mul64, neg64, s64, sub64
from tests.property.verifier.domain import WORDS, abstract, elements
from verifier.numbers import cnum, tnum
from verifier.numbers.cnum import Bounds
from verifier.numbers.scalar_ids import sync_linked
from verifier.numbers.tnum import Tnum
from verifier.state.reg import ADD_CONST32, ADD_CONST64, RegState
from verifier.state.reg_type import SCALAR_VALUE
from verifier.state.states import MAIN_CALLSITE, Frame, VerifierState

FAIR = settings(derandomize=True, deadline=None, max_examples=300)
Some = tuple[Tnum, int]
"""A tnum, and one of its words."""


@st.composite
def some(draw: st.DrawFn) -> Some:
    word, mask, other = draw(WORDS), draw(WORDS), draw(WORDS)
    return Tnum(word & ~mask, mask), word & ~mask | other & mask


BINARY: dict[str, tuple[Callable[[Tnum, Tnum], Tnum], Callable[[int, int], int]]] = {
    "add": (tnum.add, add64),
    "sub": (tnum.sub, sub64),
    "mul": (tnum.mul, mul64),
    "and": (tnum.and_, lambda a, b: a & b),
    "or": (tnum.or_, lambda a, b: a | b),
    "xor": (tnum.xor, lambda a, b: a ^ b),
}


@FAIR
@given(st.sampled_from(sorted(BINARY)), some(), some())
def test_operations(op: str, first: Some, second: Some) -> None:
    operate, meaning = BINARY[op]
    result = operate(first[0], second[0])
    assert tnum.contains(result, meaning(first[1], second[1]))
    assert not result.value & result.mask


@FAIR
@given(some(), st.integers(0, 63))
def test_shifts(one: Some, n: int) -> None:
    t, word = one
    assert tnum.contains(tnum.lsh(t, n), word << n & U64_MAX)
    assert tnum.contains(tnum.rsh(t, n), word >> n)
    assert tnum.contains(tnum.arsh(t, n, 64), arsh64(word, n))
    assert tnum.contains(tnum.arsh(tnum.subreg(t), n & 31, 32), arsh32(word, n & 31))
    assert tnum.contains(tnum.neg(t), neg64(word))


@FAIR
@given(some(), st.sampled_from((16, 32, 64)), st.integers(1, 8), st.integers(0, U32_MAX))
def test_parts(one: Some, bits: int, size: int, low: int) -> None:
    t, word = one
    high = word & ~U32_MAX
    assert tnum.contains(tnum.bswapped(t, bits), bswap(word, bits))
    assert tnum.contains(tnum.cast(t, size), word & (1 << 8 * size) - 1)
    assert tnum.contains(tnum.subreg(t), word & U32_MAX)
    assert tnum.contains(tnum.clear_subreg(t), high)
    assert tnum.contains(tnum.const_subreg(t, low), high | low)
    assert tnum.contains(tnum.with_subreg(t, tnum.const(low)), high | low)
    assert not tnum.subreg_is_const(t) or t.value & U32_MAX == word & U32_MAX
    assert not tnum.is_aligned(t, 1 << size) or not word & (1 << size) - 1


@FAIR
@given(some(), some(), WORDS)
def test_sets(first: Some, second: Some, word: int) -> None:
    (a, x), (b, y) = first, second
    assert tnum.contains(tnum.union(a, b), x) and tnum.contains(tnum.union(a, b), y)
    if tnum.contains(a, word) and tnum.contains(b, word):
        assert tnum.overlap(a, b) and tnum.contains(tnum.intersect(a, b), word)
    assert not tnum.in_(a, b) or tnum.contains(a, y)
    assert tnum.contains(tnum.range_(min(x, y), max(x, y)), min(max(word, min(x, y)), max(x, y)))


@FAIR
@given(some(), WORDS, WORDS)
def test_members_in_order(one: Some, word: int, end: int) -> None:
    t, member = one
    following = tnum.step(t, word)
    assert tnum.contains(t, following)
    if member > word:
        assert word < following <= member
    low, high = max(min(word, end), t.value), min(max(word, end), t.value | t.mask)
    if low <= member <= high:
        assert tnum.only_member(t, low, high) in (-1, member)


@FAIR
@given(elements(), WORDS, WORDS)
def test_intersections_with_ranges(element: tuple[Bounds, list[int]], one: int, other: int) -> None:
    bounds, words = element
    low, high = min(one, other), max(one, other)
    least, most = min(s64(one), s64(other)), max(s64(one), s64(other))
    for x in words:
        assert not low <= x <= high or cnum.intersect_u(bounds, low, high).contains(x)
        assert not least <= s64(x) <= most or cnum.intersect_s(bounds, least, most).contains(x)
        assert cnum.known_subreg(bounds, x & U32_MAX).contains(x)
        assert cnum.zext32(bounds).contains(x & U32_MAX)


DELTAS = st.one_of(st.integers(-64, 64), st.integers(-(1 << 31), (1 << 31) - 1))


@FAIR
@given(st.lists(WORDS, min_size=1, max_size=4), st.booleans(), st.none() | DELTAS, st.none() | DELTAS)
def test_linked_registers(words: list[int], narrow: bool, known_by: int | None, other_by: int | None) -> None:
    """Two copies of a word, each with a constant added (or not) in 64 or 32 bits: what is learnt of one, holds for the
    other."""
    flag = ADD_CONST32 if narrow else ADD_CONST64
    words = [w & U32_MAX if narrow else w for w in words]  # a 32-bit addition only links zero-extended words

    def moved(w: int, by: int | None) -> int:
        return w if by is None else (add32 if narrow else add64)(w, by)

    def state(by: int | None, num: Bounds) -> RegState:
        return RegState(SCALAR_VALUE, num, 0 if by is None else by, 7 | (0 if by is None else flag))

    known = state(known_by, abstract(moved(w, known_by) for w in words))
    other = state(other_by, cnum.UNKNOWN)
    frame = Frame(MAIN_CALLSITE, 0, 0)
    frame.regs[0], frame.regs[1] = known, other
    sync_linked(VerifierState(frame, 0), known, [(0, True, 0), (0, True, 1)])
    for w in words:
        assert frame.regs[1].num.contains(moved(w, other_by))
