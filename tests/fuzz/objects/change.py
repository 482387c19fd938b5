# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Changes to a compiled program, larger than those of tests/fuzz/verifier/mutate.py: instructions put in from elsewhere
in it, calls exchanged, jumps sent somewhere else. Functions stay where their descriptions say they start."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from bpfvm.isa.insn import Insn
from bpfvm.obj.model import FuncInfo, Program
from tests.fuzz.verifier import code as c
from tests.fuzz.verifier.mutate import mutate

Change = Callable[[random.Random, Program], Program]
LONGEST_COPY = 4
"""instructions"""


def change(rng: random.Random, program: Program) -> Program:
    """One change; sometimes none, where what was drawn doesn't fit."""
    how = rng.choices((_small, _less, _more, _calls, _jump), (50, 12, 23, 8, 7))[0]
    return how(rng, program)


def inserted(insns: tuple[Insn, ...], at: int, new: tuple[Insn, ...]) -> tuple[Insn, ...]:
    """The program with instructions put before slot `at`; who jumps there goes through them."""

    def moved(slot: int) -> int:
        return slot if slot <= at else slot + len(new)

    out = []
    for i, insn in enumerate(insns):
        if i == at:
            out += new
        if c.is_jump(insn) or (insn.code == c.WIDE and insn.src == 4):
            here = i if i < at else i + len(new)
            insn = c.with_distance(insn, moved(i + 1 + c.distance_of(insn)) - here - 1)
        out.append(insn)
    return tuple(out)


def _moved(infos: tuple[FuncInfo, ...], at: int, by: int) -> tuple[FuncInfo, ...]:
    return tuple(replace(info, insn=info.insn + by) if info.insn > at else info for info in infos)


def _whole(insns: tuple[Insn, ...]) -> list[int]:
    """Slots at which an instruction starts."""
    inner = c.middles(insns)
    return [i for i in range(len(insns)) if i not in inner]


def _small(rng: random.Random, program: Program) -> Program:
    insns = mutate(rng, program.insns)
    several = len(program.func_info) > 1
    return program if several and len(insns) != len(program.insns) else replace(program, insns=insns)


def _less(rng: random.Random, program: Program) -> Program:
    insns = program.insns
    at = rng.choice(_whole(insns))
    if at in {info.insn for info in program.func_info} or len(insns) < 3:
        return program
    count = 1 + (insns[at].code == c.WIDE)
    return replace(program, insns=c.without(insns, at, 1), func_info=_moved(program.func_info, at, -count))


def _more(rng: random.Random, program: Program) -> Program:
    """A few instructions once more, somewhere else."""
    insns = program.insns
    whole = _whole(insns)
    at, first = rng.choice(whole), rng.choice(whole)
    last = first
    for _ in range(rng.randint(1, LONGEST_COPY)):
        if last >= len(insns) or c.is_jump(insns[last]) or insns[last].code == c.EXIT or insns[last].src == 4:
            break
        last += 1 + (insns[last].code == c.WIDE)
    new = insns[first:last]
    return replace(program, insns=inserted(insns, at, new), func_info=_moved(program.func_info, at, len(new)))


def _calls(rng: random.Random, program: Program) -> Program:
    """One helper or kernel function in place of another."""
    calls = [i for i, insn in enumerate(program.insns) if insn.code == c.CALL and insn.src in (0, 2)]
    if not calls:
        return program
    at, other = rng.choice(calls), program.insns[rng.choice(calls)]
    return replace(program, insns=(*program.insns[:at], other, *program.insns[at + 1 :]))


def _jump(rng: random.Random, program: Program) -> Program:
    """To anywhere in the same function."""
    insns = program.insns
    jumps = [i for i, insn in enumerate(insns) if c.is_jump(insn) and insn.code != c.CALL]
    if not jumps:
        return program
    at = rng.choice(jumps)
    starts = [0, *[info.insn for info in program.func_info], len(insns)]
    first, end = max(start for start in starts if start <= at), min(start for start in starts if start > at)
    target = rng.choice([slot for slot in _whole(insns) if first <= slot < end])
    return replace(program, insns=(*insns[:at], c.with_distance(insns[at], target - at - 1), *insns[at + 1 :]))
