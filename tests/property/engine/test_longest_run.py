# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""No run of a verified program takes more instructions than the verifier says; then a limit costs nothing."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

import verifier
from bpfvm.btf import Btf
from bpfvm.engine.choose import engine_class
from bpfvm.engine.image import Image, link_image
from bpfvm.engine.interp import Interpreter
from bpfvm.engine.jit import available
from bpfvm.errors import Trap
from bpfvm.isa.asm import asm
from bpfvm.isa.insn import Insn
from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec, Program
from tests.property.engine.engines import Kernel
from tests.property.engine.programs import Sample, sample
from thpmm import kernel_btf

PROGRAMS = 150
ENGINES = ("interp", "fast", *["jit"] * available())


@pytest.fixture(scope="module")
def btf() -> Btf:
    return kernel_btf()


def verified(insns: tuple[Insn, ...], btf: Btf, kind: str = "syscall") -> Image:
    program = Program(
        "made", kind, insns, sleepable=kind == "syscall", maps=(MapSpec("programs", "prog_array", 4, 4, 1),)
    )
    return link_image(verifier.verify(program, verifier.VerifierEnv(kernel_btf=btf)), [0], [0], abs)


def count(image: Image, context: bytes) -> int:
    """How many instructions a run takes."""
    memory, taken = Memory(1 << 18), 0

    def step(where: Image, slot: int, regs: Sequence[int]) -> None:
        nonlocal taken
        taken += 1

    machine = Interpreter(memory, Kernel())
    machine.on_insn = step
    at = memory.alloc(len(context))
    memory.write(at, context)
    machine.run(image, at)
    return taken


@pytest.mark.parametrize("first", range(0, PROGRAMS, 50))
def test_random_programs(first: int, btf: Btf) -> None:
    for seed in range(70_000 + first, 70_050 + first):
        made: Sample = sample(seed)
        image = verified(made.insns, btf)
        assert 0 < count(image, made.context) <= image.longest_run
        rng = random.Random(seed)
        for _ in range(3):
            assert count(image, rng.randbytes(len(made.context))) <= image.longest_run


LOOP = "r0 = *(u32 *)(r1 +0)\nr2 = 0\nr2 += 1\nif r0 > 7 goto +1\nr3 = 1\nif r2 != 1000 goto -4\nexit"


def test_a_loop_with_branches_inside(btf: Btf) -> None:
    image = verified(asm(LOOP), btf)
    assert 3000 < count(image, bytes(16)) <= image.longest_run < 20_000


@pytest.mark.parametrize("name", ENGINES)
def test_limits_that_a_run_can_not_reach_are_not_counted(name: str, btf: Btf) -> None:
    image = verified(asm(LOOP), btf)
    memory = Memory(1 << 18)
    options = {"cache_dir": "", "tier": "quick"} if name == "jit" else {}
    machine = engine_class(name)(memory, Kernel(), **options)
    at = memory.alloc(16)
    seen: list[int | None] = []
    machine.on_insn = lambda *_: seen.append(machine._fuel)
    machine.run(image, at, fuel=image.longest_run)
    if name != "jit":  # watched instructions are the interpreter's own
        assert set(seen) == {None}
    machine.on_insn = None
    assert machine.run(image, at, fuel=image.longest_run) == 0
    with pytest.raises(Trap, match="instruction limit"):
        machine.run(image, at, fuel=1000)


TAIL_CALL = "r2 = map[id:0]\nr3 = 0\ncall bpf_tail_call\nr0 = 0\nexit"


@pytest.mark.parametrize("text", ["r0 = 0\nmay_goto +0\nexit", TAIL_CALL], ids=["may_goto", "tail_call"])
def test_not_known(text: str, btf: Btf) -> None:
    assert verified(asm(text), btf, "xdp").longest_run == 0
