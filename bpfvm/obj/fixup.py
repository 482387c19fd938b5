# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What compilers leave out of .BTF and the symbol table knows: sizes and offsets of globals, hidden linkage.

Sources: libbpf's btf_fixup_datasec and the ``mark_btf_static`` rule of bpf_object__add_programs, 1.7.
"""

from __future__ import annotations

import struct

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.elf import ElfObject, Symbol
from bpfvm.elf.model import STB_LOCAL, STT_NOTYPE, STT_OBJECT
from bpfvm.errors import BadInput

_HEAD = 12
_U32 = struct.Struct("<I")
_STATIC = 0
EXTERN_SECTIONS = (".kconfig", ".ksyms")


def fixed_btf(btf: Btf, elf: ElfObject, hidden_functions: set[str], extern_layout: dict[str, dict[str, int]]) -> Btf:
    """A BTF with the gaps filled; the same object when there were none.

    ``extern_layout`` gives, for DATASECs without an ELF section, the offsets of their variables. Raises BadInput.
    """
    data = bytearray(btf.data)
    variables = {s.name: s for s in elf.symbols if s.bind != STB_LOCAL and s.type in (STT_OBJECT, STT_NOTYPE)}
    sizes = {s.name: s.size for s in reversed(elf.sections)}
    for type_id in btf.ids():
        kind = btf.kind_of(type_id)
        if kind == t.Datasec.kind:
            _fix_datasec(data, btf, type_id, variables, sizes, extern_layout)
        elif kind == t.Func.kind and hidden_functions:
            func = btf.type(type_id)
            if isinstance(func, t.Func) and func.linkage == 1 and func.name in hidden_functions:
                _set_linkage(data, btf.record_offset(type_id))
    return btf if data == btf.data else Btf.parse(bytes(data), name=btf.name)


def _set_linkage(data: bytearray, record: int) -> None:
    """Make a FUNC static: its linkage is the low half of ``info``."""
    (info,) = _U32.unpack_from(data, record + 4)
    _U32.pack_into(data, record + 4, info & 0xFFFF0000 | _STATIC)


def _fix_datasec(
    data: bytearray,
    btf: Btf,
    type_id: int,
    variables: dict[str, Symbol],
    sizes: dict[str, int],
    extern_layout: dict[str, dict[str, int]],
) -> None:
    datasec = btf.type(type_id)
    assert isinstance(datasec, t.Datasec)
    record = btf.record_offset(type_id)
    offsets = extern_layout.get(datasec.name, {})
    if datasec.name in EXTERN_SECTIONS:
        entries = [e._replace(offset=offsets.get(btf.type(e.type).name, e.offset)) for e in datasec.vars]
    else:
        fresh = datasec.size == 0
        if fresh:
            _U32.pack_into(data, record + 8, sizes.get(datasec.name, 0) & 0xFFFFFFFF)
        entries = [_fix_var(data, btf, entry, variables, fresh) for entry in datasec.vars]
    entries.sort(key=lambda e: e.offset)
    struct.pack_into(f"<{3 * len(entries)}I", data, record + _HEAD, *(number for entry in entries for number in entry))


def _fix_var(data: bytearray, btf: Btf, entry: t.VarSecinfo, variables: dict[str, Symbol], fresh: bool) -> t.VarSecinfo:
    var = btf.type(entry.type)
    if isinstance(var, t.Func):
        return entry
    if not isinstance(var, t.Var):
        raise BadInput(f"DATASEC names type [{entry.type}] {var.kind_name}, not a variable", section=".BTF")
    symbol = variables.get(var.name)
    if var.linkage != 1 or symbol is None:
        return entry
    if symbol.hidden:
        _U32.pack_into(data, btf.record_offset(entry.type) + _HEAD, _STATIC)
    return entry._replace(offset=symbol.value & 0xFFFFFFFF) if fresh else entry
