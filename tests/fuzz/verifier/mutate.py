# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Small changes to a program: an instruction less, another operand, another size."""

from __future__ import annotations

import random
from collections.abc import Callable

from bpfvm.isa.insn import Insn
from bpfvm.isa.word import U32_MAX, s32
from tests.fuzz.verifier import code as c
from tests.fuzz.verifier.generate import EDGES

Change = Callable[[random.Random, Insn], Insn]


def _registers(rng: random.Random, insn: Insn) -> Insn:
    if insn.code & 7 in (4, 5, 6, 7) and not insn.code & 8:
        return insn._replace(dst=rng.randrange(10))
    return insn._replace(dst=rng.randrange(10)) if rng.random() < 0.5 else insn._replace(src=rng.randrange(11))


def _offset(rng: random.Random, insn: Insn) -> Insn:
    if insn.code & 7 not in (1, 2, 3):
        return insn
    return insn._replace(off=max(-32768, min(32767, insn.off + rng.choice((-8, -4, -1, 1, 4, 8, 16)))))


def _imm(rng: random.Random, insn: Insn) -> Insn:
    kind = insn.code & 7
    by_reg = insn.code & 8 and kind in (4, 5, 6, 7)
    if by_reg or kind in (0, 1) or insn.code in (c.CALL, c.EXIT, c.GOTO, c.GOTOL):
        return insn
    if kind == 3 and insn.code & 0xE0 != 0xC0:
        return insn
    return insn._replace(imm=s32(rng.choice((insn.imm + 1, insn.imm - 1, rng.choice(EDGES))) & U32_MAX))


def _size(rng: random.Random, insn: Insn) -> Insn:
    if insn.code & 7 not in (1, 2, 3):
        return insn
    return insn._replace(code=insn.code & ~0x18 | rng.choice((0, 8, 0x10, 0x18)))


def _operation(rng: random.Random, insn: Insn) -> Insn:
    kind = insn.code & 7
    if kind in (4, 7) and insn.code & 0xF0 <= 0xC0:
        return insn._replace(code=insn.code & 0x0F | rng.choice(tuple(c.ALU.values())))
    if kind in (5, 6) and insn.code & 0xF0 in c.JUMP.values():
        return insn._replace(code=insn.code & 0x0F | rng.choice(tuple(c.JUMP.values())))
    return insn


def _width(rng: random.Random, insn: Insn) -> Insn:
    del rng
    kind = insn.code & 7
    if kind in (4, 7):
        return insn._replace(code=insn.code ^ 3)
    if kind in (5, 6) and insn.code & 0xF0 in c.JUMP.values():
        return insn._replace(code=insn.code ^ 3)
    return insn


def _target(rng: random.Random, insn: Insn) -> Insn:
    if not c.is_jump(insn) or insn.code == c.CALL:
        return insn
    return c.with_distance(insn, c.distance(insn) + rng.choice((-3, -2, -1, 1, 2, 3)))


CHANGES: tuple[Change, ...] = (_registers, _offset, _offset, _imm, _imm, _size, _operation, _width, _target)


def mutate(rng: random.Random, insns: tuple[Insn, ...]) -> tuple[Insn, ...]:
    """One to three changes."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        insns = _once(rng, insns)
    return insns


def _once(rng: random.Random, insns: tuple[Insn, ...]) -> tuple[Insn, ...]:
    inner = c.middles(insns)
    whole = [i for i, insn in enumerate(insns) if i not in inner and insn.code != c.WIDE]
    at = rng.choice(whole)
    how = rng.random()
    if how < 0.25 and len(whole) > 2:
        return c.without(insns, at, 1)
    if how < 0.32 and at + 1 in whole and not c.is_jump(insns[at]) and not c.is_jump(insns[at + 1]):
        return (*insns[:at], insns[at + 1], insns[at], *insns[at + 2 :])
    for _ in range(8):
        changed = rng.choice(CHANGES)(rng, insns[at])
        if changed != insns[at]:
            return (*insns[:at], changed, *insns[at + 1 :])
        at = rng.choice(whole)
    return insns
