# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Call chains: whose frames, from where, and what their addresses are called."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import pytest

from bpfvm.engine.fast import FastEngine
from bpfvm.engine.image import Image
from bpfvm.engine.interp import Interpreter
from bpfvm.engine.jit import JitEngine, available
from bpfvm.engine.services import CallFrame
from bpfvm.isa.asm import asm
from bpfvm.isa.helper_ids import HELPER_ID
from bpfvm.memory import Memory
from bpfvm.runtime import Runtime
from bpfvm.runtime.bprintf import format_text
from bpfvm.runtime.helpers import Args
from bpfvm.runtime.prog_text import BASE
from tests.unit.runtime.frames import call, put

ENGINES = (Interpreter, FastEngine, *[JitEngine] * available())
TASK = 7


def chain(runtime: Runtime, addr: int) -> list[int]:
    raw = runtime.memory.read(addr, 64)
    return [int.from_bytes(raw[at : at + 8], "little") for at in range(0, 64, 8)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("fuel", [None, 1000])
def test_frames_of_functions(engine: type[Interpreter], fuel: int | None) -> None:
    source = ["call outer", "exit", "outer: call inner", "r0 = 5", "exit"]
    source += ["inner: r2 = r1", "r3 = 64", "r4 = 0", "call bpf_get_stack", "exit"]
    image = Image.of_insns(asm("\n".join(source)), "whole", functions=((0, "main"), (2, ""), (5, "inner")))
    runtime = Runtime(Memory(1 << 20), None)
    buffer = put(runtime, bytes(64))
    for _ in range(3):
        assert engine(runtime.memory, runtime).run(image, buffer, fuel=fuel) == 5
        assert chain(runtime, buffer) == [BASE + 8 * slot for slot in (9, 3, 1)] + [0] * 5
    shown = format_text(runtime, b"%pB %pB %pB %ps", [*chain(runtime, buffer)[:3], BASE + 8])
    assert re.fullmatch(
        rb"bpf_prog_[0-9a-f]{16}_inner\+0x20/0x28 bpf_prog_[0-9a-f]{16}_whole\+0x8/0x18 "
        rb"bpf_prog_[0-9a-f]{16}_main\+0x8/0x10 bpf_prog_[0-9a-f]{16}_main",
        shown if isinstance(shown, bytes) else b"",
    )


def test_programs_have_addresses_of_their_own() -> None:
    runtime = Runtime(Memory(1 << 20), None)
    first, second = Image.of_insns(asm("r0 = 0\nexit"), "first"), Image.of_insns(asm("r0 = 1\nexit"), "second")
    assert (runtime.text.address(second, 1), runtime.text.address(first, 0)) == (BASE + 8, BASE + 4096)
    found = runtime.find_symbol(BASE + 4096 + 9)
    assert found is not None
    assert (found.name.split("_")[-1], found.offset, found.size) == ("first", 9, 16)
    for nowhere in (BASE - 1, BASE + 16, BASE + 4096 + 16):
        assert runtime.find_symbol(nowhere) is None


def test_stacks_of_tasks() -> None:
    runtime = Runtime(Memory(1 << 20), None)
    runtime.current = lambda: TASK
    buffer = put(runtime, b"x" * 64)
    assert call(runtime, "get_task_stack", TASK, buffer, 16, 0) == 8
    assert chain(runtime, buffer)[1] == 0
    assert call(runtime, "get_task_stack", TASK + 1, buffer, 16, 0) == 0
    assert call(runtime, "get_task_stack", TASK + 1, buffer, 16, 1) == -14
    assert call(runtime, "get_task_stack", TASK, buffer, 16, 1 << 8) == -14
    assert call(runtime, "get_task_stack", TASK, buffer, 16, 1 << 11) == -22


class Nesting(Runtime):
    """Runs something where a program asks for its CPU."""

    nested: Callable[[], int]

    def helper(self, func_id: int, args: Args, frame: CallFrame) -> int:
        is_nested = func_id == HELPER_ID["get_smp_processor_id"]
        return self.nested() if is_nested else super().helper(func_id, args, frame)


def test_compiled_programs_around_those_that_ask() -> None:
    """A tail call leads to a program whose frames are known; it runs a compiled one. All engines put the same frames
    into the same places."""
    source = "call inner\nexit\ninner:\nr6 = r1\n*(u64 *)(r6 +56) = r10\nr2 = r1\nr3 = 16\nr4 = 0\n"
    asks = Image.of_insns(asm(source + "call bpf_get_stack\nr1 = r6\ncall bpf_get_smp_processor_id\nr0 = 9\nexit"))
    leaf = Image.of_insns(asm("*(u64 *)(r10 -8) = 1\n*(u64 *)(r1 +48) = r10\nr0 = 0\nexit"))
    jumps = Image.of_insns(asm("r2 = 0\nr3 = 0\ncall bpf_tail_call\nr0 = 1\nexit"))
    seen = []
    for engine in ENGINES:
        runtime = Nesting(Memory(1 << 20), None)
        buffer = put(runtime, bytes(64))
        machine = engine(runtime.memory, runtime, tail_calls=lambda array, index: asks)
        runtime.nested = partial(machine.run, leaf, buffer)
        assert machine.run(jumps, buffer) == 9
        found = chain(runtime, buffer)
        assert found[:3] == [runtime.text.address(asks, 8), runtime.text.address(asks, 1), 0]
        seen.append(found[6:])
        assert machine.run(leaf, buffer) == 0
        seen.append(chain(runtime, buffer)[6:7])
    assert seen[2:] == seen[: len(seen) - 2]
