# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Making BTF type by type, with C's layouts."""

from __future__ import annotations

from collections.abc import Iterable

from bpfvm.btf import types as t
from bpfvm.btf.btf import Btf
from bpfvm.btf.c_layout import CLayout
from bpfvm.btf.index import RawBtf
from bpfvm.btf.write import Strings, serialise
from bpfvm.errors import BadInput, UsageError

MemberDef = tuple[str, int] | tuple[str, int, int]
"""name, type id and, of a bit-field, its width"""


class _Draft(Btf):
    """A builder's types, to be looked at while they grow."""

    __slots__ = ("_drafted",)

    def __init__(self, types: list[t.BtfType], base: Btf | None) -> None:
        super().__init__(RawBtf(memoryview(b""), b"\0", (), (), b""), b"", base, "draft")
        self._drafted = types

    def __len__(self) -> int:
        return self.start_id + len(self._drafted)

    def type(self, type_id: int) -> t.BtfType:
        own = type_id - self.start_id
        if own >= len(self._drafted):
            raise BadInput(f"type id {type_id} does not exist yet (there are {len(self)})", section=".BTF")
        return self._drafted[own] if own >= 0 and type_id else super().type(type_id)


class Builder:
    """Collects types and gives each its id, from 1 (or after ``base``'s last) on.

    ``b = Builder(); u32 = b.integer("unsigned int", 4); b.struct("pair", [("a", u32), ("b", u32)]); b.build()``

    What a type refers to may be added later, as ``next_id`` tells which id it will have; only members of structs must
    be there already, because their sizes count.
    """

    def __init__(self, base: Btf | None = None) -> None:
        self._base = base
        self._types: list[t.BtfType] = []
        self._draft = _Draft(self._types, base)

    def add(self, found: t.BtfType) -> int:
        """Append any type; returns its id."""
        self._types.append(found)
        return self.next_id - 1

    @property
    def next_id(self) -> int:
        """The id that the next type will get."""
        return len(self._draft)

    def integer(self, name: str, size: int, *, signed: bool = False, boolean: bool = False) -> int:
        return self.add(t.Int(name, size, 8 * size, int(signed) | 4 * boolean))

    def floating(self, name: str, size: int) -> int:
        return self.add(t.Float(name, size))

    def ptr(self, type_id: int) -> int:
        return self.add(t.Ptr(type_id))

    def const(self, type_id: int) -> int:
        return self.add(t.Const(type_id))

    def volatile(self, type_id: int) -> int:
        return self.add(t.Volatile(type_id))

    def restrict(self, type_id: int) -> int:
        return self.add(t.Restrict(type_id))

    def array(self, type_id: int, index_type: int, nelems: int) -> int:
        return self.add(t.Array(type_id, index_type, nelems))

    def typedef(self, name: str, type_id: int) -> int:
        return self.add(t.Typedef(name, type_id))

    def fwd(self, name: str, *, union: bool = False) -> int:
        return self.add(t.Fwd(name, union))

    def struct(self, name: str, members: Iterable[MemberDef]) -> int:
        """A struct laid out as C would, bit-fields included. Raises BadInput for members without a size."""
        layout, placed, end, largest = CLayout(self._draft), [], 0, 8
        for member in map(_member, members):
            at = layout.lands_at(end, member, False)
            placed.append(member._replace(bit_offset=at))
            end = layout.end_of(placed[-1])
            largest = max(largest, layout.facts(member.type)[1])
        bits = any(member.bitfield_size for member in placed)
        return self.add(t.Struct(name, -(-end // largest) * largest // 8, tuple(placed), False, bits))

    def union(self, name: str, members: Iterable[MemberDef]) -> int:
        """A union; its members lie on each other."""
        layout, placed = CLayout(self._draft), [_member(each) for each in members]
        end = max((layout.end_of(member) for member in placed), default=0)
        largest = max((layout.facts(member.type)[1] for member in placed), default=8)
        bits = any(member.bitfield_size for member in placed)
        return self.add(t.Struct(name, -(-end // largest) * largest // 8, tuple(placed), True, bits))

    def enum(self, name: str, values: Iterable[tuple[str, int]], size: int = 4) -> int:
        """An enum, or an enum64 when ``size`` is 8; signed if a value is negative. Raises UsageError for others."""
        values = tuple(values)
        signed = any(value < 0 for _, value in values)
        low, high = (-(1 << 8 * size - 1), 1 << 8 * size - 1) if signed else (0, 1 << 8 * size)
        for enumerator, value in values:
            if not low <= value < high:
                raise UsageError(f"{enumerator} = {value} doesn't fit into {size} bytes")
        return self.add(t.Enum(name, size, values, signed, size == 8))

    def func_proto(self, ret: int, params: Iterable[tuple[str, int]]) -> int:
        """A prototype; a last parameter ``("", 0)`` stands for ``...``."""
        return self.add(t.FuncProto(ret, tuple(t.Param(*param) for param in params)))

    def func(self, name: str, ret: int, params: Iterable[tuple[str, int]], linkage: int = 1) -> int:
        """A prototype and its FUNC; returns the FUNC's id."""
        return self.add(t.Func(name, self.func_proto(ret, params), linkage))

    def var(self, name: str, type_id: int, linkage: int = 1) -> int:
        return self.add(t.Var(name, type_id, linkage))

    def datasec(self, name: str, variables: Iterable[int]) -> int:
        """A section with these VARs behind each other, each at its alignment."""
        layout, entries, end = CLayout(self._draft), [], 0
        for var in variables:
            found = self._draft.type(var)
            if not isinstance(found, t.Var):
                raise UsageError(f"[{var}] is a {found.kind_name}, not a variable")
            size, align = (bits // 8 for bits in layout.facts(found.type))
            end = -(-end // align) * align
            entries.append(t.VarSecinfo(var, end, size))
            end += size
        return self.add(t.Datasec(name, end, tuple(entries)))

    def decl_tag(self, text: str, type_id: int, component: int = -1) -> int:
        return self.add(t.DeclTag(text, type_id, component))

    def type_tag(self, text: str, type_id: int) -> int:
        return self.add(t.TypeTag(text, type_id))

    def to_bytes(self) -> bytes:
        """The finished .BTF section."""
        return serialise(self._types, Strings(base=self._base))

    def build(self) -> Btf:
        """The types so far as a ``Btf``."""
        return Btf.parse(self.to_bytes(), base=self._base)


def _member(given: MemberDef) -> t.Member:
    name, type_id, *width = given
    return t.Member(name, type_id, 0, width[0] if width else 0)
