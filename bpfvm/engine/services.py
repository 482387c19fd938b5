# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What an engine needs from the kernel around it: memory, helpers and kfuncs, and what those get to see. And what all
engines have in common. For annotations only: nothing here is needed to run anything.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Protocol

from bpfvm.engine.image import Image
from bpfvm.engine.interp import OnInsn


class EngineMemory(Protocol):
    """Byte-addressed memory: unsigned little-endian values; `load` and `store` raise MemoryFault where nothing is."""

    def alloc(self, size: int, *, align: int = 8, what: str = "") -> int: ...
    def load(self, addr: int, size: int) -> int: ...
    def load_nofault(self, addr: int, size: int) -> int: ...
    def store(self, addr: int, size: int, value: int) -> None: ...


class CallFrame(Protocol):
    """The program that is calling a helper or kfunc."""

    @property
    def image(self) -> Image:
        """The calling program."""

    @property
    def memory(self) -> EngineMemory:
        """The memory its pointers point to."""

    def call(self, handle: int, *args: int) -> int:
        """Run the callback `handle` (what a ld_imm64 of a function gave) of the calling program; its r0 as u64."""

    def callers(self) -> list[tuple[Image, int]]:
        """All running frames, innermost first: the program, and the slot of the call it is in. Raises Unsupported in
        compiled code; images with `walks_stack` are never compiled."""


class Services(Protocol):
    """Kernel functions by number. Arguments are r1..r5 as u64, all five always; the result is taken modulo 2**64."""

    def helper(self, func_id: int, args: tuple[int, int, int, int, int], frame: CallFrame) -> int: ...

    def kfunc(self, btf_id: int, args: tuple[int, int, int, int, int], frame: CallFrame) -> int: ...


class Packet(Protocol):
    """Packet access of ld_abs and ld_ind; `ctx` is the program's context, as in r6."""

    def __call__(self, ctx: int, offset: int, size: int) -> int | None:
        """The `size` bytes at signed `offset` as a big-endian number, or None when outside the packet."""


class TailCalls(Protocol):
    """The program array lookup of bpf_tail_call."""

    def __call__(self, prog_array: int, index: int) -> Image | None:
        """The program at `index` (u32) of the map at address `prog_array`, or None if there is none."""


class Engine(Protocol):
    """What all engines have in common; `bpfvm.engine.interp.Interpreter` says what it means."""

    services: Services
    packet: Packet | None
    tail_calls: TailCalls | None
    on_insn: OnInsn | None
    may_goto_budget: int

    @property
    def frame(self) -> CallFrame: ...

    def run(self, image: Image, ctx: int, *, fuel: int | None = None) -> int: ...

    def batch(self, image: Image, contexts: Sequence[int]) -> array[int]: ...

    def call_func(self, image: Image, handle: int, args: Sequence[int]) -> int: ...
