# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What an object declares: programs, maps, globals, struct_ops instances, externs; as data and as tables."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.core_reloc.kinds import kind_name
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.obj.struct_ops import is_func_ptr
from bpfvm.report.c_text import declaration, value_data, value_text
from bpfvm.report.console import print_table

MAX_VALUE = 4096
"""bytes; of larger variables only the size and a checksum are shown"""


def object_data(spec: ObjectSpec) -> dict[str, Any]:
    """Everything an object declares as JSON-able data; sizes in bytes, program sizes in 8-byte slots."""
    return {
        "object": spec.name,
        "path": spec.path,
        "license": spec.license,
        "big_endian": spec.big_endian,
        "programs": [_program(spec, prog) for prog in spec.programs.values()],
        "subprograms": [_subprogram(prog) for prog in spec.subprogs.values()],
        "maps": [_map(key, map_spec) for key, map_spec in spec.maps.items()],
        "globals": [
            entry for key, map_spec in spec.maps.items() for entry in globals_of(key, map_spec, raw=spec.big_endian)
        ],
        "struct_ops": instances(spec),
        "externs": [{"name": name, "kind": kind} for name, kind in spec.ksyms.items()]
        + [{"name": name, "kind": "kconfig"} for name in spec.kconfig],
    }


def _program(spec: ObjectSpec, prog: ProgramSpec) -> dict[str, Any]:
    used = [
        f"{each.name}.{member}"
        for each in spec.struct_ops.values()
        for member, program in each.funcs.items()
        if program == prog.name
    ]
    return _subprogram(prog) | {
        "type": prog.prog_type,
        "attach_to": prog.attach_to,
        "sleepable": prog.sleepable,
        "autoload": prog.autoload,
        "used_by": used,
    }


def _subprogram(prog: ProgramSpec) -> dict[str, Any]:
    return {
        "name": prog.name,
        "section": prog.section,
        "insns": len(prog.insns),
        "core_relos": len(prog.core_relos),
        "calls": sorted({each.symbol for each in prog.relocs if each.kind in ("call", "func", "kfunc")}),
        "relocs": [
            {"insn": each.insn, "kind": each.kind, "symbol": each.symbol, "map": each.section, "addend": each.addend}
            for each in prog.relocs
        ],
        "core": [
            {"insn": each.insn, "kind": kind_name(each.kind), "type_id": each.type_id, "access": each.access}
            for each in prog.core_relos
        ],
    }


def _map(key: str, spec: MapSpec) -> dict[str, Any]:
    return {
        "name": key,
        "type": spec.map_type,
        "key_size": spec.key_size,
        "value_size": spec.value_size,
        "max_entries": spec.max_entries,
        "flags": spec.map_flags,
        "frozen": spec.frozen,
        "section": spec.section,
    }


def globals_of(
    key: str, spec: MapSpec, contents: bytes | None = None, *, raw: bool = False
) -> Iterator[dict[str, Any]]:
    """The variables of a data section's map with their values: in ``contents``, else as compiled; ``raw``: as hex."""
    section = spec.btf.type(spec.value_type_id) if spec.btf is not None and spec.value_type_id else None
    if spec.btf is None or not isinstance(section, t.Datasec):
        return
    data = contents if contents is not None else spec.initial or bytes(spec.value_size)
    for entry in section.vars:
        var = spec.btf.type(entry.type)
        if isinstance(var, t.Var):
            here = data[entry.offset : entry.offset + entry.size]
            value = here.hex(" ")[: 3 * MAX_VALUE] if raw else _value(spec.btf, var.type, here)
            yield {
                "name": var.name,
                "type": declaration(spec.btf, var.type),
                "map": key,
                "offset": entry.offset,
                "size": entry.size,
                "value": value,
            }


def _value(btf: Btf, type_id: int, data: bytes) -> Any:
    if len(data) <= MAX_VALUE:
        return value_data(btf, type_id, data)
    return f"{len(data)} bytes, {f'crc32 {zlib.crc32(data):08x}' if any(data) else 'all zero'}"


