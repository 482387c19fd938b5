# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Random programs that move pointers by numbers, spill them, compare them and now and then leak them: what matters to
who loads programs without CAP_PERFMON. Registers: r6 context, r7 value of a map, r8 and r9 numbers."""

from __future__ import annotations

import random
from typing import Final

from bpfvm.isa.insn import Insn
from bpfvm.obj.model import MapSpec
from tests.differential.verifier_generate import JUMPS, jumps_inside

MAPS: Final = (MapSpec("oracle", "array", 4, 48, 4), MapSpec("oracle", "hash", 4, 16, 4))
LOADS: Final = ((0x71, 1), (0x69, 2), (0x61, 4), (0x79, 8))
NUMBERS: Final = (8, 9)
MASKS: Final = (0, 1, 3, 7, 15, 31, 63)


def _lookup(rng: random.Random) -> list[Insn]:
    out = [Insn(0x62, 10, 0, -4, rng.choice((0, 1, 5))), Insn(0xBF, 2, 10), Insn(0x07, 2, 0, 0, -4)]
    out += [Insn(0x18, 1, 1, 0, rng.choice((0, 0, 1))), Insn(0), Insn(0x85, 0, 0, 0, 1)]
    out += [Insn(0x55, 0, 0, 2), Insn(0xB7, 0), Insn(0x95)]
    return [*out, Insn(0xBF, 7, 0), *([Insn(0x07, 7, 0, 0, 8)] if rng.random() < 0.5 else [])]


def _number(rng: random.Random) -> list[Insn]:
    """A number with some bound, or none."""
    reg = rng.choice(NUMBERS)
    out = [Insn(0x61, reg, 6, rng.choice((0, 4, 8)))] if rng.random() < 0.5 else []
    how = rng.random()
    if how < 0.6:
        out.append(Insn(0x57, reg, 0, 0, rng.choice(MASKS)))
    elif how < 0.7:
        out.append(Insn(0xB7, reg, 0, 0, rng.randint(0, 8)))
    elif how < 0.8:
        out.append(Insn(rng.choice(JUMPS) | 5, reg, 0, rng.randint(0, 4), rng.randint(-2, 40)))
    elif how < 0.85:
        out.append(Insn(0xB7, reg, 0, 0, rng.randint(-20, 40)))
    elif how < 0.9:
        out.append(Insn(0x87, reg))
    else:
        out.append(Insn(rng.choice((0x0F, 0x1F, 0x0C, 0x2F)), reg, rng.choice(NUMBERS)))
    return out


def _use(rng: random.Random, reg: int) -> list[Insn]:
    code, size = rng.choice(LOADS)
    off = rng.choice((0, 0, 0, 0, 0, 0, size, -size, 8))
    if rng.random() < 0.6:
        return [Insn(code, rng.choice((0, 3, *NUMBERS)), reg, off)]
    if rng.random() < 0.5:
        return [Insn(code + 1, reg, 0, off, rng.randint(-1, 1))]
    return [Insn(code + 2, reg, rng.choice((*NUMBERS, *NUMBERS, *NUMBERS, 7)), off)]


def _move(rng: random.Random) -> list[Insn]:
    """A copy of the pointer, moved once or twice, and used; sometimes the pointer itself."""
    if rng.random() < 0.1:
        reg, out = 7, []
    else:
        reg, out = 1, [Insn(0xBF, 1, 7 if rng.random() < 0.95 else rng.choice((6, 10)))]
    for _ in range(rng.choice((1, 1, 1, 2))):
        if rng.random() < 0.3:
            out.append(Insn(rng.choice((0x07, 0x07, 0x17)), reg, 0, 0, rng.randint(-4, 16)))
        else:
            out.append(Insn(0x1F if rng.random() < 0.1 else 0x0F, reg, rng.choice(NUMBERS)))
    return out + _use(rng, reg)


def _number_moved(rng: random.Random) -> list[Insn]:
    """number += pointer."""
    out = [Insn(0xBF, 1, rng.choice(NUMBERS)), Insn(0x1F if rng.random() < 0.05 else 0x0F, 1, 7)]
    return out + _use(rng, 1)


def _stack(rng: random.Random) -> list[Insn]:
    code, size = rng.choice((*LOADS, (0x79, 8), (0x79, 8)))
    off, how = -size * rng.randint(1, 24 // size), rng.random()
    if how < 0.5:
        return [Insn(code + 2, 10, rng.choice((*NUMBERS, 7 if size == 8 else 8)), off)]
    if how < 0.7:
        return [Insn(code + 1, 10, 0, off, rng.choice((0, 1, -1)))]
    return [Insn(code, rng.choice((1, 3, *NUMBERS)), 10, off)]


def _jump(rng: random.Random) -> list[Insn]:
    off = rng.randint(0, 7)
    if rng.random() < 0.7:
        return [Insn(rng.choice(JUMPS) | rng.choice((5, 6)), rng.choice(NUMBERS), 0, off, rng.randint(-3, 40))]
    return [Insn(rng.choice(JUMPS) | rng.choice((5, 6)) | 8, 8, 9, off)]


def _leak(rng: random.Random) -> list[Insn]:
    return [
        rng.choice(
            (
                Insn(0x7B, 7, 6, 0),
                Insn(0xBC, 8, 7),
                Insn(0xBF, 8, 7, 8),
                Insn(0x1F, 8, 7),
                Insn(0x15, 7, 0, 1, 5),
                Insn(0x1D, 7, 6, 1),
                Insn(0x1D, 8, 7, 1),
                Insn(0xDB, 7, 6, 0),
                Insn(0x87, 7),
                Insn(0xD4, 7, 0, 0, 64),
                Insn(0x0C, 7, 8),
                Insn(0x57, 7, 0, 0, 3),
                Insn(0x7B, 6, 8, 48),
                Insn(0x7B, 6, 7, 48),
            )
        )
    ]


def generate_limited(seed: int) -> tuple[Insn, ...]:
    """The program of this seed; it uses the two maps of MAPS."""
    rng = random.Random(seed)
    insns = [Insn(0xBF, 6, 1), Insn(0x61, 8, 6), Insn(0x57, 8, 0, 0, rng.choice(MASKS))]
    insns += [Insn(0xB7, 9, 0, 0, rng.randint(-1, 8)), Insn(0xB7, 3), *_lookup(rng)]
    if rng.random() < 0.8:
        insns += [Insn(0x7A, 10, 0, -8), Insn(0x7A, 10, 0, -16), Insn(0x7A, 10, 0, -24)]
    parts = (_number, _move, _number_moved, _stack, _jump, _leak, _lookup)
    for part in rng.choices(parts, weights=(30, 20, 6, 20, 25, 1, 4), k=rng.randint(4, 20)):
        insns += part(rng)
    insns += [Insn(0xB7, 0), Insn(0x95)]
    return jumps_inside(insns)
