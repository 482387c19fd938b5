# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A raw `.BTF` section as a list of types that can be changed, and back (format: Documentation/bpf/btf.rst).

`bpfvm.btf` reads and writes BTF, too, but a checkout in which it is broken must still build its objects.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_HEADER = struct.Struct("<HBBIIIII")
MAGIC = 0xEB9F
_TYPE = struct.Struct("<III")

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT = range(1, 12)
FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(12, 20)

# What follows the three words of a type: words per entry, which of them is a string, which are type ids.
# A kind with a fixed tail has exactly one entry, the others have vlen of them.
_TAIL: dict[int, tuple[int, tuple[int, ...], tuple[int, ...]]] = {
    INT: (1, (), ()),
    ARRAY: (3, (), (0, 1)),
    STRUCT: (3, (0,), (1,)),
    UNION: (3, (0,), (1,)),
    ENUM: (2, (0,), ()),
    FUNC_PROTO: (2, (0,), (1,)),
    VAR: (1, (), ()),
    DATASEC: (3, (), (0,)),
    DECL_TAG: (1, (), ()),
    ENUM64: (3, (0,), ()),
}
_ONE_ENTRY = frozenset({INT, ARRAY, VAR, DECL_TAG})
_THIRD_WORD_IS_TYPE = frozenset({PTR, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, FUNC_PROTO, VAR, DECL_TAG, TYPE_TAG})


@dataclass
class RawType:
    """One type: its three words and the words that follow, cut into entries (their names as offsets)."""

    name: str
    kind: int
    flag: int
    vlen: int
    third: int
    entries: list[list[int]]

    def references(self) -> Iterator[int]:
        """Ids of the types it needs."""
        if self.kind in _THIRD_WORD_IS_TYPE:
            yield self.third
        _, _, ids = _TAIL.get(self.kind, (0, (), ()))
        for entry in self.entries:
            for position in ids:
                yield entry[position]


class Strings:
    """A string section that grows."""

    def __init__(self) -> None:
        self.data = bytearray(b"\0")
        self._offsets = {"": 0}

    def intern(self, text: str) -> int:
        """Where `text` stands."""
        if text not in self._offsets:
            self._offsets[text] = len(self.data)
            self.data += text.encode() + b"\0"
        return self._offsets[text]


def read(data: bytes) -> tuple[list[RawType], bytes]:
    """All types, void as entry 0, and the string section. ValueError if it is not BTF."""
    magic, version, _, header, type_at, type_len, str_at, str_len = _HEADER.unpack_from(data)
    if magic != MAGIC or version != 1:
        raise ValueError(f"not little-endian BTF version 1 (magic {magic:#x}, version {version})")
    strings = data[header + str_at : header + str_at + str_len]
    types = [RawType("", 0, 0, 0, 0, [])]
    at, end = header + type_at, header + type_at + type_len
    while at < end:
        name, info, third = _TYPE.unpack_from(data, at)
        kind, vlen = info >> 24 & 0x1F, info & 0xFFFF
        at += _TYPE.size
        width = _TAIL.get(kind, (0, (), ()))[0]
        entries = []
        for _ in range((1 if kind in _ONE_ENTRY else vlen) if width else 0):
            entries.append(list(struct.unpack_from(f"<{width}I", data, at)))
            at += 4 * width
        types.append(RawType(string(strings, name), kind, info >> 31, vlen, third, entries))
    return types, strings


def string(strings: bytes, offset: int) -> str:
    """The string at `offset`."""
    return strings[offset : strings.index(0, offset)].decode()


def type_bytes(types: Sequence[RawType], strings: bytes, order: Sequence[int], table: Strings) -> bytes:
    """The types with these ids, in this order, renumbered from 1; their names go into `table`."""
    new_id = {0: 0} | {old: new for new, old in enumerate(order, 1)}
    body = bytearray()
    for old in order:
        t = types[old]
        third = new_id[t.third] if t.kind in _THIRD_WORD_IS_TYPE else t.third
        body += _TYPE.pack(table.intern(t.name), t.flag << 31 | t.kind << 24 | t.vlen, third)
        _, names, ids = _TAIL.get(t.kind, (0, (), ()))
        for entry in t.entries:
            words = list(entry)
            for position in names:
                words[position] = table.intern(string(strings, entry[position]))
            for position in ids:
                words[position] = new_id[entry[position]]
            body += struct.pack(f"<{len(words)}I", *words)
    return bytes(body)


def section(body: bytes, table: Strings) -> bytes:
    """A `.BTF` section of these types and strings."""
    header = _HEADER.pack(MAGIC, 1, 0, _HEADER.size, 0, len(body), len(body), len(table.data))
    return header + body + bytes(table.data)
