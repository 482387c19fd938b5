# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Kernel objects of the emulation: a Python object for a struct in emulated memory, with its members as attributes.

The bytes are the truth: what a BPF program reads there is what the emulation reads, so nothing is kept twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, overload

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.memory import layout, offset_of

if TYPE_CHECKING:
    from thpmm.machine import Machine


class Members(dict[str, tuple[int, int, bool]]):
    """member path ("a.b") → (byte offset, size, signed), looked up in BTF at first use."""

    def __init__(self, btf: Btf, struct: str) -> None:
        super().__init__()
        self._btf = btf
        self.type_id = btf.find(struct, t.Struct)
        self.size = btf.size_of(self.type_id)

    def __missing__(self, path: str) -> tuple[int, int, bool]:
        owner, _, last = path.rpartition(".")
        type_id = self.type_id
        for name in filter(None, owner.split(".")):
            type_id = layout(self._btf, type_id).field(name).type_id
        member = layout(self._btf, type_id).field(last)
        found = (offset_of(self._btf, self.type_id, path), member.size, member.signed)
        self[path] = found
        return found

    def offset(self, path: str) -> int:
        """Byte offset of a member."""
        return self[path][0]


class Layouts(dict[str, Members]):
    """struct name → its members, for one kernel BTF."""

    def __init__(self, btf: Btf) -> None:
        super().__init__()
        self.btf = btf

    def __missing__(self, struct: str) -> Members:
        found = Members(self.btf, struct)
        self[struct] = found
        return found


class Field:
    """A scalar member as an attribute: reads and writes emulated memory. Raises what Memory raises."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    @overload
    def __get__(self, instance: None, owner: type[KObject]) -> Field: ...
    @overload
    def __get__(self, instance: KObject, owner: type[KObject]) -> int: ...
    def __get__(self, instance: KObject | None, owner: type[KObject]) -> int | Field:
        if instance is None:
            return self
        offset, size, signed = instance.members[self.path]
        value = instance.machine.memory.load(instance.addr + offset, size)
        if signed and value >> (size * 8 - 1):
            value -= 1 << (size * 8)
        return value

    def __set__(self, instance: KObject, value: int) -> None:
        offset, size, _ = instance.members[self.path]
        instance.machine.memory.store(instance.addr + offset, size, value)


class KObject:
    """A struct called ``STRUCT`` at ``addr``. Two are equal when they are the same Python object."""

    STRUCT: ClassVar[str]
    __slots__ = ("addr", "machine", "members")

    def __init__(self, machine: Machine, addr: int = 0) -> None:
        """Over the struct at ``addr``, or with 0 over a new zeroed one. Raises SyscallError(ENOMEM)."""
        self.machine = machine
        self.members = machine.layouts[self.STRUCT]
        self.addr = addr or machine.memory.alloc(self.members.size, align=64, what=self.STRUCT)

    def __repr__(self) -> str:
        return f"<{self.STRUCT} {self.addr:#x}>"

    def at(self, path: str) -> int:
        """Address of a member."""
        return self.addr + self.members.offset(path)

    def free(self) -> None:
        """Give the memory back; the bytes stay readable until they are used again, unless kasan watches."""
        self.machine.memory.free(self.addr)


def sub_and_test(machine: Machine, addr: int) -> bool:
    """atomic_dec_and_test() on the 32-bit counter at ``addr``: True when it reached zero. A bad address faults as
    a write."""
    memory = machine.memory
    if not memory.valid(addr, 4):
        memory.store(addr, 4, 0)
    value = memory.load(addr, 4) - 1
    memory.store(addr, 4, value)
    return value == 0
