# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Where arena pointers lead: 4 GiB of addresses, of which only allocated pages are there (kernel/bpf/arena.c, 6.18).

A program holds the lower half of a user address; the engine adds where the window begins. An access that touches a page
which isn't there does nothing: a load gives 0, a store is dropped, an atomic operation leaves its registers alone
(arch/x86/net/bpf_jit_comp.c ex_handler_bpf, 6.18). Which pages are there stands in a table behind the window, one byte
a page, so that compiled code finds it.
"""

from __future__ import annotations

from bpfvm.isa.word import U64_MAX
from bpfvm.typed import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bpfvm.engine.services import EngineMemory

PAGE_SHIFT: Final = 12
WINDOW: Final = 1 << 32
GUARD: Final = 1 << 16
"""half on either side of the window: as far as an instruction's offset reaches"""
BEFORE: Final = GUARD >> 1
REACH: Final = WINDOW + GUARD
TABLE_SIZE: Final = REACH >> PAGE_SHIFT
AREA: Final = REACH + TABLE_SIZE
"""bytes of addresses that an arena needs; the window begins `BEFORE` bytes into them"""

NOT_THERE: Final = -1
"""instead of an address"""


def page_table(window: int) -> int:
    """Address of the byte for the first page in reach."""
    return window - BEFORE + REACH


class ArenaAccess:
    """Loads and stores of arena pointers in one memory."""

    __slots__ = ("_first", "_memory", "_table")

    def __init__(self, memory: EngineMemory, window: int) -> None:
        self._memory = memory
        self._first = window - BEFORE
        self._table = page_table(window)

    def find(self, pointer: int, size: int) -> int:
        """Kernel address of `size` bytes at a pointer (offset added, any integer), or NOT_THERE."""
        at = (pointer + BEFORE) & U64_MAX
        if at > REACH - size:
            return NOT_THERE
        load, table = self._memory.load_nofault, self._table
        there = load(table + (at >> PAGE_SHIFT), 1) and load(table + (at + size - 1 >> PAGE_SHIFT), 1)
        return self._first + at if there else NOT_THERE

    def load(self, pointer: int, size: int) -> int:
        """The value there, 0 when it isn't."""
        addr = self.find(pointer, size)
        return self._memory.load(addr, size) if addr != NOT_THERE else 0

    def store(self, pointer: int, size: int, value: int) -> None:
        """Store, if there is where to."""
        addr = self.find(pointer, size)
        if addr != NOT_THERE:
            self._memory.store(addr, size, value)
