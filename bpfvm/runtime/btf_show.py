# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""An object as text, by its BTF type: what bpf_snprintf_btf writes (kernel/bpf/btf.c btf_type_snprintf_show, 6.18).

Members that are zero are left out below the outermost type, unless F_ZERO is given. The quirks are the kernel's: inside
an array no names are shown, not even those of an element's members, until an inner array ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bpfvm.btf import Btf
from bpfvm.btf import types as t

F_COMPACT, F_NONAME, F_PTR_RAW, F_ZERO = 1, 2, 4, 8
MAX_INDENT: Final = 32
MAX_STEPS: Final = 10
"""typedefs, pointers and arrays that a type's name may go through (BTF_SHOW_MAX_ITER)"""
NAME_MAX: Final = 79
"""bytes of a name with its type (BTF_SHOW_NAME_SIZE without the NUL)"""
CHAR: Final = 2
"""BTF_INT_CHAR"""
_QUALIFIERS: Final = (t.Const, t.Volatile, t.Restrict, t.TypeTag)


class Show:
    """Writes one object into ``text``. ``data`` are its bytes; ``pointer`` gives %p of a pointer."""

    def __init__(self, btf: Btf, data: bytes, flags: int, pointer: Callable[[int], int]) -> None:
        self._btf = btf
        self._data = data
        self._flags = flags
        self._pointer = pointer
        self.text = bytearray()
        self._depth = 0
        self._type_id = 0
        self._member: t.Member | None = None
        self._in_array = False
        self._encoding = 0
        self._terminated = False
        self._probing = 0
        """depth + 1 of the type whose members are looked at for something to show; nothing is written meanwhile"""
        self._deepest = 0

    # --- output -----------------------------------------------------------------------------------------------------
    def _write(self, text: bytes) -> None:
        if not self._probing:
            self.text += text

    def _line(self, body: bytes, end: bytes = b"") -> None:
        compact = self._flags & F_COMPACT
        indent = b"" if compact else b" " * min(self._depth, MAX_INDENT)
        self._write(indent + body + end + (b"" if compact else b"\n"))

    def _delimiter(self) -> bytes:
        return b"," if self._depth else b""

    def _value(self, text: bytes, is_zero: bool) -> None:
        if not is_zero or self._flags & F_ZERO or not self._depth:
            self._line(self._name().encode() + text, self._delimiter())
            self._deepest = max(self._deepest, self._depth)

    def _number(self, value: int) -> None:
        self._value(str(value).encode(), value == 0)

    # --- names ------------------------------------------------------------------------------------------------------
    def _name(self) -> str:
        """``.member = (type)`` and the bracket that opens it."""
        if self._in_array:
            return ""
        member = self._member
        found = self._typed(member.type if member is not None else self._type_id)
        if found is None:
            return ""
        type_name, bracket = found
        if self._flags & F_NONAME:
            return bracket
        label = f".{member.name} = " if member is not None and member.name else ""
        return f"{label}({type_name}){bracket}"[:NAME_MAX]

    def _typed(self, type_id: int) -> tuple[str, str] | None:
        """A type's name with its stars and brackets, and what opens its value; None for one that goes too deep."""
        kind, name, stars, brackets, is_typedef = self._btf.type(type_id), "", 0, 0, False
        for _ in range(MAX_STEPS):
            if isinstance(kind, t.Typedef):
                name, is_typedef = name or kind.name, True
            elif isinstance(kind, t.Array):
                brackets += 1
            elif isinstance(kind, t.Ptr):
                stars += 1
            else:
                break
            if not kind.type:
                break
            kind = self._unqualified(kind.type)
        else:
            return None
        name = name or getattr(kind, "name", "")
        prefix = ""
        if isinstance(kind, t.Struct | t.Enum) and not is_typedef:
            prefix = kind.kind_name.lower().removesuffix("64") + (" " if name else "")
        opens = "[" if brackets else "{" if isinstance(kind, t.Struct) else ""
        suffix = (" " + "*" * stars if stars else "") + "[]" * brackets
        return f"{prefix}{name}{suffix}", "" if stars else opens

    def _unqualified(self, type_id: int) -> t.BtfType:
        found = self._btf.type(type_id)
        while isinstance(found, _QUALIFIERS):
            found = self._btf.type(found.type)
        return found

    # --- types ------------------------------------------------------------------------------------------------------
    def show(self, type_id: int, at: int = 0, bit: int = 0) -> None:
        """The object of this type at byte ``at`` and bit ``bit`` of the data."""
        found = self._btf.resolve(type_id)
        if isinstance(found, t.Struct):
            self._unless_zero(lambda: self._struct(found, type_id, at))
        elif isinstance(found, t.Array):
            self._unless_zero(lambda: self._array(found, type_id, at, bit))
        elif isinstance(found, t.Int):
            self._int(found, type_id, at, bit)
        elif isinstance(found, t.Enum):
            self._enum(found, type_id, at)
        elif isinstance(found, t.Ptr):
            self._type_id = type_id
            pointer = self._load(at, 8)
            shown = pointer if self._flags & F_PTR_RAW else self._pointer(pointer)
            self._value(f"0x{shown:016x}".encode(), pointer == 0)
        else:
            self._write(f"<unsupported kind:{found.kind}>".encode())

    def _load(self, at: int, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(self._data[at : at + size], "little", signed=signed)

    def _unless_zero(self, body: Callable[[], None]) -> None:
        """An aggregate; below the outermost type only if something in it would be shown."""
        if self._depth and not self._flags & F_ZERO:
            member = self._member
            if not self._probing:
                self._probing, self._deepest = self._depth + 1, 0
            body()
            self._member = member
            if self._probing != self._depth + 1:
                return
            self._probing = 0
            if self._deepest <= self._depth:
                return
        body()

    def _open(self, type_id: int) -> None:
        self._type_id = type_id
        self._line(self._name().encode())
        self._depth += 1

    def _close(self, bracket: bytes, *, bar: bool = False) -> None:
        self._depth -= 1
        is_bar = bar and self._depth and self._flags & F_COMPACT
        self._line(bracket, b"|" if is_bar else self._delimiter())

    def _struct(self, found: t.Struct, type_id: int, at: int) -> None:
        self._open(type_id)
        for member in found.members:
            self._member = member
            place, bit = at + (member.bit_offset >> 3), member.bit_offset & 7
            if member.bitfield_size:
                self._type_id = member.type
                self._bits(place, bit, member.bitfield_size)
            else:
                self.show(member.type, place, bit)
            self._member = None
        self._close(b"}", bar=found.is_union and not found.members)

    def _array(self, found: t.Array, type_id: int, at: int, bit: int) -> None:
        element = self._btf.resolve(found.type)
        size = getattr(element, "size", 0)
        self._encoding = 0 if not isinstance(element, t.Int) else CHAR if size == 1 else element.encoding
        self._terminated = False
        self._open(type_id)
        for index in range(found.nelems):
            self._in_array, self._member = True, None
            self.show(found.type, at + index * size, bit)
            self._in_array, self._member = False, None
            if self._terminated:
                break
        self._encoding, self._terminated = 0, False
        self._close(b"]")

    def _int(self, found: t.Int, type_id: int, at: int, bit: int) -> None:
        self._type_id = type_id
        if bit or found.bit_offset or found.bits & 7 or found.bits not in (8, 16, 32, 64):
            self._bits(at, bit + found.bit_offset, found.bits)
            return
        if found.bits == 8 and self._encoding == CHAR:
            byte = self._load(at, 1)
            self._terminated = self._terminated or not byte
            if self._terminated:
                return
            if 0x20 <= byte < 0x7F or byte >= 0xA0:
                self._value(b"'" + bytes([byte]) + b"'", False)
                return
        self._number(self._load(at, found.bits >> 3, signed=found.signed))

    def _bits(self, at: int, bit: int, size: int) -> None:
        value = self._load(at, 16 + 1) >> bit & (1 << size) - 1
        self._value(f"0x{value:x}".encode(), value == 0)

    def _enum(self, found: t.Enum, type_id: int, at: int) -> None:
        self._type_id = type_id
        size = 8 if found.is64 else 4
        value = self._load(at, size, signed=True)
        name = next((each for each, number in found.values if _signed(number, size) == value), None)
        if name is not None:
            self._value(name.encode(), False)
        else:
            self._number(value if found.signed else value & (1 << 8 * size) - 1)


def _signed(number: int, size: int) -> int:
    bits = 8 * size
    return (number + (1 << bits - 1) & (1 << bits) - 1) - (1 << bits - 1)
