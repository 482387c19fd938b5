# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Kernel objects in emulated memory, seen through BTF: ``task.mm``, ``vma["vm_mm"]``, ``cgroup.set("kn.id", 7)``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.errors import UsageError
from bpfvm.memory.layouts import Field, Layout, element, layout, offset_of
from bpfvm.memory.memory import Memory


def _signed(value: int, bits: int) -> int:
    sign = 1 << (bits - 1)
    return (value ^ sign) - sign


def _get(memory: Memory, btf: Btf, addr: int, field: Field) -> Any:
    """Read one member whose struct begins at ``addr``: int, View, ArrayView or bytes. Only BTF knows which, hence
    Any."""
    at = addr + field.offset
    if field.kind == "scalar":
        value = memory.load(at, field.size)
        return _signed(value, field.size * 8) if field.signed else value
    if field.kind == "bits":
        value = memory.load(at, field.size) >> field.shift & (1 << field.bits) - 1
        return _signed(value, field.bits) if field.signed else value
    if field.kind == "struct":
        return View(memory, btf, field.type_id, at)
    if field.kind == "array":
        return ArrayView(memory, btf, field.type_id, at)
    return memory.read(at, field.size)


def _set(memory: Memory, addr: int, field: Field, value: int | bytes) -> None:
    """Write one member. ints wrap to the member's width; bytes fill a member of any kind, padded with zeros."""
    at = addr + field.offset
    if isinstance(value, (bytes, bytearray)):
        if len(value) > field.size or field.kind == "bits":
            raise UsageError(f"{len(value)} bytes don't fit member '{field.name}' of {field.size} bytes")
        memory.write(at, bytes(value).ljust(field.size, b"\0"))
    elif field.kind == "scalar":
        memory.store(at, field.size, value)
    elif field.kind == "bits":
        mask = ((1 << field.bits) - 1) << field.shift
        memory.store(at, field.size, memory.load(at, field.size) & ~mask | value << field.shift & mask)
    else:
        raise UsageError(f"member '{field.name}' is a {field.kind}: set it with bytes, or set its parts")


class View:
    """A struct at ``addr``. Members read as int (ints, enums, pointers, bit-fields; signed as declared), as View
    (embedded structs), as ArrayView, or as bytes. Members of anonymous structs and unions are members of the outer
    one, as in C.

    ``v.name`` and ``v["a.b"]`` read, ``v.name = 1`` and ``v["a.b"] = 1`` write. A member with the name of one of this
    class's own attributes is reached with ``v["addr"]``. Raises UsageError for a member that isn't emulated, and what
    Memory raises for a bad address. Two views are equal when type and address are.
    """

    __slots__ = ("_btf", "_layout", "_memory", "addr")
    addr: int
    _memory: Memory
    _btf: Btf
    _layout: Layout

    def __init__(self, memory: Memory, btf: Btf, type_id: int, addr: int) -> None:
        set_slot = object.__setattr__
        set_slot(self, "_memory", memory)
        set_slot(self, "_btf", btf)
        set_slot(self, "_layout", layout(btf, type_id))
        set_slot(self, "addr", addr)

    def __getattr__(self, name: str) -> Any:
        field = self._layout.fields.get(name)
        if field is None:
            if name.startswith("__"):
                raise AttributeError(name)
            field = self._layout.field(name)
        return _get(self._memory, self._btf, self.addr, field)

    def __setattr__(self, name: str, value: int | bytes) -> None:
        _set(self._memory, self.addr, self._layout.field(name), value)

    def __getitem__(self, path: str) -> Any:
        addr, field = self._walk(path)
        return _get(self._memory, self._btf, addr, field)

    def __setitem__(self, path: str, value: int | bytes) -> None:
        addr, field = self._walk(path)
        _set(self._memory, addr, field, value)

    def _walk(self, path: str) -> tuple[int, Field]:
        """Address of the innermost struct that ``path`` names, and the member in it."""
        *outer, last = path.split(".")
        addr, inside = self.addr, self._layout
        for name in outer:
            step = inside.field(name)
            addr, inside = addr + step.offset, layout(self._btf, step.type_id)
        return addr, inside.field(last)

    def offset(self, path: str) -> int:
        """Byte offset of a member ("a.b") from the struct's start."""
        return offset_of(self._btf, self._layout.type_id, path)

    def addr_of(self, path: str) -> int:
        """Address of a member ("a.b")."""
        return self.addr + self.offset(path)

    def deref(self, path: str) -> View | None:
        """The struct a pointer member points to; None when the pointer is NULL."""
        addr, field = self._walk(path)
        pointer = self._btf.type(field.type_id)
        if not isinstance(pointer, t.Ptr):
            raise UsageError(f"'{path}' is no pointer")
        target = self._memory.load(addr + field.offset, 8)
        return View(self._memory, self._btf, pointer.type, target) if target else None

    def has(self, name: str) -> bool:
        """Is there a member with this name?"""
        return name in self._layout.fields

    def sizeof(self) -> int:
        """Size of the struct in bytes."""
        return self._layout.size

    def raw(self) -> bytes:
        """The struct's bytes."""
        return self._memory.read(self.addr, self.sizeof())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, View) and (self.addr, self._layout.type_id) == (
            other.addr,
            other._layout.type_id,
        )

    def __hash__(self) -> int:
        return hash((self.addr, self._layout.type_id))

    def __repr__(self) -> str:
        return f"<{self._layout.name} at {self.addr:#x}>"


