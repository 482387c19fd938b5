# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How a C compiler lays out a struct on a 64-bit BPF target, so that a printed struct can be made to match its BTF.

Rules: System V AMD64 ABI 3.1.2 (sizes, alignment, bit-fields), which clang follows for BPF. BTF keeps no alignment, so
a struct's alignment is that of its members, and whatever else moved a member is made up by unnamed bit-fields.
"""

from __future__ import annotations

from collections.abc import Iterator

from bpfvm.btf import types as t
from bpfvm.btf.btf import MAX_RESOLVE_DEPTH, POINTER_SIZE, Btf
from bpfvm.errors import BadInput

MAX_BITFIELD_PADDING = 1 << 17
"""bits; longer gaps become a char array"""
_UNITS = ((64, "long"), (32, "int"), (16, "short"), (8, "char"))


class CLayout:
    """Sizes and alignments as the printed C will have them, remembered by type id."""

    def __init__(self, btf: Btf) -> None:
        self._btf = btf
        self._facts: dict[int, tuple[int, int]] = {}
        self._packed: dict[int, bool] = {}

    def facts(self, type_id: int, depth: int = 0) -> tuple[int, int]:
        """Size and alignment in bits. Raises BadInput for types without a size and for endless nesting."""
        known = self._facts.get(type_id)
        if known is None:
            if depth > MAX_RESOLVE_DEPTH * 2:
                raise BadInput(f"type [{type_id}] nests too deeply", section=".BTF")
            known = self._facts[type_id] = self._compute(type_id, depth)
        return known

    def _compute(self, type_id: int, depth: int) -> tuple[int, int]:
        found = self._btf.resolve(type_id)
        if isinstance(found, t.Ptr):
            return 8 * POINTER_SIZE, 8 * POINTER_SIZE
        if isinstance(found, (t.Int, t.Enum)):
            return 8 * found.size, 8 * max(1, found.size)
        if isinstance(found, t.Float):
            return 8 * found.size, 8 * (found.size if found.size in (2, 4, 8) else 1)
        if isinstance(found, t.Array):
            size, align = self.facts(found.type, depth + 1)
            return size * found.nelems, align
        if isinstance(found, t.Struct):
            struct_id = self._btf.skip_mods(type_id)
            return 8 * found.size, 8 if self.packed(struct_id, found, depth) else self._natural(found, depth)
        raise BadInput(f"type [{type_id}] {found.kind_name} '{found.name}' has no size", section=".BTF")

    def _natural(self, struct: t.Struct, depth: int) -> int:
        return max((self.facts(m.type, depth + 1)[1] for m in struct.members), default=8)

    def packed(self, struct_id: int, struct: t.Struct, depth: int = 0) -> bool:
        """Whether the struct's layout is only possible with ``__attribute__((packed))``."""
        known = self._packed.get(struct_id)
        if known is None:
            known = self._packed[struct_id] = self._must_pack(struct, depth)
        return known

    def _must_pack(self, struct: t.Struct, depth: int) -> bool:
        if 8 * struct.size % self._natural(struct, depth):
            return True
        for member in struct.members:
            size, align = self.facts(member.type, depth + 1)
            at, width = member.bit_offset, member.bitfield_size
            if width:
                if size and at // size != (at + width - 1) // size:
                    return True
            elif at % align:
                return True
        return False

    def lands_at(self, cursor: int, member: t.Member, packed: bool) -> int:
        """The bit offset that a compiler gives a member that follows ``cursor`` bits."""
        size, align = self.facts(member.type)
        width = member.bitfield_size
        if width:
            crosses = not packed and size and cursor // size != (cursor + width - 1) // size
            return -(-cursor // size) * size if crosses else cursor
        align = 8 if packed else align
        return -(-cursor // align) * align

    def end_of(self, member: t.Member) -> int:
        """The bit after a member."""
        return member.bit_offset + (member.bitfield_size or self.facts(member.type)[0])


def padding(cursor: int, target: int) -> Iterator[str]:
    """Unnamed bit-fields that fill bits ``cursor`` … ``target``, none crossing a boundary of its type."""
    if target - cursor > MAX_BITFIELD_PADDING:
        to_byte = -cursor % 8
        if to_byte:
            yield f"char: {to_byte};"
        start = (cursor + to_byte) // 8
        yield f"char __pad_{start}[{target // 8 - start}];"
        cursor = target // 8 * 8
    while cursor < target:
        for unit, name in _UNITS:
            if cursor % unit == 0 and target - cursor >= unit:
                yield f"{name}: {unit};"
                cursor += unit
                break
        else:
            width = min(8 - cursor % 8, target - cursor)
            yield f"char: {width};"
            cursor += width
