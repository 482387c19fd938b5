# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What an engine needs from the kernel around it: memory, helpers and kfuncs, and what those get to see."""

from __future__ import annotations

from typing import Protocol

from bpfvm.engine.image import Image


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
