# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Laws that hold for all operands, checked through the interpreter; the oracle test compares with the kernel."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfvm.engine.image import Image
from bpfvm.engine.interp import Interpreter
from bpfvm.engine.services import CallFrame
from bpfvm.errors import Trap, UsageError
from bpfvm.isa.asm import asm
from bpfvm.isa.insn import Insn
from bpfvm.isa.table import OPS
from bpfvm.memory import Memory
from tests.property.engine.programs import EDGES, sample

U64 = st.one_of(st.sampled_from(EDGES), st.integers(0, (1 << 64) - 1))
FEW = settings(derandomize=True, max_examples=50, deadline=None)


class NoServices:
    """A kernel whose functions all return 0."""

    def helper(self, func_id: int, args: tuple[int, ...], frame: CallFrame) -> int:
        return 0

    def kfunc(self, btf_id: int, args: tuple[int, ...], frame: CallFrame) -> int:
        return 0


MACHINE = Interpreter(Memory(1 << 20), NoServices())


def compute(text: str, a: int, b: int = 0) -> int:
    """r0 after `text`, started with r0 = a and r1 = b."""
    return MACHINE.run(Image.of_insns(asm(f"r0 = {a} ll\nr1 = {b} ll\n{text}\nexit")), 0)


def trunc(x: int, y: int) -> int:
    """The quotient cut toward zero, by exact rationals."""
    return int(Fraction(x, y))


REFERENCE: dict[str, Callable[[int, int, int], int]] = {
    # operator -> (a, b, width) with unsigned a and b of that width
    "+=": lambda a, b, w: a + b,
    "-=": lambda a, b, w: a - b,
    "*=": lambda a, b, w: a * b,
    "/=": lambda a, b, w: trunc(a, b) if b else 0,
    "%=": lambda a, b, w: a - b * trunc(a, b) if b else a,
    "s/=": lambda a, b, w: trunc(c_int(a, w), c_int(b, w)) if b else 0,
    "s%=": lambda a, b, w: c_int(a, w) - c_int(b, w) * trunc(c_int(a, w), c_int(b, w)) if b else a,
    "|=": lambda a, b, w: a | b,
    "&=": lambda a, b, w: a & b,
    "^=": lambda a, b, w: a ^ b,
    "<<=": lambda a, b, w: a << (b & (w - 1)),
    ">>=": lambda a, b, w: a >> (b & (w - 1)),
    "s>>=": lambda a, b, w: c_int(a, w) >> (b & (w - 1)),
    "=": lambda a, b, w: b,
}


def c_int(x: int, width: int) -> int:
    return (ctypes.c_int64 if width == 64 else ctypes.c_int32)(x).value


@pytest.mark.parametrize("sign", REFERENCE)
@pytest.mark.parametrize("width", [32, 64])
def test_arithmetic(sign: str, width: int) -> None:
    mask, letter = (1 << width) - 1, "w" if width == 32 else "r"

    @FEW
    @given(U64, U64)
    def check(a: int, b: int) -> None:
        want = REFERENCE[sign](a & mask, b & mask, width) & mask
        assert compute(f"{letter}0 {sign} {letter}1", a, b) == want
        imm = c_int(b, 32)
        assert compute(f"{letter}0 {sign} {imm}", a) == REFERENCE[sign](a & mask, imm & mask, width) & mask

    check()


@FEW
@given(U64, U64)
def test_conditions_agree_with_c_comparison(a: int, b: int) -> None:
    for letter, width in (("r", 64), ("w", 32)):
        mask = (1 << width) - 1
        x, y, sx, sy = a & mask, b & mask, c_int(a, width), c_int(b, width)
        wants = {"==": x == y, "!=": x != y, ">": x > y, ">=": x >= y, "<": x < y, "<=": x <= y, "&": bool(x & y),
                 "s>": sx > sy, "s>=": sx >= sy, "s<": sx < sy, "s<=": sx <= sy}  # fmt: skip
        for sign, want in wants.items():
            taken = compute(f"if {letter}0 {sign} {letter}1 goto pc+2\nr0 = 0\nexit\nr0 = 1", a, b)
            assert taken == want, (letter, sign)


@FEW
@given(U64)
def test_byte_swaps_undo_themselves(a: int) -> None:
    for bits in (16, 32, 64):
        low = a & ((1 << bits) - 1)
        assert compute(f"r0 = bswap{bits} r0\nr0 = bswap{bits} r0", a) == low
        assert compute(f"r0 = be{bits} r0\nr0 = bswap{bits} r0", a) == low
        assert compute(f"r0 = le{bits} r0", a) == low


@FEW
@given(U64, U64, st.sampled_from([4, 8]))
def test_atomics_are_load_compute_store(a: int, b: int, size: int) -> None:
    u, n, mask = f"u{size * 8}", "64" if size == 8 else "", (1 << size * 8) - 1
    for name, sign in (("add", "+="), ("or", "|="), ("and", "&="), ("xor", "^=")):
        text = "*(u64 *)(r10 -8) = r0\n{}\nr0 = *(u64 *)(r10 -8)"
        expected = (a & ~mask) | REFERENCE[sign](a, b, 64) & mask
        assert compute(text.format(f"lock *({u} *)(r10 -8) {sign} r1"), a, b) == expected
        fetch = f"r1 = atomic{n}_fetch_{name}(({u} *)(r10 -8), r1)"
        assert compute(text.format(fetch), a, b) == expected
        assert compute(text.format(fetch) + "\nr0 = r1", a, b) == a & mask


@pytest.mark.parametrize("seed", range(1000, 1020))
def test_same_program_same_result(seed: int) -> None:
    made = sample(seed)
    results = []
    for _ in range(2):
        memory = Memory(1 << 20)
        at = memory.alloc(len(made.context), what="context")
        memory.write(at, made.context)
        vm = Interpreter(memory, NoServices())
        assert vm.run(Image.of_insns(made.insns), at) == 0
        results.append(memory.read(at, len(made.context)))
    assert results[0] == results[1]


INSN = st.builds(
    Insn,
    st.one_of(st.sampled_from([op.code for op in OPS]), st.integers(0, 255)),
    st.integers(0, 15),
    st.integers(0, 15),
    st.one_of(st.sampled_from([0, 1, 8, 16, 32, -8]), st.integers(-(1 << 15), (1 << 15) - 1)),
    st.one_of(st.sampled_from([0, 1, 16, 32, 64, 0xE1, 0xF1, 0x100, 0x110]), st.integers(-(1 << 31), (1 << 31) - 1)),
)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(INSN, max_size=20))
def test_any_slots_end_in_a_result_or_a_trap(slots: list[Insn]) -> None:
    try:
        result = MACHINE.run(Image.of_insns(slots), MACHINE.memory.alloc(16), fuel=500)
    except (Trap, UsageError):
        return
    assert 0 <= result < 1 << 64
