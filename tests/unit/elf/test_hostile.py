# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Small files that would become huge ones in memory are refused."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest

from bpfvm.btf import Btf
from bpfvm.btf.index import HEADER, MAGIC
from bpfvm.elf import read_elf
from bpfvm.elf.writer import SHT_NOBITS, SHT_PROGBITS, NewSection, NewSymbol, write_elf
from bpfvm.errors import BadInput
from bpfvm.obj.open import open_object

SHDR = 64


def headers(data: bytes) -> tuple[int, int]:
    """Where the section headers begin, and how many there are."""
    (start,) = struct.unpack_from("<Q", data, 40)
    (count,) = struct.unpack_from("<H", data, 60)
    return start, count


def test_what_is_written_is_read() -> None:
    sections = [NewSection(".data", SHT_PROGBITS, b"abcdef", 3, 8), NewSection(".bss", SHT_NOBITS, b"", 3, 4, 100)]
    symbols = [NewSymbol("global", 2, 4, 1, 1, 0, 1), NewSymbol("local", 0, 0, 0, 0, 0, 2)]
    elf = read_elf(write_elf(sections, symbols, {}), "t.o")
    assert [(s.name, s.kind, s.size, bytes(s.data), s.align) for s in elf.sections[1:3]] == [
        (".data", "PROGBITS", 6, b"abcdef", 8),
        (".bss", "NOBITS", 100, b"", 4),
    ]
    assert [(s.name, s.value, s.size, s.section) for s in elf.symbols[1:]] == [("local", 0, 0, 2), ("global", 2, 4, 1)]
    assert all(one.offset <= other.offset for one, other in pairwise(elf.sections))


def test_sections_that_overlap() -> None:
    sections = [NewSection(f".data.{number}", SHT_PROGBITS, bytes(8)) for number in range(50)]
    data = bytearray(write_elf(sections, [], {}))
    start, _count = headers(data)
    for number in range(1, 51):
        struct.pack_into("<QQ", data, start + SHDR * number + 24, 0, len(data))
    with pytest.raises(BadInput, match="sections overlap"):
        read_elf(bytes(data), "t.o")


def test_symbol_names_that_overlap() -> None:
    symbols = [NewSymbol("x" * 100_000, 0, 0, 0, 0, 0, 0)] + [NewSymbol("x", 0, 0, 0, 0, 0, 0)] * 500
    data = bytearray(write_elf([], symbols, {}))
    symtab = next(each for each in read_elf(bytes(data), "t.o").sections if each.kind == "SYMTAB")
    for number in range(1, 502):
        struct.pack_into("<I", data, symtab.offset + 24 * number, number)
    with pytest.raises(BadInput, match="names overlap"):
        read_elf(bytes(data), "t.o")


def test_type_names_that_overlap() -> None:
    count = 5000
    strings = b"\0" + b"n" * 200_000 + b"\0"
    types = b"".join(struct.pack("<III", number + 1, 7 << 24, 0) for number in range(count))
    btf = Btf.parse(HEADER.pack(MAGIC, 1, 0, HEADER.size, 0, len(types), len(types), len(strings)) + types + strings)
    with pytest.raises(BadInput, match="names overlap"):
        btf.find("none")


def test_zeros_without_end() -> None:
    sections = [NewSection(f".bss.{number}", SHT_NOBITS, b"", 3, 8, 200 << 20) for number in range(1000)]
    with pytest.raises(BadInput, match="bytes of zeros are more than the limit"):
        open_object(write_elf(sections, [], {}))
