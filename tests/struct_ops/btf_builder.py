# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A small assembler of BTF for tests: each method appends one type and returns its id."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from bpfvm.btf import Btf

MAGIC, VERSION, HEADER = 0xEB9F, 1, 24
Field = tuple[str, int] | tuple[str, int, int] | tuple[str, int, int, int]
"""(name, type id[, byte offset[, bit-field size]]); without offset: the next naturally aligned one"""


class BtfBuilder:
    """Types and strings of one BTF object, on top of ``base`` for split BTF."""

    def __init__(self, base: Btf | None = None) -> None:
        self.base = base
        self._types: list[bytes] = []
        self._strings = b"\0"
        self._first_id = 1 if base is None else len(base)
        self._string_base = 0 if base is None else struct.unpack_from("<I", base.data, 20)[0]
        self._sizes: dict[int, int] = {}

    def _str(self, text: str) -> int:
        if not text:
            return 0
        offset = self._string_base + len(self._strings)
        self._strings += text.encode() + b"\0"
        return offset

    def _add(self, kind: int, name: str, size: int, extra: bytes = b"", vlen: int = 0, flag: bool = False) -> int:
        info = kind << 24 | vlen | flag << 31
        self._types.append(struct.pack("<III", self._str(name), info, size & 0xFFFFFFFF) + extra)
        return self._first_id + len(self._types) - 1

    def size(self, type_id: int) -> int:
        """Bytes of a type made here (or in the base)."""
        if type_id < self._first_id and self.base is not None:
            return self.base.size_of(type_id)
        return self._sizes[type_id]

    def int(self, name: str, size: int, encoding: int = 0) -> int:
        made = self._add(1, name, size, struct.pack("<I", encoding << 24 | 8 * size))
        self._sizes[made] = size
        return made

    def ptr(self, target: int) -> int:
        made = self._add(2, "", target)
        self._sizes[made] = 8
        return made

    def array(self, element: int, count: int, index: int) -> int:
        made = self._add(3, "", 0, struct.pack("<III", element, index, count))
        self._sizes[made] = count * self.size(element)
        return made

    def struct(self, name: str, fields: Iterable[Field] = (), size: int = 0, *, union: bool = False) -> int:
        """A struct; offsets and size are C's unless given."""
        rows: list[tuple[str, int, int, int]] = []
        end, widest = 0, 1
        bits = False
        for name_, type_, *rest in fields:
            width = self.size(type_)
            align = min(width & -width or 1, 8)
            offset = rest[0] if rest else (0 if union else -(-end // align) * align)
            bit_size = rest[1] if len(rest) > 1 else 0
            bits = bits or bool(bit_size)
            rows.append((name_, type_, 8 * offset, bit_size))
            end, widest = max(end, offset + width), max(widest, align)
        total = size or -(-end // widest) * widest
        extra = b"".join(
            struct.pack("<III", self._str(n), ty, off | b << 24 if bits else off) for n, ty, off, b in rows
        )
        made = self._add(5 if union else 4, name, total, extra, len(rows), bits)
        self._sizes[made] = total
        return made

    def enum(self, name: str, values: Iterable[tuple[str, int]], size: int = 4) -> int:
        rows = list(values)
        extra = b"".join(struct.pack("<Ii", self._str(n), v) for n, v in rows)
        made = self._add(6, name, size, extra, len(rows))
        self._sizes[made] = size
        return made

    def fwd(self, name: str) -> int:
        return self._add(7, name, 0)

    def typedef(self, name: str, target: int) -> int:
        made = self._add(8, name, target)
        self._sizes[made] = self._sizes.get(target, 0)
        return made

    def const(self, target: int) -> int:
        made = self._add(10, "", target)
        self._sizes[made] = self._sizes.get(target, 0)
        return made

    def float(self, name: str, size: int) -> int:
        made = self._add(16, name, size)
        self._sizes[made] = size
        return made

    def proto(self, ret: int = 0, params: Iterable[tuple[str, int]] = ()) -> int:
        rows = list(params)
        extra = b"".join(struct.pack("<II", self._str(n), ty) for n, ty in rows)
        return self._add(13, "", ret, extra, len(rows))

    def func(self, name: str, proto: int) -> int:
        return self._add(12, name, proto, vlen=1)

    def method(self, ret: int = 0, params: Iterable[tuple[str, int]] = ()) -> int:
        """A pointer to a function."""
        return self.ptr(self.proto(ret, params))

    def build(self, name: str = "vmlinux") -> Btf:
        types = b"".join(self._types)
        header = struct.pack("<HBBIIIII", MAGIC, VERSION, 0, HEADER, 0, len(types), len(types), len(self._strings))
        return Btf.parse(header + types + self._strings, base=self.base, name=name)
