# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
""".BTF.ext: records by section, longer records, and lengths that don't fit."""

from __future__ import annotations

import struct

import pytest

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.btf.ext import BtfExt, CoreRecord, FuncRecord, LineRecord
from bpfvm.btf.write import Strings, serialise
from bpfvm.errors import BadInput

STRINGS = Strings()
TEXT, NAME, FILE = STRINGS.add(".text"), STRINGS.add("tc"), STRINGS.add("a.c")
BTF = Btf.parse(serialise([t.Int("int", 4, 32)], STRINGS))


def area(record_size: int, *sections: tuple[int, tuple[tuple[int, ...], ...]]) -> bytes:
    out = struct.pack("<I", record_size)
    for name, records in sections:
        out += struct.pack("<II", name, len(records))
        for record in records:
            out += struct.pack(f"<{len(record)}I", *record).ljust(record_size, b"\0")
    return out


def ext(func: bytes, line: bytes = b"", core: bytes = b"", *, header: int = 32, magic: int = 0xEB9F) -> bytes:
    places = (0, len(func), len(func), len(line), len(func) + len(line), len(core))
    return struct.pack("<HBBI6I", magic, 1, 0, header, *places)[:header] + func + line + core


def test_records() -> None:
    data = ext(
        area(8, (NAME, ((0, 1), (16, 1))), (TEXT, ((0, 1),))),
        area(16, (NAME, ((8, FILE, TEXT, 7 << 10 | 5),))),
        area(24, (NAME, ((8, 1, TEXT, 2),))),
    )
    found = BtfExt.parse(data, BTF)
    assert found.func_info == {"tc": (FuncRecord(0, 1), FuncRecord(16, 1)), ".text": (FuncRecord(0, 1),)}
    assert found.line_info == {"tc": (LineRecord(8, FILE, TEXT, 7, 5),)}
    assert found.core_relos == {"tc": (CoreRecord(8, 1, TEXT, 2),)}


def test_old_header_without_core() -> None:
    assert BtfExt.parse(ext(area(8, (NAME, ((0, 1),))), header=24), BTF).core_relos == {}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x9f\xeb", "shorter than the header"),
        (ext(b"", magic=0x9FEB), "header length 536870912"),
        (ext(b"", magic=1), "invalid magic"),
        (ext(b"")[:4] + struct.pack("<I", 16), "header length 16"),
        (ext(area(8, (NAME, ((0, 1),))))[:-1], "does not fit"),
        (ext(area(4)), "invalid record size 4"),
        (ext(area(10)), "invalid record size 10"),
        (ext(area(1 << 20)), "invalid record size"),
        (ext(area(8) + b"\0\0\0\0"), "section header is cut off"),
        (ext(area(8, (NAME, ()))), "section of 0 records"),
        (ext(area(8) + struct.pack("<II", NAME, 1 << 30)), "does not fit"),
        (ext(area(8, (9999, ((0, 1),)))), "string offset 9999"),
    ],
)
def test_lengths_that_do_not_fit(data: bytes, text: str) -> None:
    with pytest.raises(BadInput, match=text):
        BtfExt.parse(data, BTF)
