# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Functions to ``ProgramSpec``: section name conventions, relocations, BTF.ext records, each by its slot."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.btf.ext import BtfExt, CoreRecord, FuncRecord, LineRecord
from bpfvm.elf import ElfObject
from bpfvm.errors import BadInput
from bpfvm.isa.insn import decode
from bpfvm.obj.externs import Externs
from bpfvm.obj.functions import INSN_SIZE, Function, Functions
from bpfvm.obj.model import CoreRelo, LineInfo, MapSpec, ProgramSpec
from bpfvm.obj.relocs import read_relocs
from bpfvm.obj.sec_defs import UNKNOWN, sec_def

_R = TypeVar("_R", FuncRecord, LineRecord, CoreRecord)


@dataclass(frozen=True, slots=True)
class Source:
    """What programs are made from."""

    elf: ElfObject
    btf: Btf | None
    ext: BtfExt
    functions: Functions
    maps: Mapping[str, MapSpec]
    map_places: Mapping[tuple[int, int], str]
    """(section, offset) of a map definition → its key in ``maps``"""
    data_maps: Mapping[int, str]
    """section of globals → its key in ``maps``"""
    kconfig_map: str
    """key of the .kconfig map, "" without one"""
    text: int
    """index of .text, where subprograms live; -1 without one"""
    externs: Externs
    refused: Mapping[int, str]
    """section index → why globals there can't be used"""


def read_program(source: Source, function: Function) -> ProgramSpec:
    """One function as a program or subprogram. Raises BadInput."""
    section = function.section.name
    autoload = not section.startswith("?")
    section = section.removeprefix("?")
    row = UNKNOWN if function.is_subprog else sec_def(section)
    insns = decode(function.code, big_endian=source.elf.big_endian)
    func_infos = _within(source.ext.func_info.get(function.section.name, ()), function)
    func_type = _func_type(source.btf, func_infos[0].type_id) if func_infos else 0
    return ProgramSpec(
        name=function.name,
        section=section,
        prog_type=row.prog_type,
        insns=insns,
        relocs=read_relocs(source, function, insns),
        core_relos=_core_relos(source, function),
        line_info=_line_info(source, function),
        func_type_id=func_type,
        section_offset=function.start * INSN_SIZE,
        attach_to=section.partition("/")[2] if row.extra else "",
        expected_attach_type=row.attach_type,
        sleepable=row.sleepable,
        autoload=autoload,
        is_subprog=function.is_subprog,
        prog_flags=row.prog_flags,
    )


def _func_type(btf: Btf | None, type_id: int) -> int:
    if btf is None or not isinstance(btf.type(type_id), t.Func):
        raise BadInput(f"func_info names type [{type_id}], which is not a FUNC", section=".BTF.ext")
    return type_id


def _within(records: Sequence[_R], function: Function) -> Sequence[_R]:
    """The records of one function; compilers write them in ascending order."""
    first = bisect_left(records, function.start * INSN_SIZE, key=lambda r: r.offset)
    last = bisect_left(records, (function.start + function.count) * INSN_SIZE, key=lambda r: r.offset)
    return records[first:last]


def _slot(function: Function, offset: int, what: str) -> int:
    if offset % INSN_SIZE:
        raise BadInput(f"{what} at offset {offset} is inside of an instruction", section=".BTF.ext", offset=offset)
    return offset // INSN_SIZE - function.start


def _line_info(source: Source, function: Function) -> tuple[LineInfo, ...]:
    records = _within(source.ext.line_info.get(function.section.name, ()), function)
    if source.btf is None:
        return ()
    string = source.btf.string
    return tuple(
        LineInfo(_slot(function, r.offset, "line_info"), string(r.file_name), string(r.text), r.line, r.column)
        for r in records
    )


def _core_relos(source: Source, function: Function) -> tuple[CoreRelo, ...]:
    records = _within(source.ext.core_relos.get(function.section.name, ()), function)
    if source.btf is None:
        return ()
    return tuple(
        CoreRelo(_slot(function, r.offset, "core_relo"), r.type_id, source.btf.string(r.access), r.kind)
        for r in records
    )
