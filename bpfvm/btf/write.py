# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Types back to bytes (Documentation/bpf/btf.rst, 6.18)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

from bpfvm.btf import types as t
from bpfvm.btf.btf import Btf
from bpfvm.btf.index import HEADER, MAGIC
from bpfvm.errors import UsageError

_U32 = 0xFFFF_FFFF
_MAX_VLEN = 0xFFFF


class Strings:
    """A string section in the making, or an existing one; equal strings share a place.

    With a ``base`` it goes on where the base's strings end, and what those have isn't added again.
    """

    def __init__(self, data: bytes | None = None, base: Btf | None = None) -> None:
        self.data = bytearray(data if data is not None else b"" if base is not None else b"\0")
        self._start = base.string_end if base is not None else 0
        self._places: dict[str, int] = {}
        for each in _chain(base):
            self._index(each.string_data, each.string_end - len(each.string_data))
        self._index(bytes(self.data), self._start)

    def _index(self, data: bytes, place: int) -> None:
        for raw in data.split(b"\0")[:-1]:
            self._places.setdefault(raw.decode("utf-8", "replace"), place)
            place += len(raw) + 1

    def add(self, text: str) -> int:
        """The offset of ``text`` (0 for an empty one), appended if it is new."""
        if not text:
            return 0
        place = self._places.get(text)
        if place is None:
            if "\0" in text:
                raise UsageError(f"a name can't contain a NUL: {text!r}")
            place = self._places[text] = self._start + len(self.data)
            self.data += text.encode() + b"\0"
        return place


def _chain(btf: Btf | None) -> list[Btf]:
    """A BTF after all its bases."""
    return [] if btf is None else [*_chain(btf.base), btf]


def serialise(types: Iterable[t.BtfType], strings: Strings | None = None) -> bytes:
    """Types with consecutive ids to a .BTF section; names are added to ``strings``. Raises UsageError."""
    strings = strings or Strings()
    records = b"".join(_record(found, strings.add) for found in types)
    if not strings.data:
        strings.data += b"\0"
    header = HEADER.pack(MAGIC, 1, 0, HEADER.size, 0, len(records), len(records), len(strings.data))
    return header + records + bytes(strings.data)


def rewrite(btf: Btf) -> bytes:
    """A parsed BTF made anew from its types; equal to ``btf.data`` for what compilers and pahole write.

    Its own strings keep their places; in a split BTF, a name that the base has is the base's.
    """
    return serialise((btf.type(i) for i in btf.ids()), Strings(btf.string_data, btf.base))


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
