# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The one door to pyelftools: bytes of an object file to ``ElfObject``.

pyelftools decodes the file header and the section headers; strings, symbols and relocations are fixed-size records that
are read here, each length checked against the file first. Whatever pyelftools raises on hostile bytes ends as BadInput.
"""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

from bpfvm.elf.model import ElfObject, ElfReloc, Section, Symbol
from bpfvm.errors import BadInput

MAX_FILE = 256 << 20
MAX_SECTIONS = 1 << 16
MAX_SHARING = 16
"""how often, on average, a byte of a string table may be part of a name"""
_EHDR_SIZE = 64
_SHDR_SIZE = 64
_SYM = struct.Struct("<IBBHQQ")
_REL = struct.Struct("<QQ")
_BIG_SYM = struct.Struct(">IBBHQQ")
_BIG_REL = struct.Struct(">QQ")
_NOT_RELOCATED = (".rel.debug_", ".rel.BTF")
"""relocations that nobody here needs, and that are most of them"""
_SHT_NAME_PREFIX = "SHT_"


def read_elf(data: bytes, path: str) -> ElfObject:
    """Parse a 64-bit BPF object file. ``path`` is only for messages. Raises BadInput."""
    _check_ident(data, path)
    header, raw_sections = _headers(data, path)
    _check_header(header, path)
    big = header["e_ident"]["EI_DATA"] != "ELFDATA2LSB"
    names = _Strings(_section_names(data, header, raw_sections, path), path)
    start = header["e_shoff"]
    sections = tuple(
        _section(data, index, raw, names, start + index * _SHDR_SIZE, path) for index, raw in enumerate(raw_sections)
    )
    _check_overlap(sections, len(data), path)
    symbols = _symbols(sections, path, _BIG_SYM if big else _SYM)
    return ElfObject(path, sections, symbols, _relocs(sections, path, _BIG_REL if big else _REL), big)


def _check_ident(data: bytes, path: str) -> None:
    if len(data) > MAX_FILE:
        raise BadInput(f"file of {len(data)} bytes is larger than the limit of {MAX_FILE}", path=path)
    if data[:4] != b"\x7fELF":
        hint = "compile it with: clang -target bpf -O2 -g -c"
        raise BadInput("not an ELF file" if data else "the file is empty", path=path, offset=0, hint=hint)
    if len(data) < _EHDR_SIZE:
        raise BadInput(f"truncated: {len(data)} bytes cannot hold an ELF header", path=path, offset=0)
    if data[4] != 2:
        raise BadInput("32-bit ELF file; BPF objects are 64-bit", path=path, offset=4)
    if data[5] not in (1, 2):
        raise BadInput(f"unknown ELF byte order {data[5]}", path=path, offset=5)


def _headers(data: bytes, path: str) -> tuple[Any, list[Any]]:
    """The file header and all section headers, as pyelftools' containers."""
    from elftools.common.utils import struct_parse
    from elftools.elf.elffile import ELFFile

    stream = BytesIO(data)
    try:
        elf = ELFFile(stream)
        header = elf.header
        start, count, size = header["e_shoff"], header["e_shnum"], header["e_shentsize"]
        if count > MAX_SECTIONS or (count and size != _SHDR_SIZE) or start + count * size > len(data):
            message = f"section header table ({count} entries of {size} bytes) does not fit the {len(data)}-byte file"
            raise BadInput(f"truncated: {message}", path=path, offset=start)
        return header, [struct_parse(elf.structs.Elf_Shdr, stream, start + index * size) for index in range(count)]
    except BadInput:
        raise
    except Exception as error:  # the door: pyelftools raises ELFError, ConstructError, KeyError, OverflowError … alike
        raise BadInput(f"malformed ELF file: {type(error).__name__}: {error}", path=path) from error


def _check_header(header: Any, path: str) -> None:
    machine = header["e_machine"]
    if machine not in ("EM_BPF", "EM_NONE"):
        hint = "compile it with -target bpf"
        raise BadInput(f"not a BPF object: it is for machine {machine}", path=path, offset=18, hint=hint)
    if header["e_type"] != "ET_REL":
        raise BadInput(f"not a relocatable object file but {header['e_type']}", path=path, offset=16)
    if not header["e_shnum"]:
        raise BadInput("the file has no sections", path=path)


def _contents(data: bytes, raw: Any, what: str, path: str) -> memoryview:
    offset, size = raw["sh_offset"], raw["sh_size"]
    if raw["sh_type"] in ("SHT_NOBITS", "SHT_NULL"):
        return memoryview(b"")
    if offset + size > len(data):
        message = f"{size} bytes at {offset:#x} reach beyond the {len(data)}-byte file"
        raise BadInput(message, path=path, section=what, offset=offset)
    return memoryview(data)[offset : offset + size]


