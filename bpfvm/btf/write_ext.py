# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A .BTF.ext section from its records (Documentation/bpf/btf.rst section 4, 6.18)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from bpfvm.btf.ext import BtfExt, CoreRecord, FuncRecord, LineRecord

_HEADER = struct.Struct("<HBBIIIIIII")
_MAGIC = 0xEB9F
_R = TypeVar("_R", FuncRecord, LineRecord, CoreRecord)


def serialise_ext(ext: BtfExt, place: Callable[[str], int]) -> bytes:
    """The section's bytes; string offsets in records are kept, ``place`` gives those of the section names."""
    tables = [
        _table(ext.func_info, 8, lambda r: struct.pack("<II", *r), place),
        _table(ext.line_info, 16, _line, place),
        _table(ext.core_relos, 16, lambda r: struct.pack("<IIII", *r), place),
    ]
    areas, end = [], 0
    for table in tables:
        areas += [end, len(table)]
        end += len(table)
    return _HEADER.pack(_MAGIC, 1, 0, _HEADER.size, *areas) + b"".join(tables)


def _line(record: LineRecord) -> bytes:
    packed = record.line << 10 | record.column
    return struct.pack("<IIII", record.offset, record.file_name, record.text, packed & 0xFFFFFFFF)


def _table(
    sections: Mapping[str, Sequence[_R]], size: int, pack: Callable[[_R], bytes], place: Callable[[str], int]
) -> bytes:
    parts = [struct.pack("<I", size)]
    for name, records in sections.items():
        if records:
            parts.append(struct.pack("<II", place(name), len(records)))
            parts += [pack(record) for record in records]
    return b"".join(parts) if len(parts) > 1 else b""
