# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Making BTF: a builder, and types back to bytes (Documentation/bpf/btf.rst, 6.18)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

from bpfvm.btf import types as t
from bpfvm.btf.btf import Btf
from bpfvm.btf.index import HEADER, MAGIC
from bpfvm.btf.layout import align_of
from bpfvm.errors import UsageError

_U32 = 0xFFFF_FFFF
_MAX_VLEN = 0xFFFF


class Strings:
    """A string section in the making, or an existing one; equal strings share a place, the first one is empty."""

    def __init__(self, data: bytes = b"\0") -> None:
        self.data = bytearray(data)
        self._places: dict[str, int] = {}
        place = 0
        for raw in data.split(b"\0")[:-1]:
            self._places.setdefault(raw.decode("utf-8", "replace"), place)
            place += len(raw) + 1

    def add(self, text: str) -> int:
        """The offset of ``text``, appended if it is new."""
        place = self._places.get(text)
        if place is None:
            if "\0" in text:
                raise UsageError(f"a name can't contain a NUL: {text!r}")
            place = self._places[text] = len(self.data)
            self.data += text.encode() + b"\0"
        return place


class Builder:
    """Collects types and gives each its id, from 1 (or after ``base``'s last) on.

    ``b = Builder(); u32 = b.integer("unsigned int", 4); b.struct("pair", [("a", u32), ("b", u32)]); b.build()``
    """

    def __init__(self, base: Btf | None = None) -> None:
        self._base = base
        self._types: list[t.BtfType] = []

    def add(self, found: t.BtfType) -> int:
        """Append any type; returns its id. The types it names may be added later."""
        self._types.append(found)
        return self.next_id - 1

    @property
    def next_id(self) -> int:
        """The id that the next type will get."""
        return (len(self._base) if self._base is not None else 1) + len(self._types)

    def integer(self, name: str, size: int, *, signed: bool = False) -> int:
        return self.add(t.Int(name, size, 8 * size, int(signed)))

    def ptr(self, type_id: int) -> int:
        return self.add(t.Ptr(type_id))

    def array(self, type_id: int, index_type: int, nelems: int) -> int:
        return self.add(t.Array(type_id, index_type, nelems))

    def typedef(self, name: str, type_id: int) -> int:
        return self.add(t.Typedef(name, type_id))

    def struct(self, name: str, members: Iterable[tuple[str, int]]) -> int:
        """A struct laid out as C would; its members' types must have been added before."""
        return self.add(self._laid_out(name, members))

    def _laid_out(self, name: str, members: Iterable[tuple[str, int]]) -> t.Struct:
        so_far = self.build()
        placed, end, largest = [], 0, 1
        for member, type_id in members:
            align = align_of(so_far, type_id)
            offset = (end + align - 1) & -align
            placed.append(t.Member(member, type_id, 8 * offset))
            end, largest = offset + so_far.size_of(type_id), max(largest, align)
        return t.Struct(name, (end + largest - 1) & -largest, tuple(placed))

    def enum(self, name: str, values: Iterable[tuple[str, int]]) -> int:
        values = tuple(values)
        return self.add(t.Enum(name, 4, values, signed=any(value < 0 for _, value in values)))

    def func(self, name: str, ret: int, params: Iterable[tuple[str, int]], linkage: int = 1) -> int:
        """A prototype and its FUNC; returns the FUNC's id."""
        proto = self.add(t.FuncProto(ret, tuple(t.Param(*param) for param in params)))
        return self.add(t.Func(name, proto, linkage))

    def to_bytes(self) -> bytes:
        """The finished .BTF section."""
        start = self._base.string_end if self._base is not None else 0
        return serialise(self._types, None, start)

    def build(self) -> Btf:
        """The types so far as a ``Btf``."""
        return Btf.parse(self.to_bytes(), base=self._base)


def serialise(types: Iterable[t.BtfType], strings: Strings | None = None, string_start: int = 0) -> bytes:
    """Types with consecutive ids to a .BTF section. ``string_start``: where a base's strings end. Raises UsageError."""
    strings = strings or Strings()

    def place(text: str) -> int:
        return strings.add(text) + string_start if text else 0

    records = b"".join(_record(found, place) for found in types)
    header = HEADER.pack(MAGIC, 1, 0, HEADER.size, 0, len(records), len(records), len(strings.data))
    return header + records + bytes(strings.data)


def rewrite(btf: Btf) -> bytes:
    """A parsed BTF made anew from its types; equal to ``btf.data`` for what compilers and pahole write.

    Its own strings keep their places. (In a split BTF, names that live in the base's strings are added to its own.)
    """
    start = btf.base.string_end if btf.base is not None else 0
    return serialise((btf.type(i) for i in btf.ids()), Strings(btf.string_data), start)


_Place = Callable[[str], int]
_Parts = tuple[int, bool, int, bytes]


def _record(found: t.BtfType, place: _Place) -> bytes:
    own = place(found.name)
    vlen, flag, size_or_type, tail = _parts(found, place)
    if vlen > _MAX_VLEN:
        raise UsageError(f"{found.kind_name} '{found.name}' has {vlen} elements; BTF allows {_MAX_VLEN}")
    return _words(own, found.kind << 24 | vlen | flag << 31, size_or_type) + tail


def _words(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *(number & _U32 for number in numbers))


def _parts(found: t.BtfType, place: _Place) -> _Parts:
    """vlen, kind_flag, the size-or-type word, and what follows the record's head."""
    if isinstance(found, t.Int):
        return 0, False, found.size, _words(found.encoding << 24 | found.bit_offset << 16 | found.bits)
    if isinstance(found, t.Array):
        return 0, False, 0, _words(found.type, found.index_type, found.nelems)
    if isinstance(found, t.Struct):
        return _struct_parts(found, place)
    if isinstance(found, t.Enum):
        return (
            len(found.values),
            found.signed,
            found.size,
            b"".join(_enumerator(found, *v, place) for v in found.values),
        )
    if isinstance(found, t.FuncProto):
        return len(found.params), False, found.ret, b"".join(_words(place(p.name), p.type) for p in found.params)
    if isinstance(found, t.Datasec):
        return len(found.vars), False, found.size, b"".join(_words(*entry) for entry in found.vars)
    return _small_parts(found)


def _small_parts(found: t.BtfType) -> _Parts:
    if isinstance(found, t.Fwd):
        return 0, found.is_union, 0, b""
    if isinstance(found, t.Func):
        return found.linkage, False, found.type, b""
    if isinstance(found, t.Var):
        return 0, False, found.type, _words(found.linkage)
    if isinstance(found, t.Float):
        return 0, False, found.size, b""
    if isinstance(found, t.DeclTag):
        return 0, found.attribute, found.type, _words(found.component)
    if isinstance(found, t.TypeTag):
        return 0, found.attribute, found.type, b""
    if isinstance(found, (t.Ptr, t.Typedef, t.Volatile, t.Const, t.Restrict)):
        return 0, False, found.type, b""
    raise UsageError(f"a {found.kind_name} can't be written; void is id 0 and has no record")


def _struct_parts(found: t.Struct, place: _Place) -> _Parts:
    """With kind_flag a member's offset word also holds its bit-field width."""
    flag = found.kind_flag or any(member.bitfield_size for member in found.members)
    tail = b"".join(
        _words(place(m.name), m.type, m.bit_offset | m.bitfield_size << 24 if flag else m.bit_offset)
        for m in found.members
    )
    return len(found.members), flag, found.size, tail


def _enumerator(enum: t.Enum, name: str, value: int, place: _Place) -> bytes:
    return _words(place(name), value, value >> 32) if enum.is64 else _words(place(name), value)
