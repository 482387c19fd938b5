# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Random programs that the kernel's verifier takes: arithmetic, forward branches, stack, atomics, functions, loops.

A program loads r0..r9 from its context (so the verifier knows nothing about them), works on them, and writes them back.
Made for BPF_PROG_TYPE_SYSCALL, whose context is plain memory that the program may change.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from bpfvm.isa.asm import asm
from bpfvm.isa.insn import Insn
from bpfvm.isa.table import OPS, Op

REGISTERS = 9
"""r0..r8 are the program's values; r9 keeps the context."""
SLOTS = 4
"""8-byte stack slots that programs work on, at r10 - 8 and below."""
CONTEXT_SIZE = (REGISTERS + SLOTS) * 8
EDGES = (0, 1, 2, 7, 31, 32, 33, 63, 64, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
         0x100000000, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0xFFFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFE)  # fmt: skip

_ALU = [op for op in OPS if op.cls in ("alu", "alu64") and op.name != "addr_space_cast"]
_JUMP = [op for op in OPS if op.name.startswith("j") and op.name != "ja"]
_STACK = [op for op in OPS if op.cls in ("ldx", "st", "stx")]


@dataclass(frozen=True, slots=True)
class Sample:
    """A program and the context it is to start with."""

    insns: tuple[Insn, ...]
    context: bytes


def sample(seed: int, length: int = 40) -> Sample:
    """The program number `seed`, of about `length` instructions between prologue and epilogue."""
    rng = random.Random(seed)
    insns: list[Insn] = list(asm("r9 = r1"))
    for slot in range(SLOTS):
        insns += asm(f"r0 = *(u64 *)(r9 +{(REGISTERS + slot) * 8})\n*(u64 *)(r10 -{8 * (slot + 1)}) = r0")
    insns += [Insn(0x79, reg, 9, reg * 8) for reg in range(REGISTERS)]
    body = _body(rng, length)
    insns += body
    insns += [Insn(0x7B, 9, reg, reg * 8) for reg in range(REGISTERS)]
    for slot in range(SLOTS):
        insns += asm(f"r0 = *(u64 *)(r10 -{8 * (slot + 1)})\n*(u64 *)(r9 +{(REGISTERS + slot) * 8}) = r0")
    insns += asm("r0 = 0\nexit")
    insns = _with_function(rng, insns)
    return Sample(tuple(insns), b"".join(_value(rng).to_bytes(8, "little") for _ in range(CONTEXT_SIZE >> 3)))


def _body(rng: random.Random, length: int) -> list[Insn]:
    body: list[Insn] = []
    while len(body) < length:
        kind = rng.random()
        if kind < 0.55:
            body.append(_alu(rng))
        elif kind < 0.75:
            body += _branch(rng)
        elif kind < 0.95:
            body.append(_stack(rng))
        elif kind < 0.97:
            body += asm(f"r{rng.randrange(REGISTERS)} = {_value(rng)} ll")
        elif kind < 0.985:
            body += _loop(rng)
        else:
            body.append(Insn(0x85, 0, 1, 0, CALL))
            body += asm("r1 = r0\nr2 = r0\nr3 = 3\nr4 = 4\nr5 = r0")
    return body


CALL = 0x7FFFFFFF
"""Stands for the distance to the function until the program is complete."""


def _with_function(rng: random.Random, insns: list[Insn]) -> list[Insn]:
    """Append a function of r1..r5 if it is called, and fill in the distances."""
    calls = [slot for slot, insn in enumerate(insns) if insn.code == 0x85 and insn.imm == CALL]
    for slot in calls:
        insns[slot] = insns[slot]._replace(imm=len(insns) - slot - 1)
    if calls:
        text = ["r0 = r1", "r6 = r2", "*(u64 *)(r10 -8) = r3", "r0 += r4", "r6 ^= r5", "w7 = w6", "r0 *= r7"]
        text += ["r8 = *(u64 *)(r10 -8)", "r0 -= r8", f"r0 += {rng.randrange(1 << 31)}", "exit"]
        insns += asm("\n".join(text))
    return insns


def _value(rng: random.Random) -> int:
    pick = rng.random()
    if pick < 0.5:
        return rng.choice(EDGES)
    return rng.getrandbits(64) if pick < 0.8 else rng.getrandbits(rng.randrange(1, 64))


def _imm(rng: random.Random) -> int:
    value = _value(rng) & 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def _alu(rng: random.Random) -> Insn:
    op = rng.choice(_ALU)
    fields = {"dst": rng.randrange(REGISTERS), "src": rng.randrange(REGISTERS), "imm": _imm(rng)}
    if op.operand == "imm" and op.name in ("lsh", "rsh", "arsh"):
        fields["imm"] = rng.randrange(op.width)
    elif op.name in ("div", "sdiv", "mod", "smod") and not fields["imm"]:
        fields["imm"] = -1
    return _insn(op, fields)


def _branch(rng: random.Random) -> list[Insn]:
    """A condition that jumps over a few instructions."""
    skipped = [_alu(rng) if rng.random() < 0.7 else _stack(rng) for _ in range(rng.randrange(1, 4))]
    fields = {"dst": rng.randrange(REGISTERS), "src": rng.randrange(REGISTERS), "imm": _imm(rng), "off": len(skipped)}
    return [_insn(rng.choice(_JUMP), fields), *skipped]


def _loop(rng: random.Random) -> list[Insn]:
    """A few rounds, counted in a register that the body leaves alone."""
    counter = rng.randrange(REGISTERS)
    body = [insn for insn in (_alu(rng) for _ in range(3)) if insn.dst != counter]
    head, tail = asm(f"r{counter} = {rng.randrange(1, 6)}"), asm(f"r{counter} += -1")
    return [*head, *body, *tail, Insn(0x55, counter, 0, -len(body) - 2, 0)]


def _stack(rng: random.Random) -> Insn:
    op = rng.choice(_STACK)
    off = rng.randrange(-SLOTS * 8, 0, op.size)
    fields = {"dst": rng.randrange(REGISTERS), "src": rng.randrange(REGISTERS), "imm": _imm(rng), "off": off}
    loads = op.cls == "ldx" or op.name == "load_acquire"
    fields["src" if loads else "dst"] = 10
    return _insn(op, fields)


def _insn(op: Op, fields: dict[str, int]) -> Insn:
    used = {name: value for name, value in fields.items() if name in op.fields}
    if op.match:
        used[op.match[0]] = op.match[1]
    return Insn(op.code, **used)
