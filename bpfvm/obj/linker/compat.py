# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Whether two mentions of a global name have types that go together (libbpf's glob_syms_match, 1.7; its texts)."""

from __future__ import annotations

from dataclasses import dataclass

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.errors import BadInput
from bpfvm.obj.linker.inputs import Input
from bpfvm.obj.maps import map_definition
from bpfvm.obj.model import MapSpec

MAX_DEPTH = 64
_SIZED = (t.Int, t.Float, t.Enum)
_NAMED = (t.Struct, t.Enum, t.Fwd, t.Func, t.Var)
_TYPED = (t.Array, t.Func, t.Var)
"""kinds of which only the type below counts: array lengths may differ, extern and global go together"""
_MAP_FACTS = ("map_type", "key_size", "value_size", "max_entries", "map_flags", "map_extra", "pinning")


def check_compatible(name: str, one: Input, one_id: int, other: Input, other_id: int) -> None:
    """Raises BadInput, which blames ``other``."""
    assert one.btf is not None and other.btf is not None  # their ids come from there
    matcher = _Matcher(name, one.btf, other.btf)
    try:
        if one_id in one.maps:
            _check_maps(matcher, map_definition(one.btf, one_id), map_definition(other.btf, other_id))
        else:
            matcher.check(one_id, other_id)
    except BadInput as error:
        text = f"{error.message} (here and in '{one.path}')"
        raise other.bad(text, error.section or ".BTF", error.offset) from error


def _check_maps(matcher: _Matcher, one: MapSpec, other: MapSpec) -> None:
    for fact in _MAP_FACTS:
        if getattr(one, fact) != getattr(other, fact):
            raise matcher.bad(f"map {fact.removeprefix('map_')} mismatch")
    for what in ("key", "value"):
        ids = getattr(one, f"{what}_type_id"), getattr(other, f"{what}_type_id")
        if bool(ids[0]) != bool(ids[1]):
            raise matcher.bad(f"map {what} type mismatch")
        matcher.check(*ids)
    if (one.inner is None) != (other.inner is None):
        raise matcher.bad("map inner map mismatch")
    if one.inner is not None and other.inner is not None:
        _check_maps(matcher, one.inner, other.inner)


@dataclass(frozen=True, slots=True)
class _Matcher:
    """Compares types of two files by name and shape; what is behind a pointer only by name and kind."""

    name: str
    one: Btf
    other: Btf

    def bad(self, message: str) -> BadInput:
        return BadInput(f"global '{self.name}': {message}")

    def check(self, one_id: int, other_id: int, exact: bool = True, depth: int = 0) -> None:
        if depth > MAX_DEPTH:
            raise self.bad("types nest too deeply")
        one, other = self.one.resolve(one_id), self.other.resolve(other_id)
        if not exact and isinstance(one, t.Fwd) != isinstance(other, t.Fwd):
            self._check_forward(one, other)
            return
        if one.kind != other.kind:
            raise self.bad(f"incompatible BTF kinds {one.kind_name} and {other.kind_name}")
        if isinstance(one, _NAMED) and one.name != other.name:
            raise self.bad(f"incompatible {one.kind_name} names '{one.name}' and '{other.name}'")
        if isinstance(one, _SIZED) and isinstance(other, _SIZED):
            if one.size != other.size:
                raise self.bad(f"incompatible {one.kind_name} '{one.name}' size {one.size} and {other.size}")
        elif isinstance(one, t.Ptr) and isinstance(other, t.Ptr):
            self.check(one.type, other.type, False, depth + 1)
        elif isinstance(one, _TYPED) and isinstance(other, _TYPED):
            self.check(one.type, other.type, exact, depth + 1)
        elif isinstance(one, t.FuncProto) and isinstance(other, t.FuncProto):
            self._check_prototype(one, other, exact, depth)
        elif isinstance(one, t.Struct) and isinstance(other, t.Struct) and exact:
            self._check_members(one, other, depth)

    def _check_forward(self, one: t.BtfType, other: t.BtfType) -> None:
        forward, body = (one, other) if isinstance(one, t.Fwd) else (other, one)
        assert isinstance(forward, t.Fwd)
        if one.name != other.name:
            raise self.bad(f"incompatible forward declaration names '{one.name}' and '{other.name}'")
        if not isinstance(body, t.Struct) or body.is_union != forward.is_union:
            word = "union" if forward.is_union else "struct"
            raise self.bad(f"incompatible {word} forward declaration and concrete kind {body.kind_name}")

    def _check_prototype(self, one: t.FuncProto, other: t.FuncProto, exact: bool, depth: int) -> None:
        if len(one.params) != len(other.params):
            raise self.bad(f"incompatible number of FUNC_PROTO params {len(one.params)} and {len(other.params)}")
        for ours, theirs in zip(one.params, other.params, strict=True):
            self.check(ours.type, theirs.type, exact, depth + 1)
        self.check(one.ret, other.ret, exact, depth + 1)

    def _check_members(self, one: t.Struct, other: t.Struct, depth: int) -> None:
        counts = len(one.members), len(other.members)
        if counts[0] != counts[1]:
            raise self.bad(f"incompatible number of {one.kind_name} fields {counts[0]} and {counts[1]}")
        for number, (ours, theirs) in enumerate(zip(one.members, other.members, strict=True)):
            if ours.name != theirs.name:
                raise self.bad(f"incompatible field #{number} names '{ours.name}' and '{theirs.name}'")
            if (ours.bit_offset, ours.bitfield_size) != (theirs.bit_offset, theirs.bitfield_size):
                raise self.bad(f"incompatible field #{number} ('{ours.name}') offsets")
            self.check(ours.type, theirs.type, True, depth + 1)
