# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Our disassembly says what capstone's does, for the instructions that capstone 5 decodes as the kernel does."""

from __future__ import annotations

import random
import re

import pytest

from bpfvm.isa.disasm import disasm
from bpfvm.isa.insn import Insn, encode
from bpfvm.isa.table import OPS, Op

capstone = pytest.importorskip("capstone")

UNKNOWN = {"sdiv", "smod", "movsx", "bswap", "ldxs", "may_goto", "callx", "gotox", "addr_space_cast", "load_acquire",
           "store_release", "atomic_or", "atomic_and", "atomic_xor", "xchg", "cmpxchg"}  # fmt: skip
"""Operations that capstone 5 takes for others, or doesn't know."""
SIGNS = {"+=": "add", "-=": "sub", "*=": "mul", "/=": "div", "|=": "or", "&=": "and", "<<=": "lsh", ">>=": "rsh",
         "%=": "mod", "^=": "xor", "=": "mov", "s>>=": "arsh"}  # fmt: skip
TESTS = {"==": "jeq", "!=": "jne", ">": "jgt", ">=": "jge", "<": "jlt", "<=": "jle", "&": "jset", "s>": "jsgt",
         "s>=": "jsge", "s<": "jslt", "s<=": "jsle"}  # fmt: skip
SIZES = {"8": "b", "16": "h", "32": "w", "64": "dw"}
NUMBER = r"-?(?:0x[0-9a-f]+|\d+)"


def known(op: Op) -> bool:
    return op.name not in UNKNOWN and not op.fetch and op.cls != "jmp32" and not (op.match and op.name == "ld_imm64")


def number(text: str, bits: int = 32) -> str:
    """A number as capstone writes it: unsigned, hexadecimal."""
    return f"{int(text, 0) & ((1 << bits) - 1):#x}"


def place(register: str, off: str) -> str:
    return f"[{register}+{number(off, 16)}]"


def translated(text: str) -> str:
    """Our text in capstone's words."""
    for pattern, words in PATTERNS:
        found = re.fullmatch(pattern, text)
        if found is not None:
            return words(*found.groups())
    raise AssertionError(f"what is `{text}`?")


def operand(text: str) -> str:
    return text.replace("w", "r") if text[0] in "rw" else number(text)


def wide(letter: str) -> str:
    return "64" if letter == "r" else ""


PATTERNS = [
    (r"r(\d+) = (0x[0-9a-f]+)", lambda dst, value: f"lddw r{dst}, {number(value, 64)}"),
    (r"([rw])(\d+) = -\1\2", lambda letter, dst: f"neg{wide(letter)} r{dst}"),
    (r"r(\d+) = ([bl]e)(16|32|64) r\1", lambda dst, order, bits: f"{order}{bits} r{dst}"),
    (rf"([rw])(\d+) (\S+) ({NUMBER}|[rw]\d+)",
     lambda letter, dst, sign, value: f"{SIGNS[sign]}{wide(letter)} r{dst}, {operand(value)}"),
    (rf"if r(\d+) (\S+) ({NUMBER}|r\d+) goto pc([+-]\d+)",
     lambda dst, sign, value, off: f"{TESTS[sign]} r{dst}, {operand(value)}, +{number(off, 16)}"),
    (r"goto pc([+-]\d+)", lambda off: f"jmp +{number(off, 16)}"),
    (r"r(\d+) = \*\(u(\d+) \*\)\((r\d+) ([+-]\d+)\)",
     lambda dst, bits, base, off: f"ldx{SIZES[bits]} r{dst}, {place(base, off)}"),
    (r"\*\(u(\d+) \*\)\((r\d+) ([+-]\d+)\) = (r\d+)",
     lambda bits, base, off, src: f"stx{SIZES[bits]} {place(base, off)}, {src}"),
    (rf"\*\(u(\d+) \*\)\((r\d+) ([+-]\d+)\) = ({NUMBER})",
     lambda bits, base, off, imm: f"st{SIZES[bits]} {place(base, off)}, {number(imm)}"),
    (r"lock \*\(u(\d+) \*\)\((r\d+) ([+-]\d+)\) \+= (r\d+)",
     lambda bits, base, off, src: f"xadd{SIZES[bits]} {place(base, off)}, {src}"),
    (r"r0 = \*\(u(\d+) \*\)skb\[(-?\d+)\]", lambda bits, imm: f"ld{SIZES[bits]} [{number(imm)}]"),
    (r"r0 = \*\(u(\d+) \*\)skb\[(r\d+) \+ (-?\d+)\]",
     lambda bits, src, imm: f"ld{SIZES[bits]} [{src}+{number(imm)}]"),
    (r"call (?:pc|unknown#|kernel-function#)([+-]?\d+)", lambda imm: f"call {number(imm)}"),
    (r"exit", lambda: "exit"),
]  # fmt: skip


def samples(op: Op, rng: random.Random) -> tuple[Insn, ...]:
    """The instruction with fields drawn from all their range (a call that has no name)."""
    fields = {"dst": rng.randrange(10), "src": rng.randrange(10), "off": rng.randrange(-(1 << 15), 1 << 15)}
    fields["imm"] = rng.choice((rng.randrange(1000, 1 << 31), -rng.randrange(1, 1 << 31)))
    used = {name: value for name, value in fields.items() if name in op.fields and name not in op.ignored}
    if op.match:
        used[op.match[0]] = op.match[1]
    insn = Insn(op.code, **used)
    return (insn, Insn(0, imm=rng.randrange(1 << 31))) if op.name == "ld_imm64" else (insn,)


@pytest.mark.parametrize("op", [op for op in OPS if known(op)], ids=lambda op: op.text)
def test_same_text(op: Op) -> None:
    decoder = capstone.Cs(capstone.CS_ARCH_BPF, capstone.CS_MODE_BPF_EXTENDED | capstone.CS_MODE_LITTLE_ENDIAN)
    rng = random.Random(op.text)
    for _ in range(40):
        insns = samples(op, rng)
        ((_, size, operation, operands),) = decoder.disasm_lite(encode(insns), 0)
        assert size == 8 * len(insns)
        assert translated(disasm(insns, 0)) == f"{operation} {operands}".strip()


def test_most_of_the_instruction_set() -> None:
    assert sum(map(known, OPS)) > 90
