# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Jumps on bounds: pairs of edge words exhaustively, and what each way teaches with the texts of a 6.18.44 verifier."""

from __future__ import annotations

from itertools import combinations_with_replacement, product

import pytest

from bpfvm.isa.word import S64_MIN, U64_MAX
from tests.property.verifier.domain import COMPARISONS, EDGES, abstract, holds
from verifier.numbers import cnum, tnum
from verifier.numbers.scalar_alu import alu
from verifier.numbers.scalar_jump import FLIPPED, OPPOSITE, branch_taken, refine, refine_both
from verifier.state import reg
from verifier.state.reg import RegState

PAIRS = [(pair, reg.scalar(abstract(pair))) for pair in combinations_with_replacement((*EDGES[::2], 3), 2)]
UNKNOWN = reg.unknown()
BYTE = reg.scalar(cnum.of_range(0, 255))


@pytest.mark.parametrize("op", sorted(COMPARISONS))
@pytest.mark.parametrize("width", [32, 64])
def test_every_pair_of_pairs(op: str, width: int) -> None:
    for (first, a), (second, b) in product(PAIRS, PAIRS):
        verdict = branch_taken(op, width, a, b)
        outcomes = {taken: refine(op, width, a, b, taken) for taken in (True, False)} if verdict < 0 else {}
        for x, y in product(first, second):
            taken = holds(op, width, x, y)
            assert verdict in (-1, int(taken))
            if outcomes:
                assert outcomes[taken][0].num.contains(x)
                assert outcomes[taken][1].num.contains(y)


@pytest.mark.parametrize("op", sorted(COMPARISONS))
@pytest.mark.parametrize("width", [32, 64])
def test_constants_decide(op: str, width: int) -> None:
    for x, y in product(EDGES, EDGES):
        assert branch_taken(op, width, reg.const(x), reg.const(y)) == holds(op, width, x, y)


def test_tables_are_involutions() -> None:
    for table in (OPPOSITE, FLIPPED):
        assert all(table[table[op]] == op for op in table)
    assert set(COMPARISONS) < set(OPPOSITE)


@pytest.mark.parametrize(
    ("op", "width", "dst", "value", "verdict"),
    [
        ("jlt", 64, BYTE, 256, 1),
        ("jlt", 64, BYTE, 255, -1),
        ("jge", 64, BYTE, 256, 0),
        ("jeq", 64, BYTE, 256, 0),
        ("jne", 64, BYTE, 256, 1),
        ("jset", 64, BYTE, 0xF00, 0),
        ("jset", 64, alu("or", 64, BYTE, reg.const(1)), 3, 1),
        ("jset", 64, BYTE, 1, -1),
        ("jsgt", 64, BYTE, -1, 1),
        ("jsgt", 32, UNKNOWN, 0, -1),
        # the ranges meet, the bits do not
        ("jeq", 64, alu("or", 64, BYTE, reg.const(1)), 4, 0),
        # the 64-bit ranges meet, those of the low halves do not
        ("jeq", 64, reg.scalar(cnum.make(u32_min=5)), 3, 0),
    ],
)
def test_direction(op: str, width: int, dst: RegState, value: int, verdict: int) -> None:
    assert branch_taken(op, width, dst, reg.const(value)) == verdict
    if op in ("jset", "jeq", "jne"):
        assert branch_taken(op, width, reg.const(value), dst) == verdict


def test_two_unknowns_and_one_register_twice() -> None:
    assert branch_taken("jset", 64, UNKNOWN, BYTE) == -1
    assert branch_taken("jeq", 64, BYTE, BYTE) == -1


