# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""1,000 random programs on the interpreter and the fast engine; the nightly target has more (see `engines`)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import pytest

from bpfvm.engine.fast import FastEngine
from bpfvm.engine.fast.flow import build
from bpfvm.engine.fast.ranges import analyse
from bpfvm.engine.image import Image
from bpfvm.engine.interp import Interpreter
from bpfvm.errors import BpfvmError
from bpfvm.isa.insn import imm64
from bpfvm.memory import Memory
from tests.property.engine.engines import KINDS, Kernel, cases, difference
from tests.property.engine.programs import Sample

CHUNK = 50
PER_KIND = 500


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", range(0, PER_KIND, CHUNK))
def test_same_on_both_engines(kind: str, first: int) -> None:
    for case in cases(kind, range(first, first + CHUNK)):
        assert difference(case, (FastEngine,)) == "", case


def visits(made: Sample, name: str) -> int:
    """How often blocks of the program's first function were entered; every time `ranges` must have told the truth."""
    image = Image.of_insns(made.insns)
    flow = build(image, 0, split_calls=False)
    wides = {
        item.slot: imm64(item.insn, image.insns[item.slot + 1]) for item in flow.items if item.op.name == "ld_imm64"
    }
    states = analyse(flow, wides)
    memory = Memory(1 << 18)
    machine = Interpreter(memory, Kernel())
    count, wrong = 0, []

    def look(where: Image, slot: int, regs: Sequence[int]) -> None:
        nonlocal count
        if machine._depth == 1 and slot in states:
            count += 1
            wrong.extend((slot, reg) for reg, (low, high) in enumerate(states[slot]) if not low <= regs[reg] <= high)

    machine.on_insn = look
    at = memory.alloc(len(made.context))
    memory.write(at, made.context)
    with suppress(BpfvmError, AssertionError):  # wild programs trap, or call what this kernel doesn't have
        machine.run(image, at, fuel=300)
    assert wrong == [], name
    return count


@pytest.mark.parametrize("kind", KINDS)
def test_registers_stay_in_their_ranges(kind: str) -> None:
    assert sum(visits(case.made, str(case)) for case in cases(kind, range(2000, 2100))) > 500
