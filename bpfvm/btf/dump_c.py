# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BTF as a C header (a ``vmlinux.h``): every type after what it needs, with the layouts that BTF records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bpfvm.btf import types as t
from bpfvm.btf.btf import Btf
from bpfvm.btf.c_names import check_name
from bpfvm.btf.c_print import MAX_DEPTH, CPrinter
from bpfvm.errors import BadInput

_HEAD = """\
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

"""
_TAIL = """\
#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

"""
_END = "#endif /* __VMLINUX_H__ */\n"
_KSYM = """\
#ifndef __ksym
#define __ksym __attribute__((section(".ksyms")))
#endif

#ifndef __weak
#define __weak __attribute__((weak))
#endif

"""
_STRUCTS = (4, 5)
_PRINTED = (*_STRUCTS, 6, 19, t.Fwd.kind, t.Typedef.kind)
"""kinds that have a definition: struct, union, enum, enum64, fwd, typedef"""
_REFERRING = (t.Typedef, t.Array, t.Ptr, t.Const, t.Volatile, t.Restrict, t.TypeTag)
KFUNC_TAG = "bpf_kfunc"


def dump_c(btf: Btf, ids: Iterable[int] | None = None, *, kfuncs: bool = False) -> str:
    """A header that declares all types (or ``ids`` and what they need), in an order that compiles.

    Anonymous types are printed where they are used. ``kfuncs`` adds prototypes of the functions with the decl tag
    ``bpf_kfunc``. Raises BadInput for types that C can't express (loops, names that are no identifiers).
    """
    dumper = _Dumper(btf)
    for type_id in range(1, len(btf)) if ids is None else ids:
        dumper.top(type_id)
    prototypes = dumper.kfuncs() if kfuncs else ""
    return "".join((_HEAD, *dumper.out, _TAIL, prototypes, _END))


class _Dumper:
    """Prints definitions in dependency order; ``out`` collects the text."""

    def __init__(self, btf: Btf) -> None:
        self._btf = btf
        self._printer = CPrinter(btf)
        self._done: set[int] = set()
        self._busy: set[int] = set()
        self._forward: set[str] = set()
        self._whole: set[int] = set()
        self._near: set[int] = set()
        self.out: list[str] = []
        self._inline_enums: set[int] = self._referenced_enums()

    def _referenced_enums(self) -> set[int]:
        """Anonymous enums that something else prints inline."""
        btf = self._btf
        found: set[int] = set()
        kinds = (*_STRUCTS, *(kind.kind for kind in _REFERRING))
        for type_id in range(1, len(btf)):
            if btf.kind_of(type_id) in kinds:
                found.update(_targets(btf.type(type_id)))
        return found

    def top(self, type_id: int) -> None:
        """Print a type of its own; those without a name only if they are enums nobody else prints."""
        kind = self._btf.kind_of(type_id)
        if kind not in _PRINTED:
            return
        found = self._btf.type(type_id)
        if isinstance(found, t.Enum) and not found.name:
            if type_id not in self._inline_enums and found.values:
                self.out.append(f"{self._printer.enum_body(found)};\n\n")
        elif found.name:
            self._need(type_id, True, 0)

    def _need(self, type_id: int, whole: bool, depth: int) -> None:
        """Print what must stand before a use of the type: its definition when it is used ``whole``, else its name."""
        seen = self._whole if whole else self._near
        if type_id in seen:
            return
        if depth > MAX_DEPTH:
            raise BadInput(f"type [{type_id}] nests too deeply", section=".BTF")
        found = self._btf.type(type_id)
        if isinstance(found, t.Ptr):
            self._need(found.type, False, depth + 1)
        elif isinstance(found, t.Array):
            self._need(found.type, True, depth + 1)
        elif isinstance(found, (t.Const, t.Volatile, t.Restrict, t.TypeTag)):
            self._need(found.type, whole, depth + 1)
        elif isinstance(found, t.FuncProto):
            for each in (found.ret, *(param.type for param in found.params)):
                self._need(each, False, depth + 1)
        elif isinstance(found, t.Typedef):
            self._typedef(type_id, found, whole, depth)
        elif isinstance(found, t.Struct):
            self._struct(type_id, found, whole, depth)
        elif isinstance(found, t.Enum):
            self._enum(type_id, found)
        elif isinstance(found, t.Fwd):
            self._declare(type_id, found)
        seen.add(type_id)

    def _declare(self, type_id: int, found: t.Struct | t.Fwd) -> None:
        tag = self._printer.tag(type_id, found)
        if tag not in self._forward:
            self._forward.add(tag)
            self.out.append(f"{tag};\n\n")

    def _enum(self, type_id: int, enum: t.Enum) -> None:
        if enum.name and type_id not in self._done:
            self._done.add(type_id)
            tag = self._printer.tag(type_id, enum)
            self.out.append(f"{self._printer.enum_body(enum, tag) if enum.values else tag};\n\n")

    def _enter(self, type_id: int, found: t.BtfType) -> None:
        if type_id in self._busy:
            raise BadInput(f"type [{type_id}] {found.kind_name} '{found.name}' contains itself", section=".BTF")
        self._busy.add(type_id)

    def _struct(self, type_id: int, struct: t.Struct, whole: bool, depth: int) -> None:
        if struct.name and not whole:
            if type_id not in self._done:
                self._declare(type_id, struct)
            return
        if type_id in self._done:
            return
        self._enter(type_id, struct)
        for member in struct.members:
            self._need(member.type, True, depth + 1)
        self._busy.discard(type_id)
        if struct.name:
            self._done.add(type_id)
            self._forward.add(self._printer.tag(type_id, struct))
            self.out.append(f"{self._printer.body(type_id, struct)};\n\n")

    def _typedef(self, type_id: int, found: t.Typedef, whole: bool, depth: int) -> None:
        if type_id not in self._done:
            self._enter(type_id, found)
            self._need(found.type, False, depth + 1)
            self._busy.discard(type_id)
            self._done.add(type_id)
            name = self._printer.names.of(type_id, found)
            self.out.append(f"typedef {self._printer.declare(found.type, name)};\n\n")
        if whole:
            self._need(found.type, True, depth + 1)

    def kfuncs(self) -> str:
        """Prototypes of kernel functions that programs may call."""
        lines = [_KSYM]
        for type_id in range(1, len(self._btf)):
            if self._btf.kind_of(type_id) != t.Func.kind or (-1, KFUNC_TAG) not in self._btf.tags(type_id):
                continue
            func = self._btf.type(type_id)
            assert isinstance(func, t.Func)
            self._need(func.type, False, 0)
            prototype = self._printer.declare(func.type, check_name(func.name))
            lines.append(f"extern {prototype} __weak __ksym;\n")
        return "".join((*lines, "\n"))


def _targets(found: t.BtfType) -> Sequence[int]:
    if isinstance(found, t.Struct):
        return [member.type for member in found.members]
    return [found.type] if isinstance(found, _REFERRING) else []
