# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Arithmetic on bounds: pairs of edge words exhaustively, and results with the texts of a 6.18.44 verifier."""

from __future__ import annotations

from itertools import combinations_with_replacement, product

import pytest

from bpfvm.isa.word import S32_MIN, U32_MAX, U64_MAX
from tests.property.verifier.domain import BINARY, EDGES, abstract, run
from verifier.numbers import cnum, tnum
from verifier.numbers.cnum import Bounds
from verifier.numbers.scalar_alu import alu, fork, mov, mov_imm, movsx
from verifier.state import reg
from verifier.state.reg import ADD_CONST32, ADD_CONST64, RegState

PAIRS = [(pair, reg.scalar(abstract(pair))) for pair in combinations_with_replacement((*EDGES[::2], 0x80), 2)]
UNKNOWN = reg.unknown()
LOW = mov(UNKNOWN, 32)
BYTE = reg.scalar(cnum.of_range(0, 255))


@pytest.mark.parametrize("op", sorted(BINARY))
@pytest.mark.parametrize("width", [32, 64])
def test_every_pair_of_pairs(op: str, width: int) -> None:
    for (first, a), (second, b) in product(PAIRS, PAIRS):
        result = alu(op, width, a, b).num
        assert not cnum.violation(result)
        assert all(result.contains(run(op, width, x, y)) for x in first for y in second)


@pytest.mark.parametrize("op", ["add", "sub", "mul", "or", "and", "xor", "neg"])
@pytest.mark.parametrize("width", [32, 64])
def test_constants_give_constants(op: str, width: int) -> None:
    for a, b in product(EDGES, EDGES):
        assert alu(op, width, reg.const(a), reg.const(b)) == reg.const(run(op, width, a, b))


STEPS: list[tuple[RegState, list[tuple[str, int, int]], str]] = [
    (UNKNOWN, [("and", 64, 7)], "smin=smin32=0,smax=umax=smax32=umax32=7,var_off=(0x0; 0x7)"),
    (
        UNKNOWN,
        [("lsh", 64, 16)],
        "smax=0x7fffffffffff0000,umax=0xffffffffffff0000,smax32=0x7fff0000,umax32=0xffff0000,"
        "var_off=(0x0; 0xffffffffffff0000)",
    ),
    (UNKNOWN, [("rsh", 64, 8)], "smin=0,smax=umax=0xffffffffffffff,var_off=(0x0; 0xffffffffffffff)"),
    (UNKNOWN, [("arsh", 64, 63)], "smin=smin32=-1,smax=smax32=0"),
    (UNKNOWN, [("arsh", 32, 31)], "smin=0,smax=umax=0xffffffff,smin32=-1,smax32=0,var_off=(0x0; 0xffffffff)"),
    (UNKNOWN, [("neg", 32, 0)], "smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff)"),
    (UNKNOWN, [("div", 64, 3)], ""),
    (LOW, [("add", 64, -5)], "smin=-5,smax=0xfffffffa"),
    (LOW, [("add", 64, 0x7FFF_FFFF)], "smin=umin=0x7fffffff,smax=umax=0x17ffffffe,var_off=(0x0; 0x1ffffffff)"),
    (
        UNKNOWN,
        [("and", 64, 0x12F4), ("bswap", 64, 16)],
        "smin=smin32=0,smax=umax=smax32=umax32=0xf412,var_off=(0x0; 0xf412)",
    ),
    (
        UNKNOWN,
        [("and", 64, 0x12F4), ("be", 32, 32)],
        "smin=0,smax=umax=umax32=0xf4120000,smax32=0x74120000,var_off=(0x0; 0xf4120000)",
    ),
    (
        UNKNOWN,
        [("and", 64, 0x12F4), ("bswap", 64, 64)],
        "smax=0x7412000000000000,umax=0xf412000000000000,smin32=0,smax32=umax32=0,var_off=(0x0; 0xf412000000000000)",
    ),
    (
        UNKNOWN,
        [("and", 64, 0x12F4), ("le", 32, 64)],
        "smin=smin32=0,smax=umax=smax32=umax32=4852,var_off=(0x0; 0x12f4)",
    ),
]


@pytest.mark.parametrize(("start", "steps", "text"), STEPS)
def test_texts_of_the_kernel(start: RegState, steps: list[tuple[str, int, int]], text: str) -> None:
    state = start
    for op, width, operand in steps:
        state = alu(op, width, state, reg.const(operand))
    assert state.fmt() == f"scalar({text})"


@pytest.mark.parametrize("op", ["div", "sdiv", "mod", "smod"])
@pytest.mark.parametrize("width", [32, 64])
def test_division_is_never_known(op: str, width: int) -> None:
    assert alu(op, width, reg.const(6), reg.const(3)) is UNKNOWN


