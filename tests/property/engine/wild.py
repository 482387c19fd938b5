# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Random programs that no verifier would take: jumps anywhere, loops with several entries, bad addresses, odd opcodes.

Made for comparing engines, under an instruction limit. r1 is a context in memory; r8 and r9 keep it most of the time.
"""

from __future__ import annotations

import random

from bpfvm.isa.asm import asm
from bpfvm.isa.insn import Insn
from bpfvm.isa.table import OPS, Op
from tests.property.engine.programs import EDGES, Sample

CONTEXT = 128
_ALU = [op for op in OPS if op.cls in ("alu", "alu64")]
_JUMP = [op for op in OPS if op.cls in ("jmp", "jmp32") and op.name.startswith(("j", "may"))]
_MEMORY = [op for op in OPS if op.cls in ("ldx", "st", "stx")]
_PACKET = [op for op in OPS if op.name in ("ld_abs", "ld_ind")]


def wild(seed: int) -> Sample:
    """The program number `seed`."""
    rng = random.Random(seed * 7919 + 1)
    insns: list[Insn] = list(asm("r9 = r1\nr8 = r1\nr6 = 1\nr7 = 2"))
    length = rng.choice((6, 12, 25, 60))
    while len(insns) < length:
        insns += _piece(rng, len(insns), length)
    if seed % 8 == 0:
        insns = [_on_frame_pointer(rng, insn) for insn in insns]
    insns += asm("exit")
    return Sample(tuple(insns), bytes(rng.getrandbits(8) for _ in range(CONTEXT)))


def _piece(rng: random.Random, at: int, length: int) -> list[Insn]:
    kind = rng.random()
    if kind < 0.38:
        return [_alu(rng)]
    if kind < 0.62:
        return [_jump(rng, at, length)]
    if kind < 0.84:
        return [_access(rng)]
    if kind < 0.87:
        return list(asm(f"r{rng.randrange(10)} = {rng.choice(EDGES)} ll"))
    if kind < 0.90:
        return list(asm(f"r{rng.randrange(10)} = r{rng.choice((9, 10))}"))
    if kind < 0.93:
        return [Insn(0x85, 0, rng.choice((0, 2)), 0, rng.choice((4, 5, 6, 7)))]
    if kind < 0.96:
        return [Insn(0x85, 0, 1, 0, rng.randrange(length) - at)]
    if kind < 0.97:
        return [Insn(0x85, 0, 0, 0, 12)]
    if kind < 0.98:
        return [_insn(rng.choice(_PACKET), rng)]
    if kind < 0.99:
        return list(asm("exit"))
    code = rng.choice([code for code in range(256) if code != 0x18])
    return [Insn(code, rng.randrange(16), rng.randrange(16), rng.randrange(-9, 9), rng.randrange(-9, 9))]


def _alu(rng: random.Random) -> Insn:
    return _insn(rng.choice(_ALU), rng)


def _on_frame_pointer(rng: random.Random, insn: Insn) -> Insn:
    """Some instructions work on r10 instead."""
    return insn._replace(dst=10) if insn.code & 7 in (0, 1, 4, 7) and rng.random() < 0.1 else insn


def _jump(rng: random.Random, at: int, length: int) -> Insn:
    if rng.random() < 0.15:
        return Insn(0x05, 0, 0, rng.randrange(length) - at)
    insn = _insn(rng.choice(_JUMP), rng)
    near = rng.random() < 0.6
    to = at + rng.randrange(1, 6) if near else rng.randrange(length + 1)
    return insn._replace(off=to - at - 1)


def _access(rng: random.Random) -> Insn:
    op = rng.choice(_MEMORY)
    insn = _insn(op, rng)
    base = rng.choice((9, 9, 9, 8, 10, 10, 10, 1, rng.randrange(10)))
    off = rng.randrange(-24, 0) if base == 10 else rng.randrange(0, 40)
    if rng.random() < 0.85:
        off &= -op.size
    elif rng.random() < 0.2:
        off = rng.choice((-520, 200, 5000, 32767, -32768))
    where = {"src": base} if op.cls == "ldx" or op.name == "load_acquire" else {"dst": base}
    return insn._replace(off=off, **where)


def _insn(op: Op, rng: random.Random) -> Insn:
    value = rng.choice((rng.choice(EDGES), rng.randrange(64), rng.getrandbits(32))) & 0xFFFFFFFF
    fields = {"dst": rng.randrange(8), "src": rng.randrange(10), "imm": value - (1 << 32) if value >> 31 else value}
    used = {name: number for name, number in fields.items() if name in op.fields}
    if op.match:
        used[op.match[0]] = op.match[1]
    return Insn(op.code, **used)
