# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The smallest program found that still shows the same difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from bpfvm.isa.insn import Insn
from tests.fuzz.verifier import code as c
from tests.fuzz.verifier.sample import Sample

MAX_TRIES: Final = 1500
Keeps = Callable[[Sample], bool]


def minimise(sample: Sample, keeps: Keeps) -> Sample:
    """Remove and simplify instructions while `keeps` says that the difference is still there."""
    tries = 0
    changed = True
    while changed and tries < MAX_TRIES:
        changed = False
        for smaller in _smaller(sample):
            tries += 1
            if tries >= MAX_TRIES:
                break
            if keeps(smaller):
                sample, changed = smaller, True
                break
    return sample


def _smaller(sample: Sample) -> Iterator[Sample]:
    if sample.every_state:
        yield replace(sample, every_state=False)
    if sample.strict:
        yield replace(sample, strict=False)
    insns = sample.insns
    count = len(insns) // 2
    while count:
        for first in range(len(insns) - count, -1, -1 if count == 1 else -count):
            if first not in c.middles(insns):
                yield replace(sample, insns=c.without(insns, first, count))
        count //= 2
    for i, insn in enumerate(insns):
        for simpler in _simpler(insn):
            if simpler != insn:
                yield replace(sample, insns=(*insns[:i], simpler, *insns[i + 1 :]))


def _simpler(insn: Insn) -> Iterator[Insn]:
    kind = insn.code & 7
    if kind in (1, 2, 3) and insn.off not in (0, -8):
        return
    if kind in (4, 7) and not insn.code & 8 and insn.imm not in (0, 1):
        yield insn._replace(imm=1)
    if c.is_jump(insn) and insn.code != c.CALL and insn.off > 1:
        yield insn._replace(off=1)
    if c.is_jump(insn) and insn.code not in (c.CALL, c.GOTO, c.GOTOL) and not insn.code & 8 and insn.imm not in (0, 1):
        yield insn._replace(imm=0)
