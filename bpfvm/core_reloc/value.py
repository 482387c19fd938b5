# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The number a CO-RE relocation stands for, in one BTF (libbpf's bpf_core_calc_*_relo, 1.7)."""

from __future__ import annotations

from typing import NamedTuple

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.core_reloc import kinds
from bpfvm.core_reloc.spec import Spec
from bpfvm.errors import BadInput

U64 = 0xFFFF_FFFF_FFFF_FFFF
_MAX_LOAD = 8


class Value(NamedTuple):
    """``number`` is unsigned 64-bit. ``memory_size`` is the access width of a load of the field (0: don't adjust) and
    ``memory_type`` its type; ``exact`` says that the compiled instruction must already hold the local number."""

    number: int
    memory_size: int = 0
    memory_type: int = 0
    exact: bool = True


def value_of(spec: Spec | None, kind: int) -> Value | None:
    """The value for a spec; for no match (None), 0 if the question is about existence or a type, else None.

    Raises BadInput for what can't be computed, such as a bit-field that no 64-bit load covers.
    """
    if kind in (kinds.FIELD_EXISTS, kinds.ENUMVAL_EXISTS):
        return Value(int(spec is not None))
    if kind in kinds.TYPE_KINDS:
        return _type_value(spec, kind)
    if spec is None:
        return None
    if kind == kinds.ENUMVAL_VALUE:
        enum = spec.btf.type(spec.accessors[0].type)
        assert isinstance(enum, t.Enum)  # parse_spec and match_spec only give enums
        return Value(enum.values[spec.accessors[0].number][1] & U64)
    return _element_value(spec, kind) if spec.accessors[-1].name is None else _member_value(spec, kind)


def _type_value(spec: Spec | None, kind: int) -> Value:
    if spec is None:
        return Value(0)
    if kind in (kinds.TYPE_ID_TARGET, kinds.TYPE_ID_LOCAL):
        return Value(spec.root, exact=False)
    return Value(spec.btf.size_of(spec.root) if kind == kinds.TYPE_SIZE else 1)


def _element_size(btf: Btf, type_id: int) -> int:
    """Size of a value, or of one element of an array of arrays."""
    found = btf.resolve(type_id)
    while isinstance(found, t.Array):
        type_id = found.type
        found = btf.resolve(type_id)
    return btf.size_of(type_id)


def _element_value(spec: Spec, kind: int) -> Value:
    type_id = spec.accessors[-1].type
    if kind == kinds.FIELD_BYTE_OFFSET:
        return Value(spec.bit_offset >> 3, _element_size(spec.btf, type_id), type_id)
    if kind == kinds.FIELD_BYTE_SIZE:
        return Value(spec.btf.size_of(type_id))
    raise BadInput(f"relocation {kinds.kind_name(kind)} can't be applied to array access", section=".BTF.ext")


def _member_value(spec: Spec, kind: int) -> Value:
    last = spec.accessors[-1]
    struct = spec.btf.type(last.type)
    assert isinstance(struct, t.Struct)
    member = struct.members[last.number]
    type_id = spec.btf.skip_mods(member.type)
    found = spec.btf.type(type_id)
    width = member.bitfield_size
    if width:
        byte_size, byte_offset = _bitfield_window(spec.btf.size_of(type_id), spec.bit_offset, width)
    else:
        byte_size, byte_offset = spec.btf.size_of(type_id), spec.bit_offset >> 3
        width = 8 * byte_size
    exact = not member.bitfield_size
    if kind == kinds.FIELD_BYTE_OFFSET:
        size = 0 if member.bitfield_size else _element_size(spec.btf, type_id)
        return Value(byte_offset, size, type_id if size else 0, exact)
    if kind == kinds.FIELD_BYTE_SIZE:
        return Value(byte_size, exact=exact)
    if kind == kinds.FIELD_SIGNED:
        return Value(int(isinstance(found, (t.Int, t.Enum)) and found.signed))
    if kind == kinds.FIELD_LSHIFT_U64:
        return Value(64 - (spec.bit_offset + width - 8 * byte_offset) & U64, exact=exact)
    return Value(64 - width & U64)


def _bitfield_window(size: int, bit_offset: int, width: int) -> tuple[int, int]:
    """Size and offset in bytes of the smallest aligned load that covers a bit-field."""
    size = size or 1
    offset = (bit_offset >> 3) // size * size
    while bit_offset + width - 8 * offset > 8 * size:
        if size >= _MAX_LOAD:
            raise BadInput("bitfield can't be read with 64-bit read", section=".BTF.ext")
        size *= 2
        offset = (bit_offset >> 3) // size * size
    return size, offset
