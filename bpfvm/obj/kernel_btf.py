# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""An object's BTF as it is handed to the kernel, which has no notion of externs (libbpf's bpf_object__collect_externs).

Kernel variables become ints of the object's own, kernel functions global ones whose parameters all have names; in the
section ``.ksyms`` a made-up variable stands for each function. Configuration values become ordinary variables.
"""

from __future__ import annotations

from dataclasses import replace

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.btf.write import Strings, serialise
from bpfvm.obj.externs import KCONFIG, KSYMS

DUMMY = "dummy_ksym"
_INT_SIZE = 4


def kernel_btf_bytes(btf: Btf) -> bytes:
    """The .BTF section to load for an opened object's ``btf``. Raises BadInput for malformed types."""
    types = {type_id: btf.type(type_id) for type_id in btf.ids()}
    for type_id in list(types):
        section = types[type_id]
        if isinstance(section, t.Datasec) and section.name == KCONFIG:
            types[type_id] = _kconfig(section, types)
        elif isinstance(section, t.Datasec) and section.name == KSYMS:
            types[type_id] = _ksyms(section, types)
    return serialise(types.values(), Strings(btf.string_data))


def _kconfig(section: t.Datasec, types: dict[int, t.BtfType]) -> t.Datasec:
    end = 0
    for entry in section.vars:
        var = types.get(entry.type)
        if isinstance(var, t.Var):
            types[entry.type] = replace(var, linkage=1)
        end = max(end, entry.offset + entry.size)
    return replace(section, size=end)


def _ksyms(section: t.Datasec, types: dict[int, t.BtfType]) -> t.Datasec:
    number = next((i for i, each in types.items() if isinstance(each, t.Int) and each.size == _INT_SIZE), 0)
    if not number:
        number = _append(types, t.Int("int", _INT_SIZE, 8 * _INT_SIZE, 1))
    dummy = 0
    entries = []
    for place, entry in enumerate(section.vars):
        found = types.get(entry.type)
        target = entry.type
        if isinstance(found, t.Func):
            dummy = dummy or _append(types, t.Var(DUMMY, number, 1))
            target = dummy
            types[entry.type] = replace(found, linkage=1)
            _name_params(types, found.type)
        elif isinstance(found, t.Var):
            types[entry.type] = replace(found, type=number, linkage=1)
        entries.append(t.VarSecinfo(target, place * _INT_SIZE, _INT_SIZE))
    return replace(section, size=len(entries) * _INT_SIZE, vars=tuple(entries))


def _append(types: dict[int, t.BtfType], found: t.BtfType) -> int:
    type_id = len(types) + 1
    types[type_id] = found
    return type_id


def _name_params(types: dict[int, t.BtfType], proto_id: int) -> None:
    proto = types.get(proto_id)
    if isinstance(proto, t.FuncProto):
        params = tuple(p._replace(name=DUMMY) if p.type and not p.name else p for p in proto.params)
        types[proto_id] = replace(proto, params=params)
