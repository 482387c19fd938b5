# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Type records as they stand in the bytes, before anything is known to be right about them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST = range(1, 11)
RESTRICT, FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(11, 20)
KIND_NAMES = (
    *("UNKNOWN", "INT", "PTR", "ARRAY", "STRUCT", "UNION", "ENUM", "FWD", "TYPEDEF", "VOLATILE", "CONST", "RESTRICT"),
    *("FUNC", "FUNC_PROTO", "VAR", "DATASEC", "FLOAT", "DECL_TAG", "TYPE_TAG", "ENUM64"),
)
MODIFIERS = frozenset((TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG))
STRUCTS = frozenset((STRUCT, UNION))
SIZED = frozenset((INT, STRUCT, UNION, ENUM, DATASEC, FLOAT, ENUM64))
"""kinds whose third word is a size"""
NO_SIZE = frozenset((0, FWD, FUNC, FUNC_PROTO, DECL_TAG))
SOURCE_ONLY = frozenset((VAR, DECL_TAG, DATASEC))
"""kinds that nothing else may refer to"""
NEEDS_RESOLVE = MODIFIERS | STRUCTS | {PTR, ARRAY, VAR, FUNC, DECL_TAG, DATASEC}
MAX_NAME_OFFSET = 0xFFFFFF
MAX_TYPE = 0xFFFFF
KSYM_NAME_LEN = 512
_TRIPLE = struct.Struct("<III")


class Element(NamedTuple):
    """One of the elements behind a record, as its words: a member (name, type, offset), a parameter (name, type) …"""

    name: int
    type: int
    third: int = 0


class Record(NamedTuple):
    """One type record. ``at`` is its offset in the file, ``word`` its size or type, ``tail`` what follows its head."""

    id: int
    at: int
    name: int
    info: int
    word: int
    tail: memoryview

    @property
    def kind(self) -> int:
        return self.info >> 24 & 31

    @property
    def vlen(self) -> int:
        return self.info & 0xFFFF

    @property
    def kflag(self) -> bool:
        return bool(self.info >> 31)

    def words(self, count: int) -> tuple[int, ...]:
        """The first ``count`` u32 of the tail."""
        return struct.unpack_from(f"<{count}I", self.tail)

    def triples(self) -> Iterator[Element]:
        """``vlen`` elements of 12 bytes: members, section entries, enum64 values."""
        return (Element(*each) for each in _TRIPLE.iter_unpack(self.tail[: 12 * self.vlen]))

    def pairs(self) -> Iterator[Element]:
        """``vlen`` elements of 8 bytes: parameters, enumerators."""
        return (Element(*each) for each in struct.iter_unpack("<II", self.tail[: 8 * self.vlen]))


VOID = Record(0, 0, 0, 0, 0, memoryview(b""))


class Names:
    """The string section and the kernel's rules for names."""

    def __init__(self, strings: bytes) -> None:
        self._strings = strings

    def valid(self, offset: int) -> bool:
        return offset <= MAX_NAME_OFFSET and offset < len(self._strings)

    def raw(self, offset: int) -> bytes:
        return self._strings[offset : self._strings.index(0, offset)] if self.valid(offset) else b""

    def shown(self, offset: int) -> str:
        """As logs show it."""
        if not offset:
            return "(anon)"
        return self.raw(offset).decode("utf-8", "replace") if self.valid(offset) else "(invalid-name-offset)"

    def identifier(self, offset: int) -> bool:
        """A letter, ``_`` or ``.``, then also digits; letters are those of the kernel's Latin-1 ctype."""
        name = self.raw(offset)
        if not name or len(name) > KSYM_NAME_LEN or chr(name[0]).isdigit():
            return False
        return all(_alpha(each) or 0x30 <= each <= 0x39 or each in b"_." for each in name)

    def section(self, offset: int) -> bool:
        """Any printable characters."""
        name = self.raw(offset)
        return 0 < len(name) <= KSYM_NAME_LEN and all(0x20 <= each < 0x7F or each >= 0xA0 for each in name)


def _alpha(char: int) -> bool:
    return 0x41 <= char <= 0x5A or 0x61 <= char <= 0x7A or (char >= 0xC0 and char not in (0xD7, 0xF7))
