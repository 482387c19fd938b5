# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The conformance data on the fast engine: counted and not, with each checker."""

from __future__ import annotations

import pytest

from bpfvm.engine.fast import FastEngine
from bpfvm.engine.image import Image
from bpfvm.errors import Trap, UsageError
from bpfvm.memory import Memory
from tests.conformance.isa.cases import Case, all_cases
from tests.unit.engine.test_conformance import NoServices

CASES = all_cases()


def run(case: Case, checker: str, fuel: int | None) -> None:
    memory = Memory(1 << 20, checker=checker)
    machine = FastEngine(memory, NoServices())
    base = memory.alloc(max(len(case.mem), 1), what="context")
    memory.write(base, case.mem)
    packet = case.packet

    def load(ctx: int, offset: int, size: int) -> int | None:
        assert ctx == base and packet is not None
        piece = packet[offset : offset + size] if offset >= 0 else b""
        return int.from_bytes(piece, "big") if len(piece) == size else None

    machine.packet = load if packet is not None else None
    if case.error:
        with pytest.raises((Trap, UsageError)) as caught:
            machine.run(Image.of_insns(case.insns), base, fuel=fuel)
        assert case.error in str(caught.value)
        return
    assert machine.run(Image.of_insns(case.insns), base, fuel=fuel) == case.r0
    if case.after is not None:
        assert memory.read(base, len(case.mem)) == case.after


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    run(case, "off", 1000)
    if "limit" not in case.error:
        run(case, "kasan", None)
