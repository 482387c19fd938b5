# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BTF types as data, with the names of ``bpftool -j btf dump`` (tools/bpf/bpftool/btf.c, 6.12)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bpfvm.btf import Btf
from bpfvm.btf import types as t

_ENCODINGS = {0: "(none)", 1: "SIGNED", 2: "CHAR", 4: "BOOL"}
_LINKAGES = {0: "static", 1: "global", 2: "extern"}
ANONYMOUS = "(anon)"


def types_data(btf: Btf, ids: Iterable[int] | None = None) -> dict[str, Any]:
    """``{"types": […]}`` of all of a BTF's own types, or of ``ids``. Raises BadInput for malformed ones."""
    return {"types": [type_data(btf, type_id) for type_id in (btf.ids() if ids is None else ids)]}


def type_data(btf: Btf, type_id: int) -> dict[str, Any]:
    """One type; bit sizes and offsets in bits, other sizes in bytes."""
    found = btf.type(type_id)
    data: dict[str, Any] = {"id": type_id, "kind": found.kind_name, "name": found.name or ANONYMOUS}
    return data | _details(found)


def _details(found: t.BtfType) -> dict[str, Any]:
    match found:
        case t.Int():
            encoding = _ENCODINGS.get(found.encoding, "UNKN")
            return {"size": found.size, "bits_offset": found.bit_offset, "nr_bits": found.bits, "encoding": encoding}
        case t.Array():
            return {"type_id": found.type, "index_type_id": found.index_type, "nr_elems": found.nelems}
        case t.Struct():
            members = [_member(each, found.kind_flag) for each in found.members]
            return {"size": found.size, "vlen": len(members), "members": members}
        case t.Enum():
            values = [{"name": name, "val": value} for name, value in found.values]
            sign = "SIGNED" if found.signed else "UNSIGNED"
            return {"encoding": sign, "size": found.size, "vlen": len(values), "values": values}
        case t.Fwd():
            return {"fwd_kind": "union" if found.is_union else "struct"}
        case t.Func() | t.Var():
            return {"type_id": found.type, "linkage": _LINKAGES.get(found.linkage, "(unknown)")}
        case t.FuncProto():
            params = [{"name": each.name or ANONYMOUS, "type_id": each.type} for each in found.params]
            return {"ret_type_id": found.ret, "vlen": len(params), "params": params}
        case t.Datasec():
            entries = [{"type_id": each.type, "offset": each.offset, "size": each.size} for each in found.vars]
            return {"size": found.size, "vlen": len(entries), "vars": entries}
        case t.DeclTag():
            return {"type_id": found.type, "component_idx": found.component}
        case t.Float():
            return {"size": found.size}
        case t.Void():
            return {}
    return {"type_id": found.type}


def _member(member: t.Member, kind_flag: bool) -> dict[str, Any]:
    data: dict[str, Any] = {"name": member.name or ANONYMOUS, "type_id": member.type, "bits_offset": member.bit_offset}
    if kind_flag and member.bitfield_size:
        data["bitfield_size"] = member.bitfield_size
    return data
