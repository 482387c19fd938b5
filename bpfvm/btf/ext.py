# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The .BTF.ext section: per code section, where functions start, source lines, CO-RE relocations.

Format: Documentation/bpf/btf.rst section 4 and tools/lib/bpf/btf.c, 6.18. Instruction offsets are bytes from the start
of the code section, as compilers write them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from bpfvm.btf.btf import Btf
from bpfvm.btf.endian import little_endian_ext
from bpfvm.errors import BadInput

_HEADER = struct.Struct("<HBBI")
_AREA = struct.Struct("<II")
_U32 = struct.Struct("<I")
_SECTION_HEAD = struct.Struct("<II")
_MAGIC = 0xEB9F
MAX_RECORD = 4096


class FuncRecord(NamedTuple):
    """A function that starts at byte ``offset``; ``type_id`` is its FUNC."""

    offset: int
    type_id: int


class LineRecord(NamedTuple):
    """The source line that begins at byte ``offset``; name and text are offsets into the BTF's strings."""

    offset: int
    file_name: int
    text: int
    line: int
    column: int


class CoreRecord(NamedTuple):
    """A CO-RE relocation of the instruction at byte ``offset``; ``access`` is a string offset."""

    offset: int
    type_id: int
    access: int
    kind: int


@dataclass(frozen=True, slots=True)
class BtfExt:
    """The three tables, each keyed by code section name, records in file order."""

    func_info: Mapping[str, tuple[FuncRecord, ...]] = field(default_factory=dict)
    line_info: Mapping[str, tuple[LineRecord, ...]] = field(default_factory=dict)
    core_relos: Mapping[str, tuple[CoreRecord, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, data: bytes | memoryview, btf: Btf) -> BtfExt:
        """Read a whole .BTF.ext section, of either byte order; ``btf`` supplies the strings. Raises BadInput."""
        view = memoryview(little_endian_ext(bytes(data)))
        areas = _areas(view)
        funcs: dict[str, tuple[FuncRecord, ...]] = {}
        lines: dict[str, tuple[LineRecord, ...]] = {}
        relos: dict[str, tuple[CoreRecord, ...]] = {}
        for name, records in _tables(view, areas[0], "II", "func_info", btf):
            funcs[name] = funcs.get(name, ()) + tuple(FuncRecord(*r) for r in records)
        for name, records in _tables(view, areas[1], "IIII", "line_info", btf):
            found = tuple(LineRecord(at, file, text, packed >> 10, packed & 1023) for at, file, text, packed in records)
            lines[name] = lines.get(name, ()) + found
        for name, records in _tables(view, areas[2], "IIII", "core_relo", btf):
            relos[name] = relos.get(name, ()) + tuple(CoreRecord(*r) for r in records)
        return cls(funcs, lines, relos)


def _bad(message: str, offset: int | None = None) -> BadInput:
    return BadInput(message, section=".BTF.ext", offset=offset)


def _areas(view: memoryview) -> list[tuple[int, int]]:
    """Start and length of func_info, line_info and core_relo; older headers have no third."""
    if len(view) < _HEADER.size:
        raise _bad(f"{len(view)} bytes are shorter than the header", 0)
    magic, version, _flags, hdr_len = _HEADER.unpack_from(view)
    if magic != _MAGIC or version != 1:
        raise _bad(f"invalid magic {magic:#x} or version {version}", 0)
    if not 24 <= hdr_len <= len(view):
        raise _bad(f"header length {hdr_len} does not fit", 4)
    areas = []
    for at in (8, 16, 24):
        start, length = _AREA.unpack_from(view, at) if at + 8 <= hdr_len else (0, 0)
        if hdr_len + start + length > len(view) or start & 3:
            raise _bad(f"info area of {length} bytes at {start} does not fit the section of {len(view)}", at)
        areas.append((hdr_len + start, length))
    return areas


def _tables(
    view: memoryview, area: tuple[int, int], layout: str, what: str, btf: Btf
) -> Iterator[tuple[str, Iterator[tuple[int, ...]]]]:
    """Each code section's name and its records' known fields; records may be longer than those."""
    at, length = area
    if not length:
        return
    end = at + length
    if length < 4:
        raise _bad(f"{what} record size is cut off", at)
    (record_size,) = _U32.unpack_from(view, at)
    known = struct.calcsize("<" + layout)
    if not known <= record_size <= MAX_RECORD or record_size & 3:
        raise _bad(f"{what} has invalid record size {record_size}", at)
    record = struct.Struct(f"<{layout}{record_size - known}x")
    at += 4
    while at < end:
        if at + 8 > end:
            raise _bad(f"{what} section header is cut off", at)
        name, count = _SECTION_HEAD.unpack_from(view, at)
        start, at = at + 8, at + 8 + count * record_size
        if not count or at > end:
            raise _bad(f"{what} section of {count} records does not fit", start - 8)
        yield btf.string(name), record.iter_unpack(view[start:at])