class ArrayView:
    """An array at ``addr``: ``a[i]``, ``a[i] = v``, ``len(a)``, iteration; ``string()`` for arrays of char.

    Indexes count from 0 and are not checked for flexible arrays (0 elements declared); elsewhere IndexError.
    """

    __slots__ = ("_btf", "_element", "_memory", "_nelems", "addr")

    def __init__(self, memory: Memory, btf: Btf, type_id: int, addr: int) -> None:
        found = btf.resolve(type_id)
        if not isinstance(found, t.Array):
            raise UsageError(f"type [{type_id}] {found.kind_name} '{found.name}' is no array")
        self._memory = memory
        self._btf = btf
        self._element = element(btf, found.type)
        self._nelems = found.nelems
        self.addr = addr

    def __len__(self) -> int:
        return self._nelems

    def _at(self, index: int) -> int:
        if index < 0 or (self._nelems and index >= self._nelems):
            raise IndexError(f"element {index} of an array of {self._nelems}")
        return self.addr + index * self._element.size

    def __getitem__(self, index: int) -> Any:
        return _get(self._memory, self._btf, self._at(index), self._element)

    def __setitem__(self, index: int, value: int | bytes) -> None:
        _set(self._memory, self._at(index), self._element, value)

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(self._nelems))

    def raw(self) -> bytes:
        """The array's bytes."""
        return self._memory.read(self.addr, self._nelems * self._element.size)

    def string(self) -> str:
        """The bytes up to the first NUL as text (UTF-8, undecodable bytes replaced)."""
        return self.raw().split(b"\0", 1)[0].decode("utf-8", "replace")

    def __repr__(self) -> str:
        return f"<array of {self._nelems} at {self.addr:#x}>"


def view(memory: Memory, btf: Btf, name: str, addr: int) -> View:
    """A View of struct ``name``. Raises UsageError when the BTF has no such struct."""
    type_id = btf.find(name, t.Struct)
    if not type_id:
        raise UsageError(f"no struct {name} in BTF {btf.name}".rstrip())
    return View(memory, btf, type_id, addr)


def container_of(memory: Memory, btf: Btf, name: str, member: str, addr: int) -> View:
    """The struct ``name`` whose member ("a.b") lies at ``addr``."""
    outer = view(memory, btf, name, 0)
    return View(memory, btf, outer._layout.type_id, addr - outer.offset(member))
