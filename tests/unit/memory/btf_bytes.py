# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A handful of BTF records put together byte by byte, so that tests don't depend on the code that writes BTF."""

from __future__ import annotations

import struct

from bpfvm.btf import Btf


class BtfBytes:
    """Adds types and returns their ids."""

    def __init__(self) -> None:
        self.types: list[bytes] = []
        self.strings = b"\0"

    def _string(self, text: str) -> int:
        if not text:
            return 0
        self.strings += text.encode() + b"\0"
        return len(self.strings) - len(text) - 1

    def _add(self, name: str, kind: int, last: int, body: bytes = b"", vlen: int = 0, flag: bool = False) -> int:
        info = kind << 24 | vlen | (1 << 31 if flag else 0)
        self.types.append(struct.pack("<III", self._string(name), info, last & 0xFFFF_FFFF) + body)
        return len(self.types)

    def int(self, name: str, size: int, signed: bool = False) -> int:
        return self._add(name, 1, size, struct.pack("<I", (1 << 24 if signed else 0) | size * 8))

    def ptr(self, target: int) -> int:
        return self._add("", 2, target)

    def typedef(self, name: str, target: int) -> int:
        return self._add(name, 8, target)

    def const(self, target: int) -> int:
        return self._add("", 10, target)

    def type_tag(self, name: str, target: int) -> int:
        return self._add(name, 18, target)

    def enum(self, name: str, **values: int) -> int:
        body = b"".join(struct.pack("<Ii", self._string(each), value) for each, value in values.items())
        return self._add(name, 6, 4, body, len(values), True)

    def array(self, element: int, count: int, index: int) -> int:
        return self._add("", 3, 0, struct.pack("<III", element, index, count))

    def struct(
        self, name: str, size: int, *members: tuple[str, int, int] | tuple[str, int, int, int], union: bool = False
    ) -> int:
        """Members are (name, type, offset in bits[, bits of a bit-field])."""
        body = b""
        for member in members:
            bits = member[3] if len(member) == 4 else 0
            body += struct.pack("<III", self._string(member[0]), member[1], member[2] | bits << 24)
        return self._add(name, 5 if union else 4, size, body, len(members), True)

    def btf(self) -> Btf:
        types = b"".join(self.types)
        header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(self.strings))
        return Btf.parse(header + types + self.strings)
