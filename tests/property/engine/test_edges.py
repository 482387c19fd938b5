# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Every operation on two words, on every pair of edge values, on every engine: against arithmetic as in C."""

from __future__ import annotations

from array import array
from functools import cache

import pytest

from bpfvm.engine.choose import engine_class
from bpfvm.engine.image import Image
from bpfvm.engine.jit import available
from bpfvm.engine.services import Engine
from bpfvm.isa.asm import asm
from bpfvm.isa.insn import Insn
from bpfvm.isa.table import OPS, Op
from bpfvm.memory import Memory
from tests.property.engine.engines import Kernel
from tests.property.engine.programs import EDGES

PAIRS = [(a, b) for a in EDGES for b in EDGES]
IMMS = sorted({(value & 0xFFFFFFFF ^ 0x80000000) - 0x80000000 for value in EDGES})
ENGINES = ("interp", "fast", *["jit"] * available())


def signed(value: int, width: int) -> int:
    """The low bits as a signed number."""
    low = value & ((1 << width) - 1)
    return low - (1 << width) if low >> (width - 1) else low


def truncated(a: int, b: int) -> tuple[int, int]:
    """Quotient and remainder of C, b not 0."""
    quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return quotient, a - quotient * b


def arithmetic(op: Op, a: int, b: int) -> int:
    """What `op` gives for dst = a and operand = b (sign-extended when it is an immediate)."""
    width = op.width
    mask = (1 << width) - 1
    a, b = a & mask, b & mask
    sa, sb, shift = signed(a, width), signed(b, width), b & width - 1
    results = {
        "add": a + b, "sub": a - b, "mul": a * b, "or": a | b, "and": a & b, "xor": a ^ b, "neg": -a, "mov": b,
        "div": a // b if b else 0, "mod": a % b if b else a, "lsh": a << shift, "rsh": a >> shift, "arsh": sa >> shift,
        "sdiv": truncated(sa, sb)[0] if b else 0, "smod": truncated(sa, sb)[1] if b else a,
    }  # fmt: skip
    return results[op.name] & mask


def resized(op: Op, a: int, b: int) -> int:
    """As `arithmetic`, for what looks at some low bytes only."""
    bits = op.size * 8
    if op.name == "movsx":
        return signed(b, bits) & ((1 << op.width) - 1)
    low = (a & ((1 << bits) - 1)).to_bytes(op.size, "little")
    return int.from_bytes(low, "little" if op.name == "le" else "big")


def holds(op: Op, a: int, b: int) -> bool:
    """Does the condition `op` hold?"""
    sa, sb = signed(a, op.width), signed(b, op.width)
    a, b = a & ((1 << op.width) - 1), b & ((1 << op.width) - 1)
    return {
        "jeq": a == b, "jne": a != b, "jgt": a > b, "jge": a >= b, "jlt": a < b, "jle": a <= b, "jset": a & b != 0,
        "jsgt": sa > sb, "jsge": sa >= sb, "jslt": sa < sb, "jsle": sa <= sb,
    }[op.name]  # fmt: skip


def loop(bodies: list[tuple[Insn, ...]]) -> tuple[Insn, ...]:
    """A program that runs each body with r0 and r1 of each record at its context, and stores what becomes of r0."""
    insns = list(asm(f"r6 = r1\nr7 = {len(PAIRS)}"))
    for number, body in enumerate(bodies):
        insns += [*asm("r0 = *(u64 *)(r6 +0)\nr1 = *(u64 *)(r6 +8)"), *body]
        insns += asm(f"*(u64 *)(r6 +{(2 + number) * 8}) = r0")
    insns += asm(f"r6 += {(2 + len(bodies)) * 8}\nr7 += -1")
    return (*insns, Insn(0x55, 7, 0, 1 - len(insns), 0), *asm("exit"))


@cache
def machine(name: str) -> Engine:
    options = {"cache_dir": "", "tier": "quick"} if name == "jit" else {}
    return engine_class(name)(Memory(1 << 20), Kernel(), **options)


def results(engine: str, bodies: list[tuple[Insn, ...]]) -> list[list[int]]:
    """For each body, r0 after it for each of PAIRS."""
    vm, width = machine(engine), 2 + len(bodies)
    memory = vm.memory
    at = memory.alloc(len(PAIRS) * width * 8)
    memory.write(at, array("Q", [word for a, b in PAIRS for word in (a, b, *[0] * len(bodies))]).tobytes())
    vm.run(Image.of_insns(loop(bodies)), at)
    words = array("Q", memory.read(at, len(PAIRS) * width * 8))
    memory.free(at)
    return [list(words[number::width]) for number in range(2, width)]


def instruction(op: Op, imm: int) -> Insn:
    """`op` on r0 and r1, or on r0 and imm."""
    fields = {"dst": 0, "src": 1, "off": 2, "imm": imm}
    used = {name: value for name, value in fields.items() if name in op.fields}
    if op.match:
        used[op.match[0]] = op.match[1]
    return Insn(op.code, **used)


ALU = [op for op in OPS if op.cls in ("alu", "alu64") and op.name != "addr_space_cast"]
JUMPS = [op for op in OPS if op.cls in ("jmp", "jmp32") and op.name[0] == "j" and op.name != "ja"]


def with_imm(op: Op) -> list[int]:
    """The immediates to try; one of no meaning when the operation has none."""
    return IMMS if op.operand == "imm" and "imm" in op.fields else [0]


@pytest.mark.parametrize("op", ALU, ids=lambda op: op.text)
def test_arithmetic(op: Op) -> None:
    compute = resized if op.name in ("movsx", "le", "be", "bswap") else arithmetic
    imms = with_imm(op)
    wants = [[compute(op, a, b if op.operand == "reg" else imm) for a, b in PAIRS] for imm in imms]
    for engine in ENGINES:
        assert results(engine, [(instruction(op, imm),) for imm in imms]) == wants, engine


@pytest.mark.parametrize("op", JUMPS, ids=lambda op: op.text)
def test_conditions(op: Op) -> None:
    imms = with_imm(op)
    wants = [[int(holds(op, a, b if op.operand == "reg" else imm)) for a, b in PAIRS] for imm in imms]
    taken = asm("r0 = 0\ngoto +1\nr0 = 1")
    for engine in ENGINES:
        assert results(engine, [(instruction(op, imm), *taken) for imm in imms]) == wants, engine
