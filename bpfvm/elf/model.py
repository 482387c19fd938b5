# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A BPF object file as plain values: sections, symbols, relocations (ELF-64, gABI chapters 4 and 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bpfvm.errors import BadInput

SHF_EXECINSTR = 4
SHN_UNDEF = 0
SHN_LORESERVE = 0xFF00

STB_LOCAL, STB_GLOBAL, STB_WEAK = 0, 1, 2
STT_NOTYPE, STT_OBJECT, STT_FUNC, STT_SECTION = 0, 1, 2, 3
STV_INTERNAL, STV_HIDDEN = 1, 2


@dataclass(frozen=True, slots=True)
class Section:
    """One section. ``data`` views the file's bytes (no copy); empty for NOBITS, whose length is ``size`` alone."""

    index: int
    name: str
    kind: str
    """"PROGBITS", "NOBITS", "REL" … (sh_type without its SHT_); "0x…" when it has no name"""
    flags: int
    offset: int
    size: int
    link: int
    info: int
    entsize: int
    data: memoryview = field(repr=False)
    align: int = 1

    @property
    def executable(self) -> bool:
        return bool(self.flags & SHF_EXECINSTR)


@dataclass(frozen=True, slots=True)
class Symbol:
    """One symbol; ``section`` is the index of the section it lies in (0: undefined, ≥ 0xff00: special)."""

    index: int
    name: str
    value: int
    size: int
    type: int
    bind: int
    visibility: int
    section: int

    @property
    def is_extern(self) -> bool:
        """Whether another object (or the kernel) must supply it."""
        return self.section == SHN_UNDEF and self.bind in (STB_GLOBAL, STB_WEAK) and self.type == STT_NOTYPE

    @property
    def hidden(self) -> bool:
        return self.visibility in (STV_HIDDEN, STV_INTERNAL)


@dataclass(frozen=True, slots=True)
class ElfReloc:
    """One REL record: patch the place at ``offset`` of its section with symbol number ``symbol``."""

    offset: int
    symbol: int
    type: int


@dataclass(frozen=True, slots=True)
class ElfObject:
    """An object file. ``relocs`` is keyed by the index of the section that is relocated.

    ``big_endian``: numbers in the sections' bytes are; symbols and relocations are read already.
    """

    path: str
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]
    relocs: Mapping[int, tuple[ElfReloc, ...]]
    big_endian: bool = False

    def section(self, name: str) -> Section | None:
        """The first section with this name."""
        return next((s for s in self.sections if s.name == name), None)

    def section_at(self, index: int) -> Section:
        """The section with this index. Raises BadInput when there is none."""
        if not 0 <= index < len(self.sections):
            raise BadInput(f"section index {index} is out of range (there are {len(self.sections)})", path=self.path)
        return self.sections[index]

    def symbol_at(self, index: int, section: str, offset: int) -> Symbol:
        """The symbol that the relocation at ``offset`` of ``section`` names. Raises BadInput when there is none."""
        if not 0 <= index < len(self.symbols):
            message = f"relocation names symbol #{index}, but there are {len(self.symbols)}"
            raise BadInput(message, path=self.path, section=section, offset=offset)
        return self.symbols[index]

    def symbol_name(self, symbol: Symbol) -> str:
        """The symbol's name; for a section symbol the section's."""
        if symbol.name or symbol.type != STT_SECTION:
            return symbol.name
        return self.section_at(symbol.section).name
