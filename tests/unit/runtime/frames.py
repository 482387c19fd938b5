# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A calling program made of Python functions: what helpers see of the engine."""

from __future__ import annotations

from collections.abc import Callable

from bpfvm.engine.image import Image
from bpfvm.isa.helper_ids import HELPER_ID
from bpfvm.isa.word import U64_MAX, s64
from bpfvm.memory import Memory
from bpfvm.runtime import Runtime
from bpfvm.runtime.helpers import Args
from bpfvm.runtime.kfuncs import KFUNCS


class PythonFrame:
    """Callbacks are called by their handle, 1 … n."""

    def __init__(self, memory: Memory, *callbacks: Callable[..., int]) -> None:
        self.image = Image.of_insns(())
        self.memory = memory
        self.callbacks = callbacks

    def call(self, handle: int, *args: int) -> int:
        return self.callbacks[handle - 1](*args)

    def callers(self) -> list[tuple[Image, int]]:
        return [(self.image, 0)]


def call(runtime: Runtime, name: str, *args: int, callbacks: tuple[Callable[..., int], ...] = ()) -> int:
    """Call a helper by name; r0 as a signed number."""
    return s64(runtime.helper(HELPER_ID[name], _five(args), PythonFrame(runtime.memory, *callbacks)))


def call_kfunc(runtime: Runtime, name: str, *args: int) -> int:
    """Call a kernel function by its whole name; r0 as a signed number."""
    return s64(KFUNCS[name](runtime, _five(args), PythonFrame(runtime.memory)))


def _five(args: tuple[int, ...]) -> Args:
    one, two, three, four, five = [each & U64_MAX for each in (*args, 0, 0, 0, 0, 0)[:5]]
    return one, two, three, four, five


def put(runtime: Runtime, data: bytes) -> int:
    """Address of these bytes."""
    addr = runtime.memory.alloc(max(len(data), 1))
    runtime.memory.write(addr, data)
    return addr
