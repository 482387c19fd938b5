# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A struct_ops variable as the caller may edit it between open and load (libbpf's shadow types)."""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.btf import types as t
from bpfvm.errors import UsageError
from bpfvm.obj.model import ObjectSpec, StructOpsSpec


class Shadow:
    """``data`` holds the variable's bytes, ``funcs`` the program behind each function slot; both may be changed
    until load."""

    __slots__ = ("autocreate", "data", "funcs", "obj", "spec", "struct")

    def __init__(self, obj: ObjectSpec, name: str) -> None:
        spec = obj.struct_ops.get(name)
        if spec is None:
            raise UsageError(
                f"{obj.name} has no struct_ops variable {name} (it has: {', '.join(obj.struct_ops) or 'none'})"
            )
        struct = obj.btf.resolve(spec.type_id) if obj.btf is not None else None
        if not isinstance(struct, t.Struct):
            raise UsageError(f"struct_ops variable {name} has no struct type")
        self.obj = obj
        self.spec: StructOpsSpec = spec
        self.struct = struct
        self.data = bytearray(spec.initial)
        self.funcs: dict[str, str | None] = dict(spec.funcs)
        self.autocreate = spec.autocreate

    def set(self, member: str, value: int | bytes) -> None:
        """Store a data member: an integer (wrapped to the member's size) or its bytes. Raises UsageError."""
        assert self.obj.btf is not None
        found = self._member(member)
        size = self.obj.btf.size_of(found.type)
        if isinstance(value, int):
            value = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
        if len(value) > size:
            raise UsageError(f"member {member} has {size} bytes, {len(value)} were given")
        start = found.bit_offset >> 3
        self.data[start : start + size] = value.ljust(size, b"\0")

    def set_prog(self, member: str, program: str | None) -> None:
        """Put another program, or none, into a function slot. Raises UsageError."""
        self._member(member)
        self.funcs[member] = program

    def _member(self, name: str) -> t.Member:
        for member in self.struct.members:
            if member.name == name:
                return member
        raise UsageError(f"struct {self.struct.name} has no member {name}")


def shadows(obj: ObjectSpec) -> Mapping[str, Shadow]:
    """A Shadow for each struct_ops variable of an object, in the order they were declared."""
    return {name: Shadow(obj, name) for name in obj.struct_ops}
