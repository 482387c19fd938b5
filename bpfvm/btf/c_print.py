# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The C text of single types: declarators, struct bodies, enums."""

from __future__ import annotations

from dataclasses import replace

from bpfvm.btf import types as t
from bpfvm.btf.btf import Btf
from bpfvm.btf.c_layout import CLayout, padding
from bpfvm.btf.c_names import CNames, check_name, scalar_name
from bpfvm.errors import BadInput

MAX_DEPTH = 100
BODIES_PER_TYPE = 4
"""how often a body may be printed on average, so that shared anonymous ones can't multiply without end"""
_QUALIFIERS: dict[type[t.BtfType], str] = {t.Const: "const", t.Volatile: "volatile", t.Restrict: "restrict"}
_ENUM_MODES = {1: "byte", 2: "HI", 8: "word"}


class CPrinter:
    """Prints types of one BTF; names stay the same over its life. Type tags are left out: no layout needs them."""

    def __init__(self, btf: Btf) -> None:
        self._btf = btf
        self._bodies_left = BODIES_PER_TYPE * len(btf) + 1000
        self.names = CNames(btf)
        self.layout = CLayout(btf)

    def tag(self, type_id: int, found: t.Struct | t.Enum | t.Fwd) -> str:
        """``struct foo``, ``union foo`` or ``enum foo``."""
        word = "enum" if isinstance(found, t.Enum) else "union" if found.is_union else "struct"
        return f"{word} {self.names.of(type_id, found)}"

    def declare(self, type_id: int, inner: str, indent: str = "", quals: str = "", depth: int = 0) -> str:
        """A declaration of ``inner`` (a name, or a declarator around one) with this type, without the semicolon."""
        if depth > MAX_DEPTH:
            raise BadInput(f"type [{type_id}] nests too deeply", section=".BTF")
        type_id, quals = self._qualifiers(type_id, quals)
        found = self._btf.type(type_id)
        if isinstance(found, t.Ptr):
            gap = " " if quals and inner else ""
            text = f"*{quals}{gap}{inner}"
            target, _ = self._qualifiers(found.type, "")
            if isinstance(self._btf.type(target), (t.Array, t.FuncProto)):
                text = f"({text})"
            return self.declare(found.type, text, indent, "", depth + 1)
        if isinstance(found, t.Array):
            return self.declare(found.type, f"{inner}[{found.nelems}]", indent, quals, depth + 1)
        if isinstance(found, t.FuncProto):
            return self.declare(found.ret, f"{inner}({self._params(found, indent, depth)})", indent, "", depth + 1)
        base = self._base(type_id, found, indent, depth)
        return " ".join(part for part in (quals, base, inner) if part)

    def _qualifiers(self, type_id: int, quals: str) -> tuple[int, str]:
        words = quals.split()
        for _ in range(MAX_DEPTH):
            found = self._btf.type(type_id)
            if isinstance(found, (t.Const, t.Volatile, t.Restrict)):
                word = _QUALIFIERS[type(found)]
                words += [word] if word not in words else []
            elif not isinstance(found, t.TypeTag):
                if "restrict" in words and not isinstance(self._btf.resolve(type_id), t.Ptr):
                    words.remove("restrict")  # in C only pointers have it
                return type_id, " ".join(words)
            type_id = found.type
        raise BadInput(f"type [{type_id}] nests too deeply", section=".BTF")

    def _params(self, proto: t.FuncProto, indent: str, depth: int) -> str:
        if not proto.params:
            return "void"
        shown = []
        for param in proto.params:
            variadic = not param.type and not param.name
            shown.append("..." if variadic else self.declare(param.type, "", indent, "", depth + 1))
        return ", ".join(shown)

    def _base(self, type_id: int, found: t.BtfType, indent: str, depth: int) -> str:
        if isinstance(found, t.Void):
            return "void"
        if isinstance(found, (t.Int, t.Float)):
            return scalar_name(found)
        if isinstance(found, t.Typedef):
            return self.names.of(type_id, found)
        if isinstance(found, (t.Struct, t.Enum)) and not found.name:
            return self.enum_body(found) if isinstance(found, t.Enum) else self.body(type_id, found, indent, depth)
        if isinstance(found, (t.Struct, t.Enum, t.Fwd)):
            return self.tag(type_id, found)
        raise BadInput(f"type [{type_id}] {found.kind_name} '{found.name}' can't be declared in C", section=".BTF")

    def enum_body(self, enum: t.Enum, tag: str = "enum", indent: str = "") -> str:
        """``enum tag { … }`` with its attribute. An enum without values becomes an integer."""
        if not enum.values:
            return scalar_name(t.Int("", enum.size, 8 * enum.size, int(enum.signed)))
        suffix = "" if not enum.is64 else "LL" if enum.signed else "ULL"
        lines = [f"{indent}\t{self.names.enumerator(name)} = {value}{suffix},\n" for name, value in enum.values]
        mode = _ENUM_MODES.get(enum.size)
        attribute = f" __attribute__((mode({mode})))" if mode else ""
        return f"{tag} {{\n{''.join(lines)}{indent}}}{attribute}"

    def body(self, type_id: int, struct: t.Struct, indent: str = "", depth: int = 0) -> str:
        """``struct tag { … }``, padded so that every member lands where BTF says."""
        self._bodies_left -= 1
        if self._bodies_left < 0:
            raise BadInput("anonymous types multiply without end", section=".BTF")
        packed = self.layout.packed(type_id, struct)
        inside = indent + "\t"
        lines = self._union_lines(struct, inside, depth) if struct.is_union else None
        if lines is None:
            lines = self._struct_lines(struct, packed, inside, depth)
        word = "union" if struct.is_union else "struct"
        head = f"{word} {self.names.of(type_id, struct)}" if struct.name else word
        attribute = " __attribute__((packed))" if packed else ""
        if not lines:
            return f"{head} {{}}{attribute}"
        text = "".join(f"{inside}{line}\n" for line in lines)
        return f"{head} {{\n{text}{indent}}}{attribute}"

    def _member(self, member: t.Member, indent: str, depth: int) -> str:
        width = f": {member.bitfield_size}" if member.bitfield_size else ""
        if not member.name and not width:
            struct_id, struct = self._unnamed(member)
            assert struct is not None  # what has neither name nor members was left out
            return f"{self.body(struct_id, replace(struct, name=''), indent, depth + 1)};"
        name = check_name(member.name) if member.name else ""
        return f"{self.declare(member.type, name, indent, '', depth + 1)}{width};"

    def _unnamed(self, member: t.Member) -> tuple[int, t.Struct | None]:
        """The struct whose members are used as if they were the outer one's; it may have a tag (-fms-extensions)."""
        struct_id = self._btf.skip_mods(member.type)
        found = self._btf.type(struct_id)
        return struct_id, found if isinstance(found, t.Struct) else None

    def _why_not(self, member: t.Member, cursor: int, names: set[str]) -> str:
        """Why C can't have a member, "" if it can. BTF of other languages has members that lie on each other."""
        if member.bit_offset < cursor:
            return "overlaps with what is above"
        if not member.name and not member.bitfield_size:
            return "" if self._unnamed(member)[1] is not None else "has no name"
        if member.name in names:
            return "is there twice"
        names.add(member.name)
        return ""

    def _struct_lines(self, struct: t.Struct, packed: bool, indent: str, depth: int) -> list[str]:
        lines: list[str] = []
        names: set[str] = set()
        cursor = align = 0
        for member in struct.members:
            why_not = self._why_not(member, cursor, names)
            if why_not:
                lines.append(_left_out(member, why_not))
                continue
            if self.layout.lands_at(cursor, member, packed) != member.bit_offset:
                lines += padding(cursor, member.bit_offset)
            lines.append(self._member(member, indent, depth))
            cursor = self.layout.end_of(member)
            align = max(align, self.layout.facts(member.type)[1])
        align = 8 if packed else align or 8
        if -(-cursor // align) * align != 8 * struct.size:
            lines += padding(cursor, 8 * struct.size)
        return lines

    def _union_lines(self, union: t.Struct, indent: str, depth: int) -> list[str]:
        """Members overlap, so padding is a struct of its own."""
        lines: list[str] = []
        names: set[str] = set()
        largest, align = 0, 8
        for member in union.members:
            why_not = self._why_not(member, 0, names)
            lines.append(_left_out(member, why_not) if why_not else self._member(member, indent, depth))
            if not why_not:
                largest = max(largest, self.layout.end_of(member))
                align = max(align, self.layout.facts(member.type)[1])
        if -(-largest // align) * align < 8 * union.size:
            lines.append(f"struct {{ {' '.join(padding(0, 8 * union.size))} }};")
        return lines


def _left_out(member: t.Member, why: str) -> str:
    what = check_name(member.name) if member.name else "a member"
    return f"/* {what} at bit {member.bit_offset} {why} */"
