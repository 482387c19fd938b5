# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Soundness of every abstract operator on numbers, proven for all elements of a small width (see `small`)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from bpfvm.isa.word import U32_MAX, U64_MAX, bswap, s32, s64, signed, truncate
from tests.property.verifier.domain import BINARY, COMPARISONS, abstract, holds, run
from tests.property.verifier.small import BASES, BITS, Element, elements
from verifier.numbers import cnum
from verifier.numbers.cnum import Bounds
from verifier.numbers.scalar_alu import alu, fork, mov, movsx
from verifier.numbers.scalar_jump import branch_taken, refine
from verifier.state import reg
from verifier.state.reg import RegState

SHIFTS = ("lsh", "rsh", "arsh")
PAIRS = (("zero", "zero"), ("s32", "zero"), ("u32", "zero"), ("s64", "zero"), ("zero", "s64"), ("u32", "s32"))
"""bases of the two operands"""
WIDTHS = pytest.mark.parametrize("width", [32, 64])
AROUND = pytest.mark.parametrize("base", BASES)
BETWEEN = pytest.mark.parametrize("bases", PAIRS, ids="-".join)


def scalars(base: str, bits: int = BITS) -> list[tuple[RegState, Element]]:
    return [(reg.scalar(each.bounds), each) for each in elements(base, bits)]


def pairs(bases: tuple[str, str]) -> Iterator[tuple[RegState, tuple[int, ...], RegState, tuple[int, ...]]]:
    """Both operands, each with its words."""
    bits = BITS if bases == ("zero", "zero") else BITS - 1
    for (dst, a), (src, b) in product(scalars(bases[0], bits), scalars(bases[1], bits)):
        yield dst, a.words, src, b.words


def loses(result: Bounds, words: set[int]) -> str:
    """ "" when all words are in the result, and it doesn't contradict itself."""
    lost = [hex(word) for word in words if not result.contains(word)]
    return f"lost {lost}" if lost else cnum.violation(result)


@BETWEEN
@WIDTHS
@pytest.mark.parametrize("op", sorted(set(BINARY) - {*SHIFTS, "neg"}))
def test_binary_operations(op: str, width: int, bases: tuple[str, str]) -> None:
    meaning = {(x, y): run(op, width, x, y) for x, y in product(words(bases[0]), words(bases[1]))}
    for dst, a, src, b in pairs(bases):
        wanted = {meaning[pair] for pair in product(a, b)}
        assert not loses(alu(op, width, dst, src).num, wanted), (op, dst, src)


def words(base: str) -> set[int]:
    return {word for each in elements(base) for word in each.words}


@AROUND
@WIDTHS
@pytest.mark.parametrize("op", SHIFTS)
def test_shifts_by_constants(op: str, width: int, base: str) -> None:
    for amount in range(width):
        src = reg.const(amount)
        for dst, a in scalars(base):
            assert not loses(alu(op, width, dst, src).num, {run(op, width, x, amount) for x in a.words}), (dst, amount)


@AROUND
@WIDTHS
def test_negation(width: int, base: str) -> None:
    for dst, a in scalars(base):
        assert not loses(alu("neg", width, dst, dst).num, {run("neg", width, x, 0) for x in a.words}), dst


@AROUND
@pytest.mark.parametrize("bits", [16, 32, 64])
@pytest.mark.parametrize("op", ["le", "be", "bswap"])
def test_byte_order(op: str, bits: int, base: str) -> None:
    for dst, a in scalars(base):
        wanted = {truncate(x, bits) if op == "le" else bswap(x, bits) for x in a.words}
        assert not loses(alu(op, 64, dst, reg.const(bits)).num, wanted), dst


@pytest.mark.parametrize("edge", [0, 1 << 7, 1 << 8, 1 << 15, 1 << 16, 1 << 31, 1 << 32, 1 << 63], ids=hex)
def test_extensions_and_sizes_of_loads(edge: int) -> None:
    """Zero and sign extension from every size, into 32 and 64 bits, at the edges of every size."""
    for _, small in scalars("zero"):
        shifted = {x + edge & U64_MAX for x in small.words}
        element = reg.scalar(abstract(shifted))
        for size in (1, 2, 4):
            assert not loses(cnum.trunc(element.num, size), {truncate(x, 8 * size) for x in shifted}), element
        assert not loses(mov(element, 32).num, {x & U32_MAX for x in shifted}), element
        for bits, width in ((8, 32), (16, 32), (8, 64), (16, 64), (32, 64)):
            top = U64_MAX if width == 64 else U32_MAX
            assert not loses(movsx(element, bits, width).num, {signed(x, bits) & top for x in shifted}), element


