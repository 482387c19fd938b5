# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which definition a global name means in the result, and all symbols of the result.

A strong definition wins over weak ones, the first weak one over later ones, any definition over externs. The strictest
visibility and the strongest binding of all mentions hold (libbpf's linker_append_elf_sym, 1.7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bpfvm.elf import Symbol
from bpfvm.elf.model import SHN_LORESERVE, STB_GLOBAL, STB_LOCAL, STB_WEAK, STT_SECTION
from bpfvm.elf.writer import NewSymbol
from bpfvm.obj.linker.compat import check_compatible
from bpfvm.obj.linker.inputs import Input
from bpfvm.obj.linker.sections import Sections


@dataclass(slots=True)
class Global:
    """One global name: the mention that counts, and the binding and visibility of all mentions together."""

    source: Input
    symbol: Symbol
    bind: int
    visibility: int

    @property
    def is_extern(self) -> bool:
        return not self.symbol.section

    @property
    def type_id(self) -> int:
        """Its VAR or FUNC in its source."""
        return self.source.type_of(self.symbol)


@dataclass(slots=True)
class Symbols:
    """``all``: those of the result; ``places``: (input, symbol index) → index into ``all``; ``globals`` by name."""

    all: list[NewSymbol] = field(default_factory=list)
    places: dict[tuple[int, int], int] = field(default_factory=dict)
    globals: dict[str, Global] = field(default_factory=dict)


def merge_symbols(inputs: Sequence[Input], sections: Sections) -> Symbols:
    """Raises BadInput for names defined twice, and for mentions whose types contradict each other."""
    found = Symbols()
    for source in inputs:
        for symbol in source.globals():
            if _is_linked(source, symbol, sections):
                _mention(found.globals, source, symbol)
    global_places: dict[str, int] = {}
    section_places: dict[str, int] = {}
    for source in inputs:
        for symbol in source.elf.symbols[1:]:
            if not _is_linked(source, symbol, sections):
                continue
            once = global_places if symbol.bind != STB_LOCAL else section_places
            key = symbol.name if symbol.bind != STB_LOCAL else _section_of(source, symbol, sections)
            if key not in once or (symbol.bind == STB_LOCAL and symbol.type != STT_SECTION):
                found.all.append(_new(found, source, symbol, sections))
                if symbol.bind != STB_LOCAL or symbol.type == STT_SECTION:
                    once[key] = len(found.all) - 1
                found.places[source.number, symbol.index] = len(found.all) - 1
            else:
                found.places[source.number, symbol.index] = once[key]
    return found


def _is_linked(source: Input, symbol: Symbol, sections: Sections) -> bool:
    """Whether the symbol is undefined, special, or lies in a section that is in the result. Raises BadInput for a
    global one without a name."""
    if symbol.bind != STB_LOCAL and not symbol.name:
        raise source.bad(f"can't fetch symbol name for symbol #{symbol.index}", ".symtab", 24 * symbol.index)
    if not symbol.section:
        return symbol.bind != STB_LOCAL
    return symbol.section >= SHN_LORESERVE or (source.number, symbol.section) in sections.places


def _section_of(source: Input, symbol: Symbol, sections: Sections) -> str:
    return sections.places.get((source.number, symbol.section), ("", 0))[0]


def _mention(known: dict[str, Global], source: Input, symbol: Symbol) -> None:
    type_id = source.type_of(symbol)
    before = known.get(symbol.name)
    if before is None:
        known[symbol.name] = Global(source, symbol, symbol.bind, symbol.visibility)
        return
    defined = bool(symbol.section)
    if defined and not before.is_extern and STB_WEAK not in (before.symbol.bind, symbol.bind):
        text = f"conflicting non-weak symbol #{symbol.index} ({symbol.name}) definition in '{source.path}'"
        raise source.bad(f"{text}, after the one in '{before.source.path}'", ".symtab", 24 * symbol.index)
    check_compatible(symbol.name, before.source, before.type_id, source, type_id)
    before.visibility = max(before.visibility, symbol.visibility)
    if symbol.bind == STB_GLOBAL:
        before.bind = STB_GLOBAL
    if defined and (before.is_extern or symbol.bind == STB_GLOBAL):
        before.source, before.symbol = source, symbol


def _new(found: Symbols, source: Input, symbol: Symbol, sections: Sections) -> NewSymbol:
    bind, visibility = symbol.bind, symbol.visibility
    if symbol.bind != STB_LOCAL:
        chosen = found.globals[symbol.name]
        source, symbol, bind, visibility = chosen.source, chosen.symbol, chosen.bind, chosen.visibility
    if not symbol.section or symbol.section >= SHN_LORESERVE:
        return NewSymbol(symbol.name, symbol.value, symbol.size, symbol.type, bind, visibility, symbol.section)
    name, offset = sections.places[source.number, symbol.section]
    value = 0 if symbol.type == STT_SECTION else offset + symbol.value
    return NewSymbol(symbol.name, value, symbol.size, symbol.type, bind, visibility, sections.numbers[name])