@pytest.mark.parametrize("amount", [reg.const(64), reg.const(-1), BYTE])
def test_shift_by_anything_else_is_unknown(amount: RegState) -> None:
    assert alu("lsh", 64, reg.const(1), amount) is UNKNOWN
    assert alu("rsh", 32, reg.const(1), reg.const(32)) is UNKNOWN


def test_shift_left_by_32_keeps_the_sign() -> None:
    low = reg.scalar(cnum.make(s32_min=-4, s32_max=4))
    assert alu("lsh", 64, low, reg.const(32)).smin == -4 << 32
    assert alu("arsh", 64, alu("lsh", 64, low, reg.const(32)), reg.const(32)).smin == -4


def test_unknown_operation_is_an_error() -> None:
    with pytest.raises(KeyError):
        alu("jeq", 64, UNKNOWN, UNKNOWN)


@pytest.mark.parametrize(
    ("op", "width", "value", "num", "id_", "off"),
    [
        ("add", 64, 5, cnum.UNKNOWN, 1 | ADD_CONST64, 5),
        ("sub", 64, 5, cnum.UNKNOWN, 1 | ADD_CONST64, -5),
        ("add", 64, -5, cnum.UNKNOWN, 1 | ADD_CONST64, -5),
        ("sub", 64, S32_MIN, cnum.UNKNOWN, 0, 0),
        ("add", 64, 1 << 31, cnum.UNKNOWN, 0, 0),
        ("sub", 64, 1 << 31, cnum.UNKNOWN, 0, 0),
        ("add", 32, 5, cnum.UNKNOWN, 0, 0),
        ("add", 32, 5, LOW.num, 1 | ADD_CONST32, 5),
        ("sub", 32, -5, LOW.num, 1 | ADD_CONST32, 5),
        ("sub", 32, S32_MIN, LOW.num, 0, 0),
        ("mul", 64, 5, cnum.UNKNOWN, 0, 0),
    ],
)
def test_links_between_registers(op: str, width: int, value: int, num: Bounds, id_: int, off: int) -> None:
    result = alu(op, width, reg.scalar(num, 1), reg.const(value))
    assert (result.id, result.off) == (id_, off)


def test_second_addition_cuts_the_link() -> None:
    once = alu("add", 64, reg.scalar(cnum.UNKNOWN, 1), reg.const(5))
    twice = alu("add", 64, once, reg.const(5))
    assert (twice.id, twice.off) == (0, 0)


def test_byte_swap_cuts_the_link_and_le64_does_not() -> None:
    linked = reg.scalar(cnum.UNKNOWN, 1)
    assert alu("le", 32, linked, reg.const(64)).id == 1
    assert alu("le", 32, linked, reg.const(32)).id == 0
    assert alu("bswap", 64, linked, reg.const(64)).id == 0


def test_precision_mark_stays() -> None:
    assert alu("add", 64, reg.unknown(precise=True), reg.const(1)).precise
    assert not alu("add", 64, UNKNOWN, reg.const(1)).precise


def test_moves() -> None:
    wide, low = reg.scalar(cnum.UNKNOWN, 1), reg.scalar(LOW.num, 1)
    assert alu("mov", 64, UNKNOWN, wide) is wide
    assert (mov(wide, 32).id, mov(low, 32).id) == (0, 1)
    assert mov(reg.const(-1), 32) == reg.const(U32_MAX)
    assert movsx(reg.scalar(cnum.of_range(0, 127), 1), 8, 64).id == 1
    assert movsx(reg.scalar(cnum.of_range(0, 128), 1), 8, 64).id == 0
    assert movsx(reg.const(0x80), 8, 64) == reg.const(-128)
    assert movsx(reg.const(0x80), 8, 32) == reg.const(-128 & U32_MAX)
    assert mov_imm(-1, 64) == reg.const(U64_MAX)
    assert mov_imm(-1, 32) == reg.const(U32_MAX)


def test_fork_of_a_sign_mask() -> None:
    mask = alu("arsh", 64, UNKNOWN, reg.const(63))
    forked = fork("or", mask, reg.const(15))
    assert forked is not None
    assert [alu("or", 64, side, reg.const(15)).fmt() for side in forked] == ["-1", "15"]
    assert fork("xor", mask, reg.const(15)) is None
    assert fork("or", mask, BYTE) is None
    assert fork("and", BYTE, reg.const(15)) is None


def test_fork_of_a_32_bit_sign_mask() -> None:
    forked = fork("and", alu("arsh", 32, UNKNOWN, reg.const(31)), reg.const(15))
    assert forked is not None
    assert [side.fmt() for side in forked] == ["0xffffffff", "0"]


def test_contradiction_is_reported_and_forgotten() -> None:
    lines: list[str] = []
    impossible = RegState(reg.ZERO.type, Bounds(tnum.UNKNOWN, smin=5, smax=4))
    result = alu("mov", 64, UNKNOWN, impossible, lines.append)
    assert result.num == cnum.UNKNOWN
    assert lines[0].startswith("verifier bug: REG INVARIANTS VIOLATION (alu): range bounds violation u64=[0x0, ")
