# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A calling program made of Python functions: what helpers see of the engine."""

from __future__ import annotations

from collections.abc import Callable

from bpfvm.engine.image import Image
from bpfvm.isa.helper_ids import HELPER_ID
from bpfvm.isa.word import s64
from bpfvm.memory import Memory
from bpfvm.runtime import Runtime


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
    padded = tuple(each & (1 << 64) - 1 for each in (*args, 0, 0, 0, 0, 0))[:5]
    return s64(runtime.helper(HELPER_ID[name], padded, PythonFrame(runtime.memory, *callbacks)))


def put(runtime: Runtime, data: bytes) -> int:
    """Address of these bytes."""
    addr = runtime.memory.alloc(max(len(data), 1))
    runtime.memory.write(addr, data)
    return addr
