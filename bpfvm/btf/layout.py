# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Sizes, alignments and member paths of BTF types, as the C ABI of 64-bit Linux lays them out."""

from __future__ import annotations

from typing import NamedTuple

from bpfvm.btf import types as t
from bpfvm.btf.btf import MAX_RESOLVE_DEPTH, POINTER_SIZE, Btf
from bpfvm.errors import BadInput

MAX_ANONYMOUS = 200
"""anonymous members that one struct may have, at all depths"""


class Place(NamedTuple):
    """Where a member lies: its type, offset in bits from the start, bit-field width (0: not a bit-field)."""

    type: int
    bit_offset: int
    bitfield_size: int = 0

    @property
    def offset(self) -> int:
        """Offset in whole bytes."""
        return self.bit_offset >> 3


def align_of(btf: Btf, type_id: int, _depth: int = 0) -> int:
    """Natural alignment in bytes (1 for a packed struct, whose members tell). Raises BadInput for types without one."""
    if _depth > MAX_RESOLVE_DEPTH:
        raise BadInput(f"type id {type_id} nests too deeply", section=".BTF")
    found = btf.resolve(type_id)
    if isinstance(found, t.Ptr):
        return POINTER_SIZE
    if isinstance(found, (t.Int, t.Enum, t.Float)):
        return min(POINTER_SIZE, found.size) or 1
    if isinstance(found, t.Array):
        return align_of(btf, found.type, _depth + 1)
    if isinstance(found, t.Struct):
        return _struct_align(btf, found, _depth)
    raise BadInput(f"type [{type_id}] {found.kind_name} '{found.name}' has no alignment", section=".BTF")


def _struct_align(btf: Btf, struct: t.Struct, depth: int) -> int:
    """The largest member alignment; 1 when a member or the size contradicts it (libbpf's btf__align_of)."""
    largest = 1
    for member in struct.members:
        align = align_of(btf, member.type, depth + 1)
        largest = max(largest, align)
        if not member.bitfield_size and member.bit_offset % (8 * align):
            return 1
    return largest if struct.size % largest == 0 else 1


def member(btf: Btf, type_id: int, path: str) -> Place:
    """The place of ``"a.b[2].c"`` in a struct; anonymous members are looked through. Raises BadInput."""
    place = Place(type_id, 0)
    for step in path.replace("[", ".[").split("."):
        if step.startswith("["):
            place = _element(btf, place, step)
        else:
            place = _field(btf, place, step, path)
    return place


def _element(btf: Btf, place: Place, step: str) -> Place:
    array = btf.resolve(place.type)
    text = step[1:-1]
    if not isinstance(array, t.Array) or not text.isdigit() or not step.endswith("]"):
        raise BadInput(f"{step} does not index an array")
    index = int(text)
    if array.nelems and index >= array.nelems:
        raise BadInput(f"index {index} is outside of an array of {array.nelems}")
    return Place(array.type, place.bit_offset + 8 * index * btf.size_of(array.type))


def _field(btf: Btf, place: Place, name: str, path: str) -> Place:
    struct = btf.resolve(place.type)
    found = _find(btf, struct, name, set()) if isinstance(struct, t.Struct) else None
    if found is None:
        raise BadInput(f"no member '{name}' in {struct.kind_name.lower()} {struct.name or '(anon)'} (path '{path}')")
    return Place(found.type, place.bit_offset + found.bit_offset, found.bitfield_size)


def _find(btf: Btf, struct: t.Struct, name: str, seen: set[int]) -> Place | None:
    """The member with this name; ``seen`` holds anonymous types that lack it, so that none is searched twice."""
    for each in struct.members:
        if each.name == name:
            return Place(each.type, each.bit_offset, each.bitfield_size)
        inner = btf.resolve(each.type) if not each.name and each.type not in seen else None
        if isinstance(inner, t.Struct):
            seen.add(each.type)
            if len(seen) > MAX_ANONYMOUS:
                raise BadInput(f"struct {struct.name} nests too deeply", section=".BTF")
            found = _find(btf, inner, name, seen)
            if found is not None:
                return found._replace(bit_offset=found.bit_offset + each.bit_offset)
    return None


def container_of(btf: Btf, address: int, type_id: int, path: str) -> int:
    """The address of the struct whose member ``path`` lies at ``address``."""
    return address - member(btf, type_id, path).offset