def instances(spec: ObjectSpec) -> list[dict[str, Any]]:
    """The struct_ops variables: type, section, functions, and the other members' values as compiled."""
    shown = []
    for each in spec.struct_ops.values():
        struct = spec.btf.type(each.type_id) if spec.btf is not None else None
        values = {}
        if spec.btf is not None and isinstance(struct, t.Struct):
            for member in struct.members:
                if not member.bitfield_size and not is_func_ptr(spec.btf, member.type):
                    values[member.name] = _member_value(spec, member, each.initial[member.bit_offset >> 3 :])
        shown.append(
            {
                "name": each.name,
                "type": each.type_name,
                "section": each.section,
                "link": each.link,
                "autocreate": each.autocreate,
                "functions": dict(each.funcs),
                "values": values,
            }
        )
    return shown


def _member_value(spec: ObjectSpec, member: t.Member, data: bytes) -> Any:
    assert spec.btf is not None  # the member comes from there
    if spec.big_endian:
        return data[: spec.btf.size_of(member.type)].hex(" ")
    return value_data(spec.btf, member.type, data)


def print_object(data: dict[str, Any], console: Console, *, relocs: bool = False) -> None:
    """The same as tables; those without rows are left out, relocations of code unless asked for."""
    note = ", big-endian (can't be run)" if data["big_endian"] else ""
    console.print(Text(f"{data['object']}: licence {data['license'] or 'none'}{note}", style="bold"))
    console.print()
    rows = [
        (each["name"], each["section"], each["type"], str(each["insns"]), str(each["core_relos"]), _notes(each))
        for each in data["programs"]
    ]
    print_table(console, "programs", ("name", "section", "type", "#insns", "#CO-RE", "notes"), rows)
    subs = [(e["name"], e["section"], str(e["insns"]), str(e["core_relos"]), _notes(e)) for e in data["subprograms"]]
    print_table(console, "subprograms", ("name", "section", "#insns", "#CO-RE", "notes"), subs)
    maps = [_map_row(each) for each in data["maps"]]
    print_table(console, "maps", ("name", "type", "#key", "#value", "#entries", "#flags"), maps)
    variables = [(e["name"], e["type"], e["map"], str(e["offset"]), value_text(e["value"])) for e in data["globals"]]
    print_table(console, "globals", ("name", "type", "map", "#offset", "value"), variables)
    print_instances(data["struct_ops"], console)
    print_table(console, "externs", ("name", "kind"), [(each["name"], each["kind"]) for each in data["externs"]])
    if relocs:
        moved = [row for each in (*data["programs"], *data["subprograms"]) for row in _reloc_rows(each)]
        print_table(console, "relocations", ("function", "#insn", "kind", "what"), moved)


def _reloc_rows(function: dict[str, Any]) -> list[tuple[str, ...]]:
    """ELF and CO-RE relocations of one function, by slot."""
    found: list[tuple[int, str, str]] = []
    for each in function["relocs"]:
        place = f" ({each['map']} + {each['addend']})" if each["map"] else ""
        found.append((each["insn"], each["kind"], each["symbol"] + place))
    found += [(each["insn"], each["kind"], f"[{each['type_id']}] {each['access']}") for each in function["core"]]
    return [(function["name"], str(insn), kind, what) for insn, kind, what in sorted(found)]


def _map_row(found: dict[str, Any]) -> tuple[str, ...]:
    sizes = (str(found[name]) for name in ("key_size", "value_size", "max_entries"))
    return (found["name"], found["type"], *sizes, f"{found['flags']:#x}")


def print_instances(found: list[dict[str, Any]], console: Console) -> None:
    """A table of struct_ops variables."""
    rows = []
    for each in found:
        functions = ", ".join(f"{member} = {program}" for member, program in each["functions"].items())
        values = ", ".join(f"{name} = {value_text(value, 30)}" for name, value in each["values"].items())
        section = each["section"] if each["autocreate"] else f"?{each['section']}"
        rows.append((each["name"], each["type"], section, functions or "–", values))
    print_table(console, "struct_ops", ("name", "type", "section", "functions", "values"), rows)


def _notes(program: dict[str, Any]) -> str:
    notes = list(program.get("used_by", ()))
    if program.get("attach_to") and program["type"] != "struct_ops":
        notes.append(f"attaches to {program['attach_to']}")
    notes += ["sleepable"] if program.get("sleepable") else []
    notes += ["not loaded unless asked for"] if not program.get("autoload", True) else []
    notes += [f"calls {', '.join(program['calls'])}"] if program["calls"] else []
    return ", ".join(notes)
