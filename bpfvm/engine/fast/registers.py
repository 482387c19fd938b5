# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Registers while a block is written: what is known of each Python local, and whether it has still to be cut to a word.

A result that may have left its word is *pending*: the local is right modulo 2**64 (or 2**32), and the mask is put where
a word is needed, which is often never. Between blocks no register that is still read is pending.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from bpfvm.engine.fast.flow import Item, writes
from bpfvm.engine.fast.live import ALL, reads
from bpfvm.engine.fast.ranges import FULL, Range, State, cut
from bpfvm.isa.word import U32_MAX, U64_MAX

MASK: Final = {64: f"{U64_MAX:#x}", 32: f"{U32_MAX:#x}"}
GROWTH: Final = 1 << 130
"""Pending values stay below this, so that Python's ints stay short."""
LOOKAHEAD: Final = 8
FORESIGHT: Final = 64
"""Instructions that are looked at to see whether a register is used again; beyond them it counts as used."""
_ATOM: Final = re.compile(r"r[0-9]|0x[0-9a-f]+")
_TOLERANT: Final = frozenset({"add", "sub", "mul", "neg"})


class Line(NamedTuple):
    """A line of generated source. slot: the instruction it belongs to; rest: how many of its block follow."""

    depth: int
    text: str
    slot: int
    rest: int = 0


class Operand(NamedTuple):
    """Source text of a value, and its range."""

    text: str
    range: Range


class Registers:
    """The registers of the block being written; `lines` is its text so far.

    A register that got a constant or a copy of another one is *lazy*: its text is used in its place, and it is assigned
    only before that text stops being right and at the end of the block.
    """

    def __init__(self, state: State, items: list[Item], live: int) -> None:
        self.range: list[Range] = list(state)
        self.pending = [0] * 11
        self._lazy: dict[int, str] = {}
        self.lines: list[Line] = []
        self._items = items
        self._live = live
        self._at = 0
        self._total = len(items)

    def start(self, index: int) -> None:
        """Go to the block's instruction number `index`."""
        self._at = index

    def put(self, text: str, depth: int = 0) -> None:
        """Write a line that belongs to the current instruction."""
        at = min(self._at, self._total - 1)
        slot = self._items[at].slot if self._items else -1
        self.lines.append(Line(depth, text, slot, max(self._total - at - 1, 0)))

    def word(self, reg: int) -> Operand:
        """The register as a word: a literal when it is known."""
        low, high = self.range[reg]
        if reg in self._lazy:
            return Operand(self._lazy[reg], (low, high))
        if self.pending[reg]:
            width = self.pending[reg]
            self.put(f"r{reg} &= {MASK[width]}")
            self.pending[reg] = 0
            low, high = self.range[reg] = cut((low, high), width)
        return Operand(f"{low:#x}" if low == high else f"r{reg}", (low, high))

    def loose(self, reg: int, width: int) -> Operand:
        """The register for an operation that doesn't mind a value outside of its word."""
        if not self.pending[reg] or (self.pending[reg] == 32 and width == 64):
            return self.word(reg)
        return Operand(f"r{reg}", self.range[reg])

    def low(self, reg: int) -> Operand:
        """The register's low 32 bits as a word."""
        found = self.loose(reg, 32)
        if found.range == cut(found.range, 32):
            return found
        return Operand(f"({found.text} & {MASK[32]})", (0, U32_MAX))

    def set(self, reg: int, text: str, found: Range, width: int = 64) -> None:
        """Assign; `found` is the range of `text`, whose value counts modulo 2**width."""
        if found == cut(found, width):
            self._assign(reg, text, found, 0)
        elif found[0] > -GROWTH and found[1] < GROWTH and self._tolerated(reg, width):
            self._assign(reg, text, found, width)
        else:
            self._assign(reg, f"{text} & {MASK[width]}", cut(found, width), 0)

    def _assign(self, reg: int, text: str, found: Range, pending: int) -> None:
        name = f"r{reg}"
        if text == name:
            return
        for other in [each for each, source in self._lazy.items() if source == name and each != reg]:
            if self._needed(other):
                self._materialise(other)
            else:
                del self._lazy[other]
                self.range[other] = FULL
        self._lazy.pop(reg, None)
        self.range[reg], self.pending[reg] = found, pending
        if not pending and _ATOM.fullmatch(text):
            self._lazy[reg] = text
        else:
            self.put(f"{name} = {text}")

    def _materialise(self, reg: int) -> None:
        self.put(f"r{reg} = {self._lazy.pop(reg)}")

    def _needed(self, reg: int) -> bool:
        """Is the register read after the current instruction, before it gets another value?"""
        for item in self._items[self._at + 1 : self._at + FORESIGHT]:
            if reads(item) >> reg & 1:
                return True
            if writes(item) == reg:
                return False
        return self._at + FORESIGHT < self._total or bool(self._live >> reg & 1)

    def _tolerated(self, reg: int, width: int) -> bool:
        """Will the next use of `reg` in this block do with a pending value?"""
        bit = 1 << reg
        for item in self._items[self._at + 1 : self._at + LOOKAHEAD]:
            if reads(item) & bit:
                return _takes_pending(item, reg, width)
            if writes(item) == reg:
                return True
        return self._at + LOOKAHEAD >= self._total and not self._live & bit

    def settle(self) -> None:
        """Assign, and make words of, all registers that are read after the block."""
        for reg in range(11):
            if self._live >> reg & 1:
                if reg in self._lazy:
                    self._materialise(reg)
                self.word(reg)

    def settle_all(self) -> None:
        """Assign, and make words of, all registers."""
        self._live = ALL
        self.settle()


def _takes_pending(item: Item, reg: int, width: int) -> bool:
    name, op, insn = item.op.name, item.op, item.insn
    if op.cls in ("alu", "alu64"):
        fits = width == 64 or op.width == 32
        if name == "and":
            return fits and op.operand == "imm" and insn.imm >= 0
        return fits and (name in _TOLERANT or (name == "lsh" and op.operand == "imm"))
    if width == 32:
        return name == "stx" and op.size <= 4 and insn.src == reg != insn.dst
    if name in ("ldx", "ldxs", "load_acquire", "st"):
        return True
    return name == "stx" and (insn.src != reg or op.size < 8)
