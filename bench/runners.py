# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One program on one engine, in the kernel or natively, ready to be timed.

Times are seconds of processor time of the calling thread, because the machine may have other work to do. The kernel
measures its own runs, without the time it gave the processor away.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Callable, Sequence
from time import thread_time

from bench.build import place
from bpfvm.engine.choose import engine_class
from bpfvm.engine.image import Image
from bpfvm.engine.interp import Interpreter
from bpfvm.engine.jit import JitEngine, available
from bpfvm.engine.jit.effort import Tier
from bpfvm.engine.services import Engine
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
    return [name for name in wanted if name != "jit" or available()]


class OnEngine:
    """A program on one of our engines. The compiling engine has compiled it for speed, and repeats it with `batch`, as
    the kernel and the native program repeat it in machine code; the others go back to Python after each run."""

    def __init__(self, linked: Program, engine: str, checker: str = "off") -> None:
        memory = Memory(MEMORY_SIZE, checker=checker)
        steady = {"tier": "best"} if engine == "jit" else {}
        self._machine: Engine = engine_class(engine)(memory, NoServices(), **steady)
        self._image = place(linked, memory)
        self.result = self._machine.run(self._image, 0) & 0xFFFFFFFF

    def repeat(self, times: int) -> float:
        """Seconds that `times` runs take."""
        if not isinstance(self._machine, JitEngine):
            return self.one_by_one(times)
        batch, image, contexts = self._machine.batch, self._image, array("Q", bytes(8 * times))
        start = thread_time()
        batch(image, contexts)
        return thread_time() - start

    def one_by_one(self, times: int) -> float:
        """Seconds that `times` runs take, each called from Python."""
        run, image = self._machine.run, self._image
        start = thread_time()
        for _ in range(times):
            run(image, 0)
        return thread_time() - start


def native(function: Callable[[int], int]) -> Repeat:
    """The program compiled for this machine."""

    def repeat(times: int) -> float:
        start = thread_time()
        function(times)
        return thread_time() - start

    return repeat


def kernel(linked: Program) -> Repeat | None:
    """The program in the running kernel, by BPF_PROG_TEST_RUN; None where that can't be done."""
    if not kernel_oracle.available():
        return None
    maps = [kernel_oracle.MapSpec("array", 4, each.value_size, 1) for each in linked.maps]
    try:
        loaded = kernel_oracle.Loaded(encode(linked.insns), "socket_filter", maps=maps)
    except OSError:
        return None

    def repeat(times: int) -> float:
        run = loaded.run(repeat=times)
        if not run.ok:
            raise UsageError(f"the kernel doesn't run {linked.name}: errno {run.errno}")
        return float(run.duration_ns * times) / 1e9

    return repeat


class Compiling:
    """A program before its first run, on the compiling engine; `memory` is used again."""

    def __init__(self, linked: Program) -> None:
        self._linked = linked
        self._memory = Memory(MEMORY_SIZE)
        self._folder = tempfile.TemporaryDirectory(prefix="bpfvm-bench-")
        self._stored = place(linked, self._memory)
        self._made(self._folder.name, "best").prepare(self._stored)

    def _made(self, folder: str, tier: Tier | None) -> JitEngine:
        return JitEngine(self._memory, NoServices(), cache_dir=folder, tier=tier)

    def compile(self, tier: Tier) -> float:
        """Seconds until the program can be called."""
        return self._seconds(self._made("", tier), place(self._linked, self._memory))

    def reload(self) -> float:
        """The same when its code is on disk."""
        return self._seconds(self._made(self._folder.name, None), self._stored)

    @staticmethod
    def _seconds(machine: JitEngine, image: Image) -> float:
        start = thread_time()
        machine.prepare(image)
        return thread_time() - start


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
