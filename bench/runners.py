# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One program on one engine, ready to be timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter

from bench.build import place
from bpfvm.engine.choose import Engine, engine_class
from bpfvm.engine.image import Image
from bpfvm.engine.interp import Interpreter
from bpfvm.errors import UsageError
from bpfvm.isa.insn import encode
from bpfvm.memory import Memory
from bpfvm.obj.model import Program
from tests import kernel_oracle

MEMORY_SIZE = 4 << 20
Repeat = Callable[[int], float]
"""Seconds that so many runs take."""


class NoServices:
    """The programs call no function of the kernel."""

    def helper(self, func_id: int, args: tuple[int, ...], frame: object) -> int:
        raise AssertionError(f"helper {func_id}")

    def kfunc(self, btf_id: int, args: tuple[int, ...], frame: object) -> int:
        raise AssertionError(f"kfunc {btf_id}")


def engines(wanted: Sequence[str]) -> list[str]:
    """Those of `wanted` that can be had here."""
    found = []
    for name in wanted:
        try:
            engine_class(name)
        except UsageError:
            continue
        found.append(name)
    return found


class OnEngine:
    """A program on one of our engines. compile_ms: the first run's time beyond the second's."""

    def __init__(self, linked: Program, engine: str, checker: str = "off") -> None:
        memory = Memory(MEMORY_SIZE, checker=checker)
        self._machine: Engine = engine_class(engine)(memory, NoServices())
        self._image = place(linked, memory)
        first, self.result = self._timed()
        second, _ = self._timed()
        self.compile_ms = max(first - second, 0) * 1e3

    def _timed(self) -> tuple[float, int]:
        start = perf_counter()
        result = self._machine.run(self._image, 0)
        return perf_counter() - start, result & 0xFFFFFFFF

    def repeat(self, times: int) -> float:
        """Seconds that `times` runs take, called one by one from Python."""
        run, image = self._machine.run, self._image
        start = perf_counter()
        for _ in range(times):
            run(image, 0)
        return perf_counter() - start


def native(function: Callable[[int], int]) -> Repeat:
    """The program compiled for this machine."""

    def repeat(times: int) -> float:
        start = perf_counter()
        function(times)
        return perf_counter() - start

    return repeat


def kernel(linked: Program) -> Repeat | None:
    """The program in the running kernel, by BPF_PROG_TEST_RUN; None where that can't be done."""
    if not kernel_oracle.available():
        return None
    maps = [kernel_oracle.MapSpec("array", 4, each.value_size, 1) for each in linked.maps]
    code = encode(linked.insns)

    def repeat(times: int) -> float:
        run = kernel_oracle.test_run(code, "socket_filter", repeat=times, maps=maps)
        if not run.ok:
            raise UsageError(f"the kernel doesn't run {linked.name}: errno {run.errno}: {run.log[-300:]}")
        return float(run.duration_ns * times) / 1e9

    try:
        repeat(1)
    except UsageError:
        return None
    return repeat


def instructions(linked: Program) -> int:
    """How many instructions one run executes."""
    memory = Memory(MEMORY_SIZE)
    machine, count = Interpreter(memory, NoServices()), 0

    def step(image: Image, slot: int, regs: Sequence[int]) -> None:
        nonlocal count
        count += 1

    machine.on_insn = step
    machine.run(place(linked, memory), 0)
    return count
