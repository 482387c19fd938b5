# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A first pass over BTF bytes: where each type record starts, every length checked before it is believed."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from bpfvm.errors import BadInput

HEADER = struct.Struct("<HBBIIIII")
MAGIC = 0xEB9F
MAX_TYPES = 1 << 22

_FIXED_TAIL = {1: 4, 3: 12, 14: 4, 17: 4}
"""bytes after the 12-byte record head, for kinds with a fixed tail"""
_PER_VLEN = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}
"""bytes per element, for kinds with ``vlen`` elements"""
TAIL = tuple(_FIXED_TAIL.get(kind, 0) for kind in range(32))
EACH = tuple(_PER_VLEN.get(kind, 0) for kind in range(32))
LAST_KIND = 19


@dataclass(frozen=True, slots=True)
class RawBtf:
    """The two areas of a BTF blob and the offset of every type record in ``types``."""

    types: memoryview
    strings: bytes
    offsets: tuple[int, ...]
    names: tuple[int, ...]
    """name offset of every record"""
    kinds: bytes
    """kind of every record"""
    type_start: int = 0
    """offset of ``types`` in the blob"""


def _bad(message: str, offset: int | None = None) -> BadInput:
    return BadInput(message, section=".BTF", offset=offset)


def index(data: bytes | memoryview, *, split: bool = False) -> RawBtf:
    """Check the header (kernel/bpf/btf.c:btf_parse_hdr, 6.18) and find all type records. Raises BadInput.

    ``split``: the strings go on from a base's, so they needn't start with the empty one (btf_parse_str_sec).
    """
    view = memoryview(data)
    if len(view) < HEADER.size:
        raise _bad(f"BTF of {len(view)} bytes is shorter than its {HEADER.size}-byte header", 0)
    magic, version, _flags, hdr_len, type_off, type_len, str_off, str_len = HEADER.unpack_from(view)
    if magic != MAGIC:
        raise _bad(f"Invalid magic {magic:#x}, expected {MAGIC:#x}", 0)
    if version != 1:
        raise _bad(f"Unsupported version {version}", 2)
    if hdr_len < HEADER.size or hdr_len + max(type_off + type_len, str_off + str_len) > len(view):
        raise _bad(f"sections reach beyond the {len(view)} bytes there are", 8)
    strings = bytes(view[hdr_len + str_off : hdr_len + str_off + str_len])
    if not strings or (strings[0] and not split) or strings[-1]:
        raise _bad("Invalid string section: must start and end with a zero byte", hdr_len + str_off)
    types = view[hdr_len + type_off : hdr_len + type_off + type_len]
    return _records(types, strings, hdr_len + type_off)


def _records(types: memoryview, strings: bytes, start: int) -> RawBtf:
    head = struct.Struct("<II").unpack_from
    offsets: list[int] = []
    names: list[int] = []
    kinds = bytearray()
    position, end = 0, len(types)
    while position < end:
        if position + 12 > end:
            raise _bad("type record is cut off", position)
        name, info = head(types, position)
        kind = info >> 24 & 31
        if not 0 < kind <= LAST_KIND:
            raise _bad(f"type [{len(offsets) + 1}]: Invalid kind:{kind}", position)
        offsets.append(position)
        names.append(name)
        kinds.append(kind)
        position += 12 + TAIL[kind] + EACH[kind] * (info & 0xFFFF)
    if position != end:
        raise _bad("last type record reaches beyond the section", offsets[-1])
    if len(offsets) > MAX_TYPES:
        raise _bad(f"{len(offsets)} types are more than the limit of {MAX_TYPES}")
    return RawBtf(types, strings, tuple(offsets), tuple(names), bytes(kinds), start)
