# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BTF as text, one line per type and per element: the format of ``bpftool btf dump … format raw`` (bpftool 7)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bpfvm.btf import types as t
from bpfvm.btf.btf import Btf

_ENCODINGS = {0: "(none)", 1: "SIGNED", 2: "CHAR", 4: "BOOL"}
_LINKAGES = {0: "static", 1: "global", 2: "extern"}


def dump_raw(btf: Btf, ids: Iterable[int] | None = None) -> str:
    """All types of this BTF (of a split one, its own), or those with ``ids``."""
    return "".join(f"{line}\n" for type_id in (btf.ids() if ids is None else ids) for line in raw_lines(btf, type_id))


def raw_lines(btf: Btf, type_id: int) -> Iterator[str]:
    """The lines of one type."""
    found = btf.type(type_id)
    head, elements = _describe(btf, found)
    yield f"[{type_id}] {found.kind_name} {_quoted(found.name)}{head}"
    for element in elements:
        yield f"\t{element}"


def _quoted(name: str) -> str:
    return f"'{name or '(anon)'}'"


def _linkage(number: int) -> str:
    return _LINKAGES.get(number, "(unknown)")


def _describe(btf: Btf, found: t.BtfType) -> tuple[str, list[str]]:
    """What follows the name, and the lines of the elements."""
    if isinstance(found, t.Struct):
        return f" size={found.size} vlen={len(found.members)}", [_member(m) for m in found.members]
    if isinstance(found, t.Enum):
        sign = "SIGNED" if found.signed else "UNSIGNED"
        suffix = "" if not found.is64 else "LL" if found.signed else "ULL"
        lines = [f"{_quoted(name)} val={value}{suffix}" for name, value in found.values]
        return f" encoding={sign} size={found.size} vlen={len(found.values)}", lines
    if isinstance(found, t.FuncProto):
        return f" ret_type_id={found.ret} vlen={len(found.params)}", [
            f"{_quoted(param.name)} type_id={param.type}" for param in found.params
        ]
    if isinstance(found, t.Datasec):
        return f" size={found.size} vlen={len(found.vars)}", [_section_entry(btf, entry) for entry in found.vars]
    return _describe_small(found), []


def _describe_small(found: t.BtfType) -> str:
    if isinstance(found, t.Int):
        encoding = _ENCODINGS.get(found.encoding, "UNKN")
        return f" size={found.size} bits_offset={found.bit_offset} nr_bits={found.bits} encoding={encoding}"
    if isinstance(found, t.Array):
        return f" type_id={found.type} index_type_id={found.index_type} nr_elems={found.nelems}"
    if isinstance(found, t.Fwd):
        return f" fwd_kind={'union' if found.is_union else 'struct'}"
    if isinstance(found, t.Func):
        return f" type_id={found.type} linkage={_linkage(found.linkage)}"
    if isinstance(found, t.Var):
        return f" type_id={found.type}, linkage={_linkage(found.linkage)}"
    if isinstance(found, t.Float):
        return f" size={found.size}"
    if isinstance(found, t.DeclTag):
        return f" type_id={found.type} component_idx={found.component}"
    return f" type_id={found.type}" if not isinstance(found, (t.Void, t.Struct, t.Enum, t.FuncProto, t.Datasec)) else ""


def _member(member: t.Member) -> str:
    width = f" bitfield_size={member.bitfield_size}" if member.bitfield_size else ""
    return f"{_quoted(member.name)} type_id={member.type} bits_offset={member.bit_offset}{width}"


def _section_entry(btf: Btf, entry: t.VarSecinfo) -> str:
    target = btf.type(entry.type)
    return f"type_id={entry.type} offset={entry.offset} size={entry.size} ({target.kind_name} {_quoted(target.name)})"
