# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Reading object files, and refusing what isn't one, with its place."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from bpfvm.elf import read_elf
from bpfvm.errors import BadInput
from tests.unit.obj.bpf_cc import compile_c

SOURCE = 'int counter; SEC("tc") int f(void *c) { return counter; } char LICENSE[] SEC("license") = "GPL";'


@pytest.fixture(scope="module")
def intact() -> bytes:
    return compile_c(SOURCE).read_bytes()


def patched(data: bytes, at: int, fmt: str, value: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into(fmt, changed, at, value)
    return bytes(changed)


def test_sections_symbols_relocations(intact: bytes) -> None:
    elf = read_elf(intact, "t.o")
    code = elf.section("tc")
    assert code is not None and code.executable and code.size == len(code.data)
    bss = elf.section(".bss")
    assert bss is not None
    assert (bss.kind, bss.size, len(bss.data)) == ("NOBITS", 4, 0)
    (reloc,) = elf.relocs[code.index]
    symbol = elf.symbol_at(reloc.symbol, "tc", reloc.offset)
    assert (symbol.name, symbol.section, reloc.offset) == ("counter", bss.index, 0)
    assert elf.section("nope") is None


@pytest.mark.parametrize(
    ("at", "fmt", "value", "text"),
    [
        (4, "B", 1, "32-bit ELF file"),
        (5, "B", 7, "unknown ELF byte order 7"),
        (16, "<H", 2, "not a relocatable object file but ET_EXEC"),
        (18, "<H", 62, "it is for machine EM_X86_64"),
        (40, "<Q", 1 << 60, "section header table"),
        (40, "<Q", 8, "offset"),
        (58, "<H", 3, "section header table"),
        (60, "<H", 0, "no sections"),
        (60, "<H", 0xFFFF, "section header table"),
        (62, "<H", 0xFFF0, "section name table is out of range"),
    ],
)
def test_headers_that_are_wrong(intact: bytes, at: int, fmt: str, value: int, text: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_elf(patched(intact, at, fmt, value), "t.o")
    assert text in str(caught.value) and str(caught.value).startswith("t.o")


def test_big_endian_headers_are_read() -> None:
    header = (
        b"\x7fELF\x02\x02\x01" + bytes(9) + struct.pack(">HHIQQQIHHHHHH", 1, 247, 1, 0, 0, 64, 0, 64, 0, 0, 64, 1, 0)
    )
    with pytest.raises(BadInput, match="index 0 of the section name table"):
        read_elf(header + bytes(64), "t.o")


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"\x7fEL", b"PK\x03\x04" + bytes(100)])
def test_other_files(data: bytes) -> None:
    with pytest.raises(BadInput, match=r"not an ELF file|empty"):
        read_elf(data, "t.o")


def test_host_program_is_named() -> None:
    shell = Path("/bin/sh")
    if not shell.exists():
        pytest.skip("no /bin/sh here")
    with pytest.raises(BadInput, match="it is for machine EM_"):
        read_elf(shell.read_bytes(), "sh")


def section_header(data: bytes, index: int) -> int:
    return int.from_bytes(data[40:48], "little") + 64 * index


@pytest.mark.parametrize(
    ("name", "field", "fmt", "value", "text"),
    [
        (".symtab", 24, "<Q", 1 << 62, "reach beyond the"),
        (".symtab", 32, "<Q", 1 << 62, "reach beyond the"),
        (".symtab", 40, "<I", 999, "string table #999 does not exist"),
        (".symtab", 56, "<Q", 16, "entries of 16 bytes"),
        (".symtab", 4, "<I", 1, "couldn't find symbol table"),
        (".reltc", 44, "<I", 999, "malformed relocation section"),
        ("tc", 0, "<I", 1 << 30, "outside of the"),
        ("license", 4, "<I", 2, "multiple symbol tables"),
    ],
)
def test_section_headers_that_are_wrong(intact: bytes, name: str, field: int, fmt: str, value: int, text: str) -> None:
    section = read_elf(intact, "t.o").section(name)
    assert section is not None
    with pytest.raises(BadInput, match=text):
        read_elf(patched(intact, section_header(intact, section.index) + field, fmt, value), "t.o")


def test_symbols_out_of_range(intact: bytes) -> None:
    elf = read_elf(intact, "t.o")
    with pytest.raises(BadInput, match="symbol #999"):
        elf.symbol_at(999, "tc", 8)
    with pytest.raises(BadInput, match="section index 999"):
        elf.section_at(999)
