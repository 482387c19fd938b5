# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A value's bytes printed through BTF, as bpftool's btf_dumper does (tools/bpf/bpftool/btf_dumper.c)."""

from __future__ import annotations

from collections.abc import Callable

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.errors import BadInput
from bpfvm.struct_ops.json_writer import JsonWriter

CHAR, BOOL = 2, 4
POINTER_LIMIT = 1 << 32
MAX_DEPTH = 64
MAX_VALUES = 1 << 20
"""values one dumper prints, so that types which contain each other can't multiply without end"""


class ValueDumper:
    """Prints values to ``out``. Function slots hold program ids; ``prog_name`` names them (None: unknown).

    ``plain`` is bpftool's output without -j: almost JSON, with pointers as C prints them.
    """

    def __init__(self, btf: Btf, out: JsonWriter, *, plain: bool, prog_name: Callable[[int], str | None]) -> None:
        self._btf = btf
        self._out = out
        self._plain = plain
        self._prog_name = prog_name
        self._depth = 0
        self._left = MAX_VALUES

    def dump(self, type_id: int, data: bytes) -> None:
        """One value of this type; ``data`` starts with it. Raises BadInput for types that nest or multiply too much."""
        self._left -= 1
        if self._depth > MAX_DEPTH or self._left < 0:
            raise BadInput(f"values of type [{type_id}] nest too deeply or are too many", section=".BTF")
        self._depth += 1
        self._dump(type_id, data)
        self._depth -= 1

    def _dump(self, type_id: int, data: bytes) -> None:
        found = self._btf.resolve(type_id)
        if isinstance(found, t.Struct):
            self._struct(found, data)
        elif isinstance(found, t.Array):
            self._array(found, data)
        elif isinstance(found, t.Ptr):
            self._pointer(found, int.from_bytes(data[:8], "little"))
        elif isinstance(found, t.Enum):
            self._enum(found, data)
        elif isinstance(found, t.Int):
            self._int(found, data)
        else:
            self._out.raw("(unsupported-kind")

    def _struct(self, struct: t.Struct, data: bytes) -> None:
        self._out.start_object()
        for member in struct.members:
            self._out.name(member.name)
            if member.bitfield_size:
                number = int.from_bytes(data[: struct.size], "little") >> member.bit_offset
                self._hex(number & ((1 << member.bitfield_size) - 1))
            else:
                self.dump(member.type, data[member.bit_offset >> 3 :])
        self._out.end_object()

    def _array(self, array: t.Array, data: bytes) -> None:
        element = self._btf.resolve(array.type)
        if isinstance(element, t.Int) and element.size == 1 and _is_text(element, data[: array.nelems]):
            self._out.value(data[: data.index(0)].decode("ascii"))
            return
        size = self._btf.size_of(array.type)
        if size * array.nelems > len(data):
            raise BadInput(f"an array of {size * array.nelems} bytes reaches beyond its value", section=".BTF")
        self._out.start_array()
        for index in range(array.nelems):
            self.dump(array.type, data[index * size : (index + 1) * size])
        self._out.end_array()

    def _pointer(self, pointer: t.Ptr, value: int) -> None:
        target = self._btf.resolve(pointer.type)
        if isinstance(target, t.FuncProto) and value < POINTER_LIMIT:
            self._out.value(f"{signature(self._btf, target)} {self._program(value)}")
        elif self._plain:
            self._out.raw(f"{value:#x}" if value else "(nil)")
        else:
            self._out.value(value)

    def _program(self, prog_id: int) -> str:
        return f"{self._prog_name(prog_id) or '<unknown_prog_name>'}/prog_id:{prog_id}" if prog_id else "0"

    def _enum(self, enum: t.Enum, data: bytes) -> None:
        value = int.from_bytes(data[: enum.size], "little", signed=True)
        unsigned = value & ((1 << 8 * enum.size) - 1)
        name = next((name for name, number in enum.values if number in (value, unsigned)), None)
        self._out.value(value if name is None else name)

    def _int(self, found: t.Int, data: bytes) -> None:
        value = int.from_bytes(data[: found.size], "little", signed=found.signed)
        if found.size > 8:
            self._hex(value)
        elif found.encoding & BOOL:
            self._out.value(bool(value))
        elif found.encoding & CHAR:
            self._char(value & 0xFF)
        else:
            self._out.value(value)

    def _char(self, value: int) -> None:
        if 0x20 <= value < 0x7F:
            self._out.raw(f'"{chr(value)}"')
        else:
            self._out.raw(f"{value:#x}" if self._plain else f'"\\u00{value:02x}"')

    def _hex(self, value: int) -> None:
        self._out.raw(f"{value:#x}" if self._plain else f'"{value:#x}"')


def _is_text(element: t.Int, data: bytes) -> bool:
    """A char array with a terminator and nothing unprintable before it."""
    if not (element.encoding == CHAR or element.name == "char") or 0 not in data:
        return False
    return all(0x20 <= each < 0x7F for each in data[: data.index(0)])


def signature(btf: Btf, proto: t.FuncProto) -> str:
    """A prototype without a name, as bpftool writes it: ``int (struct vm_area_struct *, u32 type)``."""
    params = ", ".join(
        (f"{_type_text(btf, each.type)}{each.name}".rstrip() if each.type else "...") for each in proto.params
    )
    return f"{_type_text(btf, proto.ret)}({params})"


_QUALIFIER = {t.Const: "const", t.Volatile: "volatile", t.Restrict: "restrict"}


def _type_text(btf: Btf, type_id: int) -> str:
    found = btf.type(type_id)
    if isinstance(found, t.Ptr):
        return f"{_type_text(btf, found.type)}* "
    if isinstance(found, (t.Const, t.Volatile, t.Restrict)):
        return f"{_QUALIFIER[type(found)]} {_type_text(btf, found.type)}"
    if isinstance(found, t.TypeTag):
        return _type_text(btf, found.type)
    if isinstance(found, t.FuncProto):
        return f"{signature(btf, found)} "
    if isinstance(found, (t.Struct, t.Fwd)):
        return f"{'union' if found.is_union else 'struct'} {found.name} "
    if isinstance(found, t.Enum):
        return f"enum {found.name} "
    if isinstance(found, t.Array):
        return f"{_type_text(btf, found.type)}[{found.nelems}]"
    return f"{found.name} "