@BETWEEN
@WIDTHS
@pytest.mark.parametrize("op", sorted(COMPARISONS))
def test_branches(op: str, width: int, bases: tuple[str, str]) -> None:
    """The verdict on the jump, and what either way teaches about both operands."""
    jumps = {(x, y): holds(op, width, x, y) for x, y in product(words(bases[0]), words(bases[1]))}
    for dst, a, src, b in pairs(bases):
        verdict = branch_taken(op, width, dst, src)
        for taken in (True, False):
            going = [pair for pair in product(a, b) if jumps[pair] == taken]
            if not going:
                continue
            assert verdict in (-1, int(taken)), (op, dst, src)
            left, right = refine(op, width, dst, src, taken)
            for x, y in going:
                assert left.num.contains(x) and right.num.contains(y), (op, dst, src, taken)


@AROUND
@WIDTHS
@pytest.mark.parametrize("op", sorted(COMPARISONS))
def test_branches_on_one_register(op: str, width: int, base: str) -> None:
    for dst, a in scalars(base):
        for x in a.words:
            taken = holds(op, width, x, x)
            assert branch_taken(op, width, dst, dst) in (-1, int(taken))
            assert refine(op, width, dst, dst, taken, same_reg=True)[0].num.contains(x)


@AROUND
@pytest.mark.parametrize("op", ["and", "or"])
def test_forks(op: str, base: str) -> None:
    for (dst, a), value in product(scalars(base), words("zero")):
        forked = fork(op, dst, reg.const(value))
        if forked is not None:
            assert all(any(side.num.contains(x) for side in forked) for x in a.words), (dst, value)


VIEWS = (("smin", "smax"), ("umin", "umax"), ("s32_min", "s32_max"), ("u32_min", "u32_max"))


@AROUND
def test_deductions(base: str) -> None:
    """From any choice of the tnum and the four ranges, the others are deduced without a word lost."""
    for each in elements(base):
        for kept in product((False, True), repeat=5):
            known = {
                name: getattr(each.bounds, name)
                for view, keep in zip(VIEWS, kept[1:], strict=True)
                if keep
                for name in view
            }
            made = cnum.make(var_off=each.bounds.var_off, **known) if kept[0] else cnum.make(**known)
            assert not loses(made, set(each.words)), (each.bounds, kept)


@AROUND
def test_intersections(base: str) -> None:
    """With a range, unsigned or signed: what is in both is kept."""
    for each, other in product(elements(base), repeat=2):
        low, high = other.bounds.umin, other.bounds.umax
        both = {x for x in each.words if low <= x <= high}
        if both:
            assert not loses(cnum.intersect_u(each.bounds, low, high), both), (each.bounds, low, high)
        low, high = other.bounds.smin, other.bounds.smax
        both = {x for x in each.words if low <= s64(x) <= high}
        if both:
            assert not loses(cnum.intersect_s(each.bounds, low, high), both), (each.bounds, low, high)


@AROUND
def test_low_halves(base: str) -> None:
    """The low half turns out to be one word, or the high half becomes zero."""
    for each in elements(base):
        assert not loses(cnum.zext32(each.bounds), {x & U32_MAX for x in each.words})
        for low in {x & U32_MAX for x in each.words}:
            wanted = {x for x in each.words if x & U32_MAX == low}
            half_known = cnum.known_subreg(each.bounds, low)
            assert all(half_known.contains(x) for x in wanted), (each.bounds, low)


def test_the_elements_are_all_there() -> None:
    size = 1 << BITS
    tnums = sum(1 for m in range(1, size) for v in range(size) if not v & m)
    assert len(elements("zero")) == size * (size + 1) // 2 + tnums
    assert {s32(x) for x in words("s32")} >= {-(1 << 31), (1 << 31) - 1}
