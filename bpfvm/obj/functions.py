# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The functions of an object file's code sections, before they become programs and subprograms."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from bpfvm.elf import ElfObject, Section
from bpfvm.elf.model import STB_LOCAL, STT_FUNC, Symbol
from bpfvm.errors import BadInput
from bpfvm.obj.layout import Layout

INSN_SIZE = 8


@dataclass(frozen=True, slots=True)
class Function:
    """A function symbol: ``start`` and ``count`` are in 8-byte slots of its section; ``key``: its name, made unique."""

    key: str
    name: str
    section: Section
    start: int
    count: int
    is_subprog: bool
    hidden: bool

    @property
    def code(self) -> memoryview:
        return self.section.data[self.start * INSN_SIZE : (self.start + self.count) * INSN_SIZE]


@dataclass(frozen=True, slots=True)
class Functions:
    """All functions, ordered by section and start, with look-up by place."""

    all: tuple[Function, ...]
    _places: list[tuple[int, int]] = field(default_factory=list, repr=False)

    def __iter__(self) -> Iterator[Function]:
        return iter(self.all)

    def at(self, section: int, slot: int) -> Function | None:
        """The function of section number ``section`` that contains ``slot``."""
        index = bisect_right(self._places, (section, slot)) - 1
        if index < 0:
            return None
        found = self.all[index]
        inside = found.section.index == section and found.start <= slot < found.start + found.count
        return found if inside else None


def find_functions(elf: ElfObject, parts: Layout) -> Functions:
    """Collect function symbols of code sections (libbpf's bpf_object__add_programs). Raises BadInput."""
    code = {section.index: section for section in parts.code}
    text = parts.text.index if parts.text else -1
    symbols = [s for s in elf.symbols if s.type == STT_FUNC and s.section in code]
    symbols.sort(key=lambda s: (s.section, s.value))
    found: list[Function] = []
    taken: set[str] = set()
    for symbol in symbols:
        section = code[symbol.section]
        _check(symbol, section, symbol.section == text, elf.path)
        key = symbol.name if symbol.name not in taken else f"{symbol.name}@{section.name}+{symbol.value:#x}"
        taken.add(key)
        # a lone function in .text is an entry program, as libbpf allows for old objects
        is_subprog = symbol.section == text and len(symbols) > 1
        start, count = symbol.value // INSN_SIZE, symbol.size // INSN_SIZE
        hidden = symbol.hidden and symbol.bind != STB_LOCAL
        found.append(Function(key, symbol.name, section, start, count, is_subprog, hidden))
    return Functions(tuple(found), [(f.section.index, f.start) for f in found])


def _check(symbol: Symbol, section: Section, in_text: bool, path: str) -> None:
    problem = ""
    if symbol.value + symbol.size > section.size:
        problem = f"program '{symbol.name}' crosses section boundary"
    elif not in_text and symbol.bind == STB_LOCAL:
        problem = f"program '{symbol.name}' is static and not supported"
    elif not symbol.size or symbol.size % INSN_SIZE or symbol.value % INSN_SIZE:
        problem = f"corrupted program '{symbol.name}', offset {symbol.value}, size {symbol.size}"
    if problem:
        raise BadInput(problem, path=path, section=section.name, offset=symbol.value)
