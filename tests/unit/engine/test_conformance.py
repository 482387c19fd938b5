# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The interpreter on the conformance data, and the data on the instruction table."""

from __future__ import annotations

import pytest

from bpfvm.engine.image import Image
from bpfvm.engine.interp import Interpreter
from bpfvm.engine.services import CallFrame
from bpfvm.errors import Trap, UsageError
from bpfvm.isa.insn import Insn
from bpfvm.isa.table import OPS, op_of
from bpfvm.memory import Memory
from tests.conformance.isa.cases import Case, all_cases

CASES = all_cases()
NEEDS_MORE = {"call", "callx", "call_kfunc", "addr_space_cast", "ld_imm64"}
"""Operations that need a kernel or an arena around them: see test_interp.py, test_callx.py."""


class NoServices:
    """A kernel without functions."""

    def helper(self, func_id: int, args: tuple[int, ...], frame: CallFrame) -> int:
        raise AssertionError(f"helper {func_id}")

    def kfunc(self, btf_id: int, args: tuple[int, ...], frame: CallFrame) -> int:
        raise AssertionError(f"kfunc {btf_id}")


@pytest.fixture(scope="module")
def machine() -> Interpreter:
    return Interpreter(Memory(1 << 20), NoServices())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(machine: Interpreter, case: Case) -> None:
    memory = machine.memory
    assert isinstance(memory, Memory)
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
            machine.run(Image.of_insns(case.insns), base, fuel=1000)
        assert case.error in str(caught.value)
        return
    assert machine.run(Image.of_insns(case.insns), base, fuel=1000) == case.r0
    if case.after is not None:
        assert memory.read(base, len(case.mem)) == case.after


def test_data_has_every_instruction() -> None:
    met = {op_of(insn) for case in CASES for insn in case.insns if insn != Insn(0)}
    missing = {op for op in OPS if op.name not in NEEDS_MORE} - met
    assert [op.text for op in missing] == []
