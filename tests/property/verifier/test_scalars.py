# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Soundness at 64 bits: what an operation does to the words behind the operands stays inside the bounds computed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bpfvm.isa.word import U32_MAX, U64_MAX, bswap, signed, truncate
from tests.property.verifier.domain import BINARY, COMPARISONS, elements, holds, run
from verifier.numbers import cnum
from verifier.numbers.cnum import Bounds
from verifier.numbers.scalar_alu import alu, fork, mov, movsx
from verifier.numbers.scalar_jump import branch_taken, refine
from verifier.state import reg

Element = tuple[Bounds, list[int]]
FAIR = settings(derandomize=True, deadline=None, max_examples=120)
WIDTHS = st.sampled_from((32, 64))


@FAIR
@given(elements())
def test_normalisation_loses_no_word_and_is_consistent(element: Element) -> None:
    bounds, words = element
    assert all(bounds.contains(w) for w in words)
    assert not cnum.violation(bounds)
    again = cnum.resync(bounds)
    assert again.within(bounds)
    assert all(again.contains(w) for w in words)


@FAIR
@given(st.sampled_from(sorted(BINARY)), WIDTHS, elements(), elements())
def test_alu_is_sound(op: str, width: int, first: Element, second: Element) -> None:
    result = alu(op, width, reg.scalar(first[0]), reg.scalar(second[0])).num
    assert not cnum.violation(result)
    for a in first[1]:
        for b in second[1]:
            assert result.contains(run(op, width, a, b))


@FAIR
@given(st.sampled_from(("lsh", "rsh", "arsh")), WIDTHS, elements(), st.integers(0, 63))
def test_shift_by_a_constant_is_sound(op: str, width: int, element: Element, amount: int) -> None:
    amount %= width
    result = alu(op, width, reg.scalar(element[0]), reg.const(amount)).num
    assert all(result.contains(run(op, width, a, amount)) for a in element[1])


@FAIR
@given(st.sampled_from(("le", "be", "bswap")), st.sampled_from((16, 32, 64)), elements())
def test_byte_order_is_sound(op: str, bits: int, element: Element) -> None:
    result = alu(op, 64, reg.scalar(element[0]), reg.const(bits)).num
    for a in element[1]:
        assert result.contains(truncate(a, bits) if op == "le" else bswap(a, bits))


@FAIR
@given(st.sampled_from(((8, 32), (16, 32), (8, 64), (16, 64), (32, 64))), elements())
def test_sign_extending_move_is_sound(kind: tuple[int, int], element: Element) -> None:
    bits, width = kind
    result = movsx(reg.scalar(element[0]), bits, width).num
    assert all(result.contains(signed(a, bits) & (U64_MAX if width == 64 else U32_MAX)) for a in element[1])


@FAIR
@given(st.sampled_from((1, 2, 4, 8)), elements())
def test_truncation_and_moves_are_sound(size: int, element: Element) -> None:
    bounds, words = element
    cut, half = cnum.trunc(bounds, size), mov(reg.scalar(bounds), 32).num
    for a in words:
        assert cut.contains(truncate(a, size * 8))
        assert half.contains(a & U32_MAX)


@FAIR
@given(st.sampled_from(sorted(COMPARISONS)), WIDTHS, elements(), elements())
def test_jumps_are_sound(op: str, width: int, first: Element, second: Element) -> None:
    a, b = reg.scalar(first[0]), reg.scalar(second[0])
    verdict = branch_taken(op, width, a, b)
    outcomes = {taken: refine(op, width, a, b, taken) for taken in (True, False)}
    for x in first[1]:
        for y in second[1]:
            taken = holds(op, width, x, y)
            assert verdict in (-1, int(taken))
            left, right = outcomes[taken]
            assert left.num.contains(x)
            assert right.num.contains(y)


@FAIR
@given(st.sampled_from(sorted(COMPARISONS)), WIDTHS, elements())
def test_register_against_itself_is_sound(op: str, width: int, element: Element) -> None:
    scalar = reg.scalar(element[0])
    verdict = branch_taken(op, width, scalar, scalar)
    for x in element[1]:
        taken = holds(op, width, x, x)
        assert verdict in (-1, int(taken))
        assert refine(op, width, scalar, scalar, taken, same_reg=True)[0].num.contains(x)


@FAIR
@given(st.sampled_from(("and", "or")), elements(), st.integers(0, U64_MAX))
def test_forks_lose_no_word(op: str, element: Element, value: int) -> None:
    forked = fork(op, reg.scalar(element[0]), reg.const(value))
    if forked is not None:
        for a in element[1]:
            assert any(side.num.contains(a) for side in forked)
