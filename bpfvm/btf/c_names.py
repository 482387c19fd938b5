# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Unique C names for BTF types. C has one namespace for tags and one for typedefs, enumerators and functions;
BTF may hold several types of one name, of which the second becomes ``name___2`` (a flavour: CO-RE still matches)."""

from __future__ import annotations

from bpfvm.btf import types as t
from bpfvm.btf.btf import Btf
from bpfvm.errors import BadInput

_COMPILER_TYPEDEFS = frozenset(("__builtin_va_list",))
"""names that a compiler has of its own, differently on each machine; the kernel's become a flavour"""
_INT_NAMES = frozenset(
    [
        "_Bool",
        "char",
        "signed char",
        "unsigned char",
        "short",
        "short int",
        "short unsigned int",
        "unsigned short",
        "int",
        "unsigned int",
        "unsigned",
        "long",
        "long int",
        "long unsigned int",
        "unsigned long",
        "long long",
        "long long int",
        "long long unsigned int",
        "unsigned long long",
        "__int128",
        "__int128 unsigned",
        "unsigned __int128",
    ]
)
_BY_SIZE = {1: "char", 2: "short", 4: "int", 8: "long long", 16: "__int128"}
_FLOATS = {2: "unsigned short", 4: "float", 8: "double"}
"""what BPF compilers have of the same size and alignment; they have no _Float16"""


def scalar_name(found: t.Int | t.Float) -> str:
    """A C type of the same size; the BTF name itself when C knows it."""
    if isinstance(found, t.Float):
        return _FLOATS.get(found.size, f"struct {{ char __float[{found.size}]; }}")
    if found.name in _INT_NAMES:
        return found.name
    if found.encoding & 4:
        return "_Bool"
    base = _BY_SIZE.get(found.size)
    if base is None:
        raise BadInput(f"C has no integer of {found.size} bytes for '{found.name}'", section=".BTF")
    return base if found.signed else f"unsigned {base}"


def check_name(name: str) -> str:
    """The name, if it is a C identifier. Raises BadInput, so that hostile names don't become code."""
    if not (name.isascii() and name.isidentifier()):
        raise BadInput(f"'{name}' is not a C identifier", section=".BTF")
    return name


class CNames:
    """Hands out names: tags and typedefs once for all, enumerators as they are printed."""

    def __init__(self, btf: Btf) -> None:
        self._btf = btf
        self._tags: dict[str, int] = {}
        self._idents: dict[str, int] = {}
        self._by_id: dict[int, str] = {}
        self._forwards: dict[tuple[str, bool], str] = {}

    def _unique(self, name: str, used: dict[str, int]) -> str:
        count = used.get(name, 0) + 1
        used[name] = count
        return check_name(name) if count == 1 else f"{check_name(name)}___{count}"

    def of(self, type_id: int, found: t.Struct | t.Enum | t.Typedef | t.Fwd) -> str:
        """The name of a named type, without its struct/union/enum keyword."""
        name = self._by_id.get(type_id)
        if name is None:
            name = self._by_id[type_id] = self._make(type_id, found)
        return name

    def _make(self, type_id: int, found: t.Struct | t.Enum | t.Typedef | t.Fwd) -> str:
        if isinstance(found, t.Typedef):
            name = f"{found.name}___kernel" if found.name in _COMPILER_TYPEDEFS else found.name
            return self._unique(name, self._idents)
        if isinstance(found, t.Fwd):
            return self._forward(found)
        return self._unique(found.name, self._tags)

    def _forward(self, found: t.Fwd) -> str:
        """A forward declaration shares the name of the struct it stands for, if there is one."""
        for candidate in self._btf.find_all(found.name, t.Struct):
            struct = self._btf.type(candidate)
            if isinstance(struct, t.Struct) and struct.is_union == found.is_union:
                return self.of(candidate, struct)
        key = (found.name, found.is_union)
        if key not in self._forwards:
            self._forwards[key] = self._unique(found.name, self._tags)
        return self._forwards[key]

    def enumerator(self, name: str) -> str:
        return self._unique(name, self._idents)
