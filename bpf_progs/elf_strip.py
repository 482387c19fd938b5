# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Drop the DWARF sections of a relocatable BPF object: loaders read BTF, and DWARF is four fifths of the file.

What `llvm-strip --strip-debug` does, for the one shape clang writes (ELF64, little-endian, ET_REL, SHT_REL or
SHT_RELA). zig ships no objcopy for objects. Sections that stay keep their order; section and symbol numbers are
rewritten in headers, symbols and relocations.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

_EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
_SHDR = struct.Struct("<IIQQQQIIQQ")
_SYM = struct.Struct("<IBBHQQ")
_SHT_SYMTAB, _SHT_RELA, _SHT_NOBITS, _SHT_REL = 2, 4, 8, 9
_SHN_LORESERVE = 0xFF00
_UNWANTED = (".debug_", ".llvm_addrsig")
_RELOCATIONS = ("", ".rel", ".rela")


@dataclass(frozen=True)
class _Section:
    """A section header (field names of elf(5)) with its bytes."""

    name: str
    sh_name: int
    sh_type: int
    sh_flags: int
    sh_size: int
    sh_link: int
    sh_info: int
    sh_addralign: int
    sh_entsize: int
    data: bytes


def strip_debug(elf: bytes) -> bytes:
    """The same object without DWARF. ValueError if it is not a little-endian ELF64 relocatable file."""
    ehdr = _header(elf)
    sections = _read_sections(elf, ehdr)
    kept = [i for i, s in enumerate(sections) if not _is_debug(s.name)]
    new_index = {old: new for new, old in enumerate(kept)}
    symtab = next(i for i in kept if sections[i].sh_type == _SHT_SYMTAB)
    symbols, new_symbol, locals_ = _renumber_symbols(sections[symtab], new_index)
    out = []
    for i in kept:
        section = sections[i]
        info = section.sh_info
        if i == symtab:
            section, info = replace(section, data=symbols, sh_size=len(symbols)), locals_
        elif section.sh_type in (_SHT_REL, _SHT_RELA):
            section = replace(section, data=_renumber_relocations(section, new_symbol))
            info = new_index[info]
        out.append(replace(section, sh_link=new_index.get(section.sh_link, 0), sh_info=info))
    return _write(ehdr, out, new_index[ehdr[13]])


def replace_sections(elf: bytes, contents: Mapping[str, bytes]) -> bytes:
    """The object with other bytes in the sections named. ValueError as for `strip_debug`."""
    ehdr = _header(elf)
    sections = [
        replace(s, data=contents[s.name], sh_size=len(contents[s.name])) if s.name in contents else s
        for s in _read_sections(elf, ehdr)
    ]
    return _write(ehdr, sections, ehdr[13])


def read_section(elf: bytes, name: str) -> bytes:
    """The bytes of the first section with this name. KeyError if there is none."""
    for section in _read_sections(elf, _EHDR.unpack_from(elf)):
        if section.name == name:
            return section.data
    raise KeyError(name)


def has_section(elf: bytes, name: str) -> bool:
    """Is there a section with this name?"""
    return any(section.name == name for section in _read_sections(elf, _EHDR.unpack_from(elf)))


def _header(elf: bytes) -> tuple[Any, ...]:
    ehdr = _EHDR.unpack_from(elf)
    if ehdr[0][:6] != b"\x7fELF\x02\x01" or ehdr[1] != 1:
        raise ValueError("not a little-endian ELF64 relocatable file")
    return ehdr


def _is_debug(name: str) -> bool:
    return any(name.startswith(rel + unwanted) for rel in _RELOCATIONS for unwanted in _UNWANTED)


def _read_sections(elf: bytes, ehdr: tuple[int, ...]) -> list[_Section]:
    headers = [_SHDR.unpack_from(elf, ehdr[6] + i * _SHDR.size) for i in range(ehdr[12])]
    names = headers[ehdr[13]]
    strings = elf[names[4] : names[4] + names[5]]
    sections = []
    for sh_name, sh_type, flags, _addr, offset, size, link, info, align, entsize in headers:
        name = strings[sh_name : strings.index(0, sh_name)].decode()
        data = b"" if sh_type == _SHT_NOBITS else elf[offset : offset + size]
        sections.append(_Section(name, sh_name, sh_type, flags, size, link, info, align, entsize, data))
    return sections


def _renumber_symbols(symtab: _Section, new_index: dict[int, int]) -> tuple[bytes, dict[int, int], int]:
    """The symbols of sections that stay; old symbol number -> new; how many of them are local."""
    out = bytearray()
    numbers: dict[int, int] = {}
    locals_ = 0
    for old, (name, info, other, shndx, value, size) in enumerate(_SYM.iter_unpack(symtab.data)):
        if shndx < _SHN_LORESERVE and shndx not in new_index:
            continue
        numbers[old] = len(numbers)
        out += _SYM.pack(name, info, other, new_index.get(shndx, shndx), value, size)
        locals_ += old < symtab.sh_info
    return bytes(out), numbers, locals_


def _renumber_relocations(section: _Section, new_symbol: dict[int, int]) -> bytes:
    out = bytearray(section.data)
    for at in range(0, len(out), section.sh_entsize):
        (info,) = struct.unpack_from("<Q", out, at + 8)
        struct.pack_into("<Q", out, at + 8, new_symbol[info >> 32] << 32 | info & 0xFFFFFFFF)
    return bytes(out)


def _write(ehdr: tuple[int, ...], sections: list[_Section], shstrndx: int) -> bytes:
    body, headers = bytearray(_EHDR.size), bytearray()
    for s in sections:
        align = max(s.sh_addralign, 1)
        body += bytes(-len(body) & (align - 1))
        offset = len(body) if s.sh_type else 0
        headers += _SHDR.pack(
            s.sh_name, s.sh_type, s.sh_flags, 0, offset, s.sh_size, s.sh_link, s.sh_info, s.sh_addralign, s.sh_entsize
        )
        body += s.data
    body += bytes(-len(body) & 7)
    fields = list(ehdr)
    fields[6], fields[12], fields[13] = len(body), len(sections), shstrndx
    _EHDR.pack_into(body, 0, *fields)
    return bytes(body + headers)
