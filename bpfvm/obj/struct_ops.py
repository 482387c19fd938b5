# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Variables of .struct_ops* sections (libbpf's init_struct_ops_maps and bpf_object__collect_st_ops_relos, 1.7)."""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.elf import ElfObject, ElfReloc, Section
from bpfvm.elf.model import SHN_LORESERVE
from bpfvm.errors import BadInput
from bpfvm.obj.functions import INSN_SIZE, Functions
from bpfvm.obj.model import ProgramSpec, StructOpsSpec


def find_struct_ops(
    btf: Btf | None,
    elf: ElfObject,
    sections: list[Section],
    functions: Functions,
    programs: Mapping[str, ProgramSpec],
) -> dict[str, StructOpsSpec]:
    """All struct_ops instances by variable name. Raises BadInput with libbpf's texts."""
    found: dict[str, StructOpsSpec] = {}
    for section in sections:
        datasec = btf.type(btf.find(section.name, t.Datasec)) if btf is not None else None
        if btf is None or not isinstance(datasec, t.Datasec):
            raise _bad(section, f"struct_ops init: DATASEC {section.name} not found")
        relocs = elf.relocs.get(section.index, ())
        placed = 0
        for entry in datasec.vars:
            spec, used = _instance(btf, elf, section, entry, relocs, functions, programs)
            found[spec.name] = spec
            placed += used
        if placed != len(relocs):
            raise _bad(section, "struct_ops reloc: cannot find map for every relocation")
    return found


def _bad(section: Section, message: str, offset: int | None = None) -> BadInput:
    return BadInput(message, section=section.name, offset=offset)


def _instance(
    btf: Btf,
    elf: ElfObject,
    section: Section,
    entry: t.VarSecinfo,
    relocs: tuple[ElfReloc, ...],
    functions: Functions,
    programs: Mapping[str, ProgramSpec],
) -> tuple[StructOpsSpec, int]:
    """One variable, and how many relocations lie in it."""
    var = btf.type(entry.type)
    if not isinstance(var, t.Var):
        raise _bad(section, f"struct_ops init: Cannot resolve var type_id {entry.type} in DATASEC {section.name}")
    type_id = btf.skip_mods(var.type)
    struct = btf.type(type_id)
    if not struct.name:
        raise _bad(section, "struct_ops init: anonymous type is not supported")
    if not isinstance(struct, t.Struct) or struct.is_union:
        raise _bad(section, f"struct_ops init: {struct.name} is not a struct")
    end = entry.offset + struct.size
    if end > len(section.data):
        text = f"struct_ops init: var {var.name} is beyond the end of DATASEC {section.name}"
        raise _bad(section, text, entry.offset)
    own = [r for r in relocs if entry.offset <= r.offset < end]
    names = [_member_function(btf, elf, section, entry, var.name, struct, r, functions, programs) for r in own]
    base = section.name.removeprefix("?")
    spec = StructOpsSpec(
        name=var.name,
        section=base,
        type_name=struct.name,
        type_id=type_id,
        initial=_without_pointers(bytes(section.data[entry.offset : end]), [r.offset - entry.offset for r in own]),
        funcs=dict(names),
        link=base == ".struct_ops.link",
        autocreate=not section.name.startswith("?"),
    )
    return spec, len(own)


def _without_pointers(initial: bytes, slots: list[int]) -> bytes:
    """Function slots as zeros: what they hold is in ``funcs``."""
    data = bytearray(initial)
    for at in slots:
        data[at : at + 8] = bytes(8)
    return bytes(data)


def _member_function(
    btf: Btf,
    elf: ElfObject,
    section: Section,
    entry: t.VarSecinfo,
    map_name: str,
    struct: t.Struct,
    reloc: ElfReloc,
    functions: Functions,
    programs: Mapping[str, ProgramSpec],
) -> tuple[str, str]:
    """The member that a relocation fills, and the program it fills it with."""
    who = f"struct_ops reloc {map_name}"
    symbol = elf.symbol_at(reloc.symbol, section.name, reloc.offset)
    if symbol.section >= SHN_LORESERVE:
        text = f"{who}: rel->r_offset {reloc.offset} shdr_idx {symbol.section} unsupported non-static function"
        raise _bad(section, text, reloc.offset)
    if symbol.value % INSN_SIZE:
        raise _bad(section, f"{who}: invalid target program offset {symbol.value}", reloc.offset)
    inside = reloc.offset - entry.offset
    member = next((m for m in struct.members if m.bit_offset == 8 * inside), None)
    if member is None:
        raise _bad(section, f"{who}: cannot find member at moff {inside}", reloc.offset)
    if not is_func_ptr(btf, member.type):
        raise _bad(section, f"{who}: cannot relocate non func ptr {member.name}", reloc.offset)
    function = functions.at(symbol.section, symbol.value // INSN_SIZE)
    if function is None:
        text = f"{who}: cannot find prog at shdr_idx {symbol.section} to relocate func ptr {member.name}"
        raise _bad(section, text, reloc.offset)
    program = programs.get(function.key)
    if program is None or program.prog_type != "struct_ops":
        raise _bad(section, f"{who}: prog {function.name} is not struct_ops BPF program", reloc.offset)
    return member.name, function.key


def is_func_ptr(btf: Btf, type_id: int) -> bool:
    """Whether a type is a pointer to a function, typedefs and modifiers looked through."""
    pointer = btf.resolve(type_id)
    return isinstance(pointer, t.Ptr) and isinstance(btf.resolve(pointer.type), t.FuncProto)