def _section_names(data: bytes, header: Any, raw_sections: list[Any], path: str) -> bytes:
    index = header["e_shstrndx"]
    if not 0 < index < len(raw_sections):
        raise BadInput(f"index {index} of the section name table is out of range", path=path, offset=62)
    return bytes(_contents(data, raw_sections[index], ".shstrtab", path))


class _Strings:
    """A string table. Names may share their ends, but not so that they are many times what the table holds."""

    def __init__(self, data: bytes, path: str) -> None:
        self._data = data
        self._path = path
        self._left = MAX_SHARING * len(data) + (1 << 20)

    def at(self, offset: int, section: str, record: int) -> str:
        """The NUL-terminated string at ``offset``. Raises BadInput when it doesn't end inside.

        ``record``: where in ``section`` (of a section header: in the file) stands what names it.
        """
        end = self._data.find(b"\0", offset) if 0 <= offset < len(self._data) else -1
        if end < 0:
            message = f"string offset {offset:#x} is outside of the {len(self._data)}-byte string table"
            raise BadInput(message, path=self._path, section=section, offset=record)
        self._left -= end - offset
        if self._left < 0:
            message = f"names overlap in the {len(self._data)}-byte string table"
            raise BadInput(message, path=self._path, section=section, offset=record)
        return self._data[offset:end].decode("utf-8", "replace")


def _section(data: bytes, index: int, raw: Any, names: _Strings, place: int, path: str) -> Section:
    """One section; ``place`` is the offset of its header."""
    kind = raw["sh_type"]
    name = names.at(raw["sh_name"], f"section #{index}", place) if kind != "SHT_NULL" else ""
    return Section(
        index=index,
        name=name,
        kind=kind.removeprefix(_SHT_NAME_PREFIX) if isinstance(kind, str) else f"{kind:#x}",
        flags=raw["sh_flags"],
        offset=raw["sh_offset"],
        size=raw["sh_size"],
        link=raw["sh_link"],
        info=raw["sh_info"],
        entsize=raw["sh_entsize"],
        data=_contents(data, raw, name or f"section #{index}", path),
        align=raw["sh_addralign"],
    )


def _check_overlap(sections: tuple[Section, ...], size: int, path: str) -> None:
    """Sections that share bytes could make a small file as large as one likes."""
    total = sum(len(each.data) for each in sections)
    if total > size:
        raise BadInput(f"sections overlap: together they have {total} bytes, the file {size}", path=path, offset=40)


def _symbols(sections: tuple[Section, ...], path: str, layout: struct.Struct) -> tuple[Symbol, ...]:
    tables = [s for s in sections if s.kind == "SYMTAB"]
    if not tables:
        hint = "was it stripped?"
        raise BadInput("couldn't find symbol table", path=path, section=".symtab", hint=hint)
    if len(tables) > 1:
        raise BadInput("multiple symbol tables", path=path, section=tables[1].name)
    table = tables[0]
    if table.entsize != _SYM.size or table.size % _SYM.size:
        raise BadInput(
            f"symbol table has entries of {table.entsize} bytes, not {_SYM.size}", path=path, section=table.name
        )
    if not 0 < table.link < len(sections):
        message = f"symbol table's string table #{table.link} does not exist"
        raise BadInput(message, path=path, section=table.name)
    strings = _Strings(bytes(sections[table.link].data), path)
    return tuple(
        Symbol(
            index,
            strings.at(name, table.name, index * _SYM.size),
            value,
            size,
            info & 15,
            info >> 4,
            other & 3,
            shndx,
        )
        for index, (name, info, other, shndx, value, size) in enumerate(layout.iter_unpack(table.data))
    )


def _relocs(sections: tuple[Section, ...], path: str, layout: struct.Struct) -> dict[int, tuple[ElfReloc, ...]]:
    """Relocations by section, in ascending order of offset."""
    found: dict[int, tuple[ElfReloc, ...]] = {}
    for section in sections:
        if section.kind != "REL" or section.name.startswith(_NOT_RELOCATED):
            continue
        if section.entsize != _REL.size or section.size % _REL.size or section.info >= len(sections):
            message = f"malformed relocation section (entries of {section.entsize} bytes, for section #{section.info})"
            raise BadInput(message, path=path, section=section.name, offset=0)
        records = tuple(ElfReloc(at, info >> 32, info & 0xFFFFFFFF) for at, info in layout.iter_unpack(section.data))
        found[section.info] = found.get(section.info, ()) + records
    return {index: tuple(sorted(records, key=lambda r: r.offset)) for index, records in found.items()}
