# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Where the members of a struct lie: BTF turned into tables that views can use without looking at BTF again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.errors import BadInput, UsageError

FieldKind = Literal["scalar", "bits", "struct", "array", "bytes"]
MAX_NESTING = 32


@dataclass(frozen=True, slots=True)
class Field:
    """One member: ``offset`` and ``size`` in bytes from the struct's start; for "bits", ``size`` is that of the unit
    that is read at ``offset`` and ``shift``/``bits`` say where the bit-field lies in it. ``type_id`` has its
    modifiers removed."""

    name: str
    kind: FieldKind
    offset: int
    size: int
    type_id: int
    signed: bool = False
    shift: int = 0
    bits: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """All members of a struct or union by name, those of anonymous members included."""

    name: str
    type_id: int
    size: int
    fields: dict[str, Field]

    def field(self, name: str) -> Field:
        """The member called ``name``. Raises UsageError that lists the members there are."""
        found = self.fields.get(name)
        if found is None:
            raise UsageError(f"struct {self.name} has no member '{name}' (it has: {', '.join(self.fields) or 'none'})")
        return found


@lru_cache(maxsize=8192)
def layout(btf: Btf, type_id: int) -> Layout:
    """The layout of the struct or union behind ``type_id``. Raises UsageError for another kind of type."""
    type_id = btf.skip_mods(type_id)
    found = btf.type(type_id)
    if not isinstance(found, t.Struct):
        raise UsageError(f"type [{type_id}] {found.kind_name} '{found.name}' is no struct")
    fields: dict[str, Field] = {}
    _collect(btf, found, 0, fields, 0)
    return Layout(found.name or "(anon)", type_id, found.size, fields)


def _collect(btf: Btf, struct: t.Struct, bit_base: int, fields: dict[str, Field], depth: int) -> None:
    if depth > MAX_NESTING:
        raise BadInput(f"struct {struct.name} is nested more than {MAX_NESTING} deep", section=".BTF")
    for member in struct.members:
        bit = bit_base + member.bit_offset
        if member.name:
            fields.setdefault(member.name, _field(btf, member, bit))
        else:
            inner = btf.resolve(member.type)
            if isinstance(inner, t.Struct):
                _collect(btf, inner, bit, fields, depth + 1)


def _field(btf: Btf, member: t.Member, bit: int) -> Field:
    type_id = btf.skip_mods(member.type)
    found = btf.type(type_id)
    if member.bitfield_size:
        return _bit_field(member, type_id, bit, isinstance(found, (t.Int, t.Enum)) and found.signed)
    plain = element(btf, type_id)
    return Field(member.name, plain.kind, bit >> 3, plain.size, type_id, plain.signed)


def _bit_field(member: t.Member, type_id: int, bit: int, signed: bool) -> Field:
    """Read the smallest power-of-two unit, aligned to itself, that holds all of the bits."""
    unit = 1
    while (bit // (unit * 8)) != ((bit + member.bitfield_size - 1) // (unit * 8)) and unit < 8:
        unit *= 2
    offset = bit // (unit * 8) * unit
    return Field(member.name, "bits", offset, unit, type_id, signed, bit - offset * 8, member.bitfield_size)


def element(btf: Btf, type_id: int) -> Field:
    """A nameless Field at offset 0 for a value of this type (an array's element, a pointer's target)."""
    type_id = btf.skip_mods(type_id)
    found = btf.type(type_id)
    if isinstance(found, t.Ptr):
        return Field("", "scalar", 0, 8, type_id)
    if isinstance(found, (t.Int, t.Enum)) and found.size <= 8:
        return Field("", "scalar", 0, found.size, type_id, found.signed)
    if isinstance(found, t.Struct):
        return Field("", "struct", 0, found.size, type_id)
    if isinstance(found, t.Array):
        return Field("", "array", 0, btf.size_of(type_id), type_id)
    return Field("", "bytes", 0, btf.size_of(type_id), type_id)


def sizeof(btf: Btf, type_id: int) -> int:
    """Size of a type in bytes."""
    return btf.size_of(type_id)


def offset_of(btf: Btf, type_id: int, path: str) -> int:
    """Byte offset of member ``path`` ("a.b") in a struct. Raises UsageError for an unknown member or a bit-field."""
    offset = 0
    for name in path.split("."):
        found = layout(btf, type_id).field(name)
        if found.kind == "bits":
            raise UsageError(f"'{path}' is a bit-field and has no byte offset")
        offset += found.offset
        type_id = found.type_id
    return offset
