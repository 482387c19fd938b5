# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Sections, symbols and relocations to the bytes of a BPF object file (ELF-64, gABI chapters 4 and 5)."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bpfvm.elf.model import STB_LOCAL, ElfReloc

SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_NOBITS, SHT_REL = 1, 2, 3, 8, 9
SHF_INFO_LINK = 0x40
_EM_BPF, _ET_REL = 247, 1
_EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
_SHDR = struct.Struct("<IIQQQQIIQQ")
_SYM = struct.Struct("<IBBHQQ")
_REL = struct.Struct("<QQ")


@dataclass(frozen=True, slots=True)
class NewSection:
    """A section to be written; ``size`` counts for NOBITS, which has no ``data``."""

    name: str
    type: int
    data: bytes = b""
    flags: int = 0
    align: int = 1
    size: int = 0
    link: int = 0
    info: int = 0
    entsize: int = 0


@dataclass(frozen=True, slots=True)
class NewSymbol:
    """A symbol to be written; ``section`` is an index into the written sections (from 1; 0: undefined) or special."""

    name: str
    value: int
    size: int
    type: int
    bind: int
    visibility: int
    section: int


class _Table:
    """A string table in the making."""

    def __init__(self) -> None:
        self.data = bytearray(b"\0")
        self._places: dict[str, int] = {"": 0}

    def add(self, text: str) -> int:
        if text not in self._places:
            self._places[text] = len(self.data)
            self.data += text.encode() + b"\0"
        return self._places[text]


def write_elf(
    sections: Sequence[NewSection], symbols: Sequence[NewSymbol], relocs: Mapping[int, Sequence[ElfReloc]]
) -> bytes:
    """A relocatable little-endian object. ``relocs``: section index → records, whose ``symbol`` is an index into
    ``symbols``."""
    names = _Table()
    order = sorted(range(len(symbols)), key=lambda index: symbols[index].bind != STB_LOCAL)
    number = {index: place for place, index in enumerate(order, 1)}
    symtab = len(sections) + 1
    tables = [NewSection("", 0), *sections, _symtab([symbols[index] for index in order], names, symtab + 1)]
    strtab_at = len(tables)
    tables.append(NewSection(".strtab", SHT_STRTAB))
    for index, records in relocs.items():
        data = b"".join(_REL.pack(each.offset, number[each.symbol] << 32 | each.type) for each in records)
        name = f".rel{sections[index - 1].name}"
        tables.append(NewSection(name, SHT_REL, data, SHF_INFO_LINK, 8, 0, symtab, index, _REL.size))
    offsets = [names.add(each.name) for each in tables]
    tables[strtab_at] = replace(tables[strtab_at], data=bytes(names.data))
    return _assemble(tables, offsets, strtab_at)


def _symtab(symbols: Sequence[NewSymbol], names: _Table, strtab: int) -> NewSection:
    records = [bytes(_SYM.size)]
    for each in symbols:
        info = each.bind << 4 | each.type
        records.append(_SYM.pack(names.add(each.name), info, each.visibility, each.section, each.value, each.size))
    first_global = 1 + sum(each.bind == STB_LOCAL for each in symbols)
    return NewSection(".symtab", SHT_SYMTAB, b"".join(records), 0, 8, 0, strtab, first_global, _SYM.size)


def _assemble(tables: Sequence[NewSection], names: Sequence[int], strtab: int) -> bytes:
    body = bytearray(_EHDR.size)
    headers = bytearray()
    for each, name in zip(tables, names, strict=True):
        body += bytes(-len(body) % max(1, each.align))
        size = each.size if each.type == SHT_NOBITS else len(each.data)
        place, align = (len(body), each.align) if each.type else (0, 0)
        headers += _SHDR.pack(*(name, each.type, each.flags, 0, place, size, each.link, each.info, align, each.entsize))
        body += each.data
    body += bytes(-len(body) % 8)
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = _EHDR.pack(
        ident, _ET_REL, _EM_BPF, 1, 0, 0, len(body), 0, _EHDR.size, 0, 0, _SHDR.size, len(tables), strtab
    )
    body[: _EHDR.size] = header
    return bytes(body + headers)
