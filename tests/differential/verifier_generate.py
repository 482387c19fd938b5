# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Random programs for the verifier: numbers, branches (a few backward), stack, map values, variable offsets."""

from __future__ import annotations

import random
from typing import Final

from bpfvm.isa.insn import Insn

ALU: Final = dict(
    zip(
        ["add", "sub", "mul", "div", "or", "and", "lsh", "rsh", "mod", "xor", "mov", "arsh"],
        (*range(0, 0x80, 0x10), *range(0x90, 0xD0, 0x10)),
        strict=True,
    )
)
JUMPS: Final = (0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xA0, 0xB0, 0xC0, 0xD0)
IMMS: Final = (0, 1, 2, 7, -1, 255, 1000, 0x7FFFFFFF, -0x80000000)
SIZES: Final = ((0x18, 8), (0x18, 8), (0x00, 4), (0x08, 2), (0x10, 1))
REGS: Final = (0, 7, 8, 9)


def _alu(rng: random.Random) -> list[Insn]:
    name, cls, dst = rng.choice(sorted(ALU)), rng.choice((7, 7, 4)), rng.choice(REGS)
    if rng.random() < 0.5:
        return [Insn(ALU[name] | cls | 8, dst, rng.choice(REGS))]
    imm = rng.choice((*IMMS, rng.randint(-100, 100)))
    if name in ("lsh", "rsh", "arsh"):
        imm = rng.randint(0, 31)
    if name in ("div", "mod") and imm == 0:
        imm = 3
    return [Insn(ALU[name] | cls, dst, 0, 0, imm)]


def _jump(rng: random.Random) -> list[Insn]:
    cls, dst = rng.choice((5, 5, 6)), rng.choice(REGS)
    off = rng.randint(0, 6) if rng.random() < 0.93 else -rng.randint(1, 6)
    if rng.random() < 0.6:
        return [Insn(rng.choice(JUMPS) | cls, dst, 0, off, rng.choice((0, 1, 5, -1, 100, rng.randint(-10, 50))))]
    return [Insn(rng.choice(JUMPS) | cls | 8, dst, rng.choice(REGS), off)]


def _stack(rng: random.Random) -> list[Insn]:
    code, size = rng.choice(SIZES)
    off, how = -size * rng.randint(1, 24 // size), rng.random()
    if how < 0.4:
        return [Insn(0x63 | code, 10, rng.choice(REGS), off)]
    if how < 0.6:
        return [Insn(0x62 | code, 10, 0, off, rng.choice((0, 1, -1)))]
    return [Insn(0x61 | code, rng.choice(REGS), 10, off)]


def _moving_stack(rng: random.Random) -> list[Insn]:
    access = Insn(rng.choice((0x71, 0x72)), 2, 2, -8 - rng.randint(0, 16))
    return [Insn(0xBF, 2, 10), Insn(0x0F, 2, rng.choice(REGS)), access._replace(src=2 if access.code == 0x71 else 0)]


def _map_value(rng: random.Random) -> list[Insn]:
    out = [Insn(0x62, 10, 0, -4, rng.choice((0, 1, 5))), Insn(0xBF, 2, 10), Insn(0x07, 2, 0, 0, -4)]
    out += [Insn(0x18, 1, 1), Insn(0), Insn(0x85, 0, 0, 0, 1)]
    if rng.random() < 0.8:
        out.append(Insn(0x15, 0, 0, rng.randint(1, 3), 0))
    out.append(Insn(0x61, rng.choice(REGS[1:]), 0, rng.choice((0, 4, 44, 48))))
    if rng.random() < 0.5:
        out += [Insn(0x0F, 0, rng.choice(REGS)), Insn(0x71, rng.choice((7, 8)), 0)]
    return [*out, Insn(0xB7, 0)] if rng.random() < 0.7 else out


def _other(rng: random.Random) -> list[Insn]:
    dst = rng.choice(REGS)
    return [
        rng.choice(
            (
                Insn(rng.choice((0xBF, 0xBC)), dst, rng.choice(REGS), rng.choice((0, 0, 8, 16))),
                Insn(rng.choice((0xD4, 0xDC, 0xD7)), dst, 0, 0, rng.choice((16, 32, 64))),
                Insn(rng.choice((0x87, 0x84)), dst),
            )
        )
    ]


def generate(seed: int) -> tuple[Insn, ...]:
    """The program of this seed; it uses one map (index 0, an array of four 48-byte values)."""
    rng = random.Random(seed)
    insns = [Insn(0xBF, 6, 1), Insn(0x61, 7, 6)]
    insns.append(Insn(0x79, 8, 6, 56) if rng.random() < 0.5 else Insn(0xB7, 8, 0, 0, rng.choice((0, 1, -1, 100))))
    insns += [Insn(0xB7, 0), Insn(0xB7, 9, 0, 0, rng.randint(-3, 20))]
    parts = (_alu, _jump, _stack, _moving_stack, _map_value, _other)
    for part in rng.choices(parts, weights=(40, 20, 15, 5, 5, 15), k=rng.randint(5, 30)):
        insns += part(rng)
    insns += [Insn(0xBF, 0, rng.choice(REGS)), Insn(0x95)]
    return jumps_inside(insns)


def jumps_inside(insns: list[Insn]) -> tuple[Insn, ...]:
    """Jumps land inside the program and not in the middle of an instruction."""
    middles = {i + 1 for i, insn in enumerate(insns) if insn.code == 0x18}
    out = []
    for i, insn in enumerate(insns):
        if insn.code & 7 in (5, 6) and insn.code not in (0x85, 0x95):
            target = max(0, min(i + 1 + insn.off, len(insns) - 1))
            while target in middles:
                target += 1
            insn = insn._replace(off=target - i - 1)
        out.append(insn)
    return tuple(out)
