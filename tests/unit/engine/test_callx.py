# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""callx on every engine: raw programs call the helper whose number is in a register; verified ones can't have it."""

from __future__ import annotations

import pytest

from bpfvm.engine.choose import engine_class
from bpfvm.engine.image import Image
from bpfvm.engine.jit import available
from bpfvm.engine.services import CallFrame, Engine
from bpfvm.errors import Trap
from bpfvm.isa.asm import asm
from bpfvm.memory import Memory

NAMES = ["interp", "fast", pytest.param("jit", marks=pytest.mark.skipif(not available(), reason="no llvmlite"))]
PROGRAM = asm("r1 = 10\nr2 = 20\nr3 = 30\nr4 = 40\nr5 = 50\nr6 = 0x700000005 ll\ncallx r6\nr0 += 1\nexit")


class Kernel:
    """Every helper and its arguments, as a number."""

    def helper(self, func_id: int, args: tuple[int, ...], frame: CallFrame) -> int:
        return func_id * 1000 + sum(args)

    def kfunc(self, btf_id: int, args: tuple[int, ...], frame: CallFrame) -> int:
        raise AssertionError(btf_id)


@pytest.fixture(params=NAMES)
def machine(request: pytest.FixtureRequest) -> Engine:
    options = {"cache_dir": "", "tier": "quick"} if request.param == "jit" else {}
    return engine_class(request.param)(Memory(1 << 20), Kernel(), **options)


@pytest.mark.parametrize("fuel", [None, 100])
def test_raw_program(machine: Engine, fuel: int | None) -> None:
    assert machine.run(Image.of_insns(PROGRAM), 0, fuel=fuel) == 5151


def test_verified_program(machine: Engine) -> None:
    with pytest.raises(Trap, match=r"callx \(call of an address in a register\) is not supported"):
        machine.run(Image.of_insns(PROGRAM, verified=True), 0)
