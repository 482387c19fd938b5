# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Put what clang leaves to chance in an object's BTF into one order.

clang keeps pointers to structs that it never saw whole in a hash table of addresses, and writes their forward
declarations in the table's order: it changes with the length of the command line. Here forward declarations are
sorted by name, among the ids that they have, and strings stand in the order in which types and `.BTF.ext` use them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from bpf_progs.btf_raw import FWD, MAGIC, RawType, Strings, read, section, string, type_bytes

_EXT_HEADER = struct.Struct("<HBBI")
_SUBSECTIONS = 3
"""func_info, line_info, core_relo: (offset, length) after the header's first 8 bytes; old objects lack the last"""
_STRING_WORDS: tuple[tuple[int, ...], ...] = ((), (1, 2), (2,))
_TYPE_WORDS: tuple[tuple[int, ...], ...] = ((1,), (), (1,))
"""which words of a record are offsets of strings, and which are type ids"""

Renumber = Callable[[int], int]


def settled(types: Sequence[RawType]) -> list[int]:
    """Ids of all types (1, 2, ...), forward declarations sorted among themselves."""
    forward = [i for i, each in enumerate(types) if each.kind == FWD]
    there = dict(zip(forward, sorted(forward, key=lambda i: (types[i].name, types[i].flag)), strict=True))
    return [there.get(i, i) for i in range(1, len(types))]


def in_order(btf: bytes, ext: bytes) -> tuple[bytes, bytes]:
    """`.BTF` and `.BTF.ext` with the same contents in the one order; what is at an offset of a type stays there, but
    for forward declarations. Programs without functions have no `.BTF.ext`. ValueError if they are not BTF."""
    types, strings = read(btf)
    order, table = settled(types), Strings()
    new_id = {old: new for new, old in enumerate(order, 1)}
    body = type_bytes(types, strings, order, table)
    new_ext = ext and _ext_in_order(ext, lambda at: table.intern(string(strings, at)), lambda old: new_id.get(old, old))
    return section(body, table), new_ext


def _ext_in_order(ext: bytes, text: Renumber, type_id: Renumber) -> bytes:
    out = bytearray(ext)
    magic, version, _, header = _EXT_HEADER.unpack_from(ext)
    if magic != MAGIC or version != 1:
        raise ValueError(f"not little-endian BTF.ext version 1 (magic {magic:#x}, version {version})")
    for number in range(min(_SUBSECTIONS, (header - _EXT_HEADER.size) // 8)):
        at, length = struct.unpack_from("<II", ext, _EXT_HEADER.size + 8 * number)
        if length:
            _records_in_order(out, header + at, length, number, text, type_id)
    return bytes(out)


def _records_in_order(out: bytearray, at: int, length: int, number: int, text: Renumber, type_id: Renumber) -> None:
    """One subsection: the size of a record, then for each ELF section its name, a count and the records."""
    end = at + length
    (size,) = struct.unpack_from("<I", out, at)
    at += 4
    while at < end:
        _change(out, at, text)
        (count,) = struct.unpack_from("<I", out, at + 4)
        at += 8
        for record in range(at, at + count * size, size):
            for word in _TYPE_WORDS[number]:
                _change(out, record + 4 * word, type_id)
            for word in _STRING_WORDS[number]:
                _change(out, record + 4 * word, text)
        at += count * size


def _change(out: bytearray, at: int, renumber: Renumber) -> None:
    (old,) = struct.unpack_from("<I", out, at)
    struct.pack_into("<I", out, at, renumber(old))
