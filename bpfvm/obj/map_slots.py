# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Initial entries of map-in-map and prog-array maps, from the relocations of ``.maps``.

Source: libbpf's bpf_object__collect_map_relos, 1.7; message texts are libbpf's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.elf import ElfObject, ElfReloc, Section, Symbol
from bpfvm.errors import BadInput
from bpfvm.obj.functions import INSN_SIZE, Functions
from bpfvm.obj.maps import MAPS_SECTION
from bpfvm.obj.model import MapSpec

_POINTER = 8


def with_slots(
    maps: Mapping[str, MapSpec], btf: Btf | None, elf: ElfObject, section: Section | None, functions: Functions
) -> dict[str, MapSpec]:
    """The maps, each with the ``slots`` that its declaration fills. Raises BadInput."""
    result = dict(maps)
    if section is None or btf is None:
        return result
    datasec = btf.type(btf.find(MAPS_SECTION, t.Datasec))
    assert isinstance(datasec, t.Datasec)  # btf_maps has seen to it
    slots: dict[str, dict[int, str]] = {}
    for number, reloc in enumerate(elf.relocs.get(section.index, ())):
        symbol = elf.symbol_at(reloc.symbol, MAPS_SECTION, reloc.offset)
        index = bisect_right(datasec.vars, reloc.offset, key=lambda e: e.offset) - 1
        entry = datasec.vars[index]
        if index < 0 or reloc.offset > entry.offset + entry.size - _POINTER:
            raise _bad(number, reloc, f"cannot find map '{symbol.name}' at rel->r_offset {reloc.offset}")
        spec = result[btf.type(entry.type).name]
        _check_target(number, reloc, symbol, spec, maps, section, functions)
        slot = _slot(btf, entry, reloc, number)
        slots.setdefault(spec.name, {})[slot] = symbol.name
    return {name: replace(spec, slots=slots[name]) if name in slots else spec for name, spec in result.items()}


def _bad(number: int, reloc: ElfReloc, message: str) -> BadInput:
    return BadInput(f".maps relo #{number}: {message}", section=MAPS_SECTION, offset=reloc.offset)


def _check_target(
    number: int,
    reloc: ElfReloc,
    symbol: Symbol,
    spec: MapSpec,
    maps: Mapping[str, MapSpec],
    section: Section,
    functions: Functions,
) -> None:
    if spec.inner is not None:
        if symbol.section != section.index:
            raise _bad(number, reloc, f"'{symbol.name}' isn't a BTF-defined map")
        if spec.map_type == "hash_of_maps" and spec.key_size != 4:
            raise _bad(number, reloc, f"hash-of-maps '{spec.name}' should have key size 4.")
        if symbol.name not in maps:
            raise _bad(number, reloc, f"'{symbol.name}' isn't a valid map reference")
    elif spec.map_type == "prog_array":
        function = functions.at(symbol.section, symbol.value // INSN_SIZE)
        if function is None or function.name != symbol.name:
            raise _bad(number, reloc, f"'{symbol.name}' isn't a valid program reference")
        if function.is_subprog or function.start * INSN_SIZE != symbol.value:
            raise _bad(number, reloc, f"'{symbol.name}' isn't an entry-point program")
    else:
        raise _bad(number, reloc, f"map '{spec.name}' of type {spec.map_type} can't have initial values")


def _slot(btf: Btf, entry: t.VarSecinfo, reloc: ElfReloc, number: int) -> int:
    """Which element of ``values`` (the definition's last member) a relocation fills."""
    var = btf.type(entry.type)
    definition = btf.resolve(var.type) if isinstance(var, t.Var) else var
    if not isinstance(definition, t.Struct) or not definition.members or definition.members[-1].name != "values":
        raise _bad(number, reloc, "the map has no 'values'")
    inside = reloc.offset - entry.offset - definition.members[-1].bit_offset // 8
    if inside < 0 or inside % _POINTER:
        raise _bad(number, reloc, f"offset {inside} is not an element of 'values'")
    return inside // _POINTER