@pytest.mark.parametrize(
    ("op", "width", "dst", "value", "taken", "not_taken"),
    [
        ("jlt", 64, BYTE, 8, "scalar(smin=smin32=0,smax=umax=smax32=umax32=7,var_off=(0x0; 0x7))",
         "scalar(smin=umin=smin32=umin32=8,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff))"),
        ("jsgt", 64, BYTE, 8, "scalar(smin=umin=smin32=umin32=9,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff))",
         "scalar(smin=smin32=0,smax=umax=smax32=umax32=8,var_off=(0x0; 0xf))"),
        ("jeq", 64, UNKNOWN, 5, "5", "scalar()"),
        ("jeq", 64, BYTE, 0, "0", "scalar(smin=umin=smin32=umin32=1,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff))"),
        ("jne", 64, BYTE, 255, "scalar(smin=smin32=0,smax=umax=smax32=umax32=254,var_off=(0x0; 0xff))", "255"),
        ("jset", 64, UNKNOWN, 0x80, "scalar(smin=0x8000000000000080,umin=umin32=128,smin32=0x80000080,"
         "var_off=(0x80; 0xffffffffffffff7f))",
         "scalar(smax=0x7fffffffffffff7f,umax=0xffffffffffffff7f,smax32=0x7fffff7f,umax32=0xffffff7f,"
         "var_off=(0x0; 0xffffffffffffff7f))"),
        ("jset", 64, BYTE, 3, "scalar(smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff))",
         "scalar(smin=smin32=0,smax=umax=smax32=umax32=252,var_off=(0x0; 0xfc))"),
        ("jlt", 32, UNKNOWN, 0x81, "scalar(smax=0x7fffffff00000080,umax=0xffffffff00000080,smin32=0,smax32=umax32=128,"
         "var_off=(0x0; 0xffffffff000000ff))", "scalar(smin=0x8000000000000081,umin=umin32=129)"),
        ("jeq", 32, UNKNOWN, 5, "scalar(smin=0x8000000000000005,smax=0x7fffffff00000005,umin=smin32=umin32=5,"
         "umax=0xffffffff00000005,smax32=umax32=5,var_off=(0x5; 0xffffffff00000000))", "scalar()"),
    ],
)  # fmt: skip
def test_what_a_constant_teaches(op: str, width: int, dst: RegState, value: int, taken: str, not_taken: str) -> None:
    constant = reg.const(value)
    (yes, yes_other), (no, no_other) = refine_both(op, width, dst, constant)
    assert [yes.fmt(), no.fmt()] == [taken, not_taken]
    assert yes_other is no_other is constant
    (_, flipped), _ = refine_both(FLIPPED[op], width, constant, dst)
    assert flipped == yes


def test_both_registers_learn() -> None:
    a, b = reg.scalar(cnum.of_range(3, 9)), reg.scalar(cnum.of_range(0, 5))
    left, right = refine("jlt", 64, a, b, True)
    assert ((left.umin, left.umax), (right.umin, right.umax)) == ((3, 4), (4, 5))
    left, right = refine("jsge", 64, a, b, False)
    assert ((left.umin, left.umax), (right.umin, right.umax)) == ((3, 4), (4, 5))
    left, right = refine("jeq", 32, a, b, True)
    assert left.num == right.num == cnum.of_range(3, 5)


def test_nothing_learnt_is_the_same_object() -> None:
    left, right = refine("jset", 64, UNKNOWN, BYTE, True)
    assert left is UNKNOWN
    assert right is BYTE


def test_identity_survives() -> None:
    state = RegState(BYTE.type, BYTE.num, 5, 1 | reg.ADD_CONST64, precise=True)
    left, _ = refine("jlt", 64, state, reg.const(8), True)
    assert (left.id, left.off, left.precise, left.umax) == (state.id, 5, True, 7)


def test_register_with_itself() -> None:
    """6.18 does not know that r6 > r6 is false, and trims both ends of the one register."""
    left, right = refine("jgt", 64, UNKNOWN, UNKNOWN, True, same_reg=True)
    assert left is right
    assert left.fmt() == "scalar(umin=1,umax=0xfffffffffffffffe)"
    assert refine("jsgt", 32, UNKNOWN, UNKNOWN, True, same_reg=True)[0].fmt() == (
        "scalar(smin32=0x80000001,smax32=0x7ffffffe)"
    )
    assert refine("jge", 64, UNKNOWN, UNKNOWN, True, same_reg=True)[0].num == cnum.UNKNOWN


def test_contradiction_is_reported_and_its_ranges_forgotten() -> None:
    lines: list[str] = []
    left, right = refine("jgt", 32, BYTE, reg.const(255), True, lines.append)
    assert [line[:62] for line in lines] == [
        "verifier bug: REG INVARIANTS VIOLATION (true_reg1): range boun",
        "verifier bug: REG INVARIANTS VIOLATION (true_reg2): range boun",
    ]
    assert (left.smin, left.umax, left.var_off) == (S64_MIN, U64_MAX, BYTE.var_off)
    assert (right.smin, right.umax, right.var_off) == (S64_MIN, U64_MAX, tnum.const(255))
