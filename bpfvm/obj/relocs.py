# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""ELF relocations of code to what they mean (libbpf's bpf_program__record_reloc, 1.7; message texts are libbpf's)."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from bpfvm.elf import ElfReloc, Symbol
from bpfvm.elf.model import SHN_LORESERVE, STB_GLOBAL, STB_LOCAL, STB_WEAK, STT_FUNC, STT_SECTION
from bpfvm.errors import BadInput
from bpfvm.isa.insn import Insn
from bpfvm.isa.opcodes import BPF_CALL, BPF_JMP, BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC, LD_IMM64
from bpfvm.obj.functions import INSN_SIZE, Function
from bpfvm.obj.layout import ARENA_SECTION
from bpfvm.obj.legacy_maps import LEGACY_SECTION
from bpfvm.obj.model import Reloc

if TYPE_CHECKING:
    from bpfvm.obj.programs import Source

_CALL = BPF_JMP | BPF_CALL


def read_relocs(source: Source, function: Function, insns: tuple[Insn, ...]) -> tuple[Reloc, ...]:
    """The relocations of one function, by slot; calls inside of a section, which need none in ELF, are added."""
    found: dict[int, Reloc] = {}
    start, end = function.start * INSN_SIZE, (function.start + function.count) * INSN_SIZE
    relocs = source.elf.relocs.get(function.section.index, ())
    first = bisect_left(relocs, start, key=lambda r: r.offset)
    for reloc in relocs[first : bisect_left(relocs, end, key=lambda r: r.offset)]:
        slot = (reloc.offset - start) // INSN_SIZE
        found[slot] = _Reader(source, function, insns, reloc).read(slot)
    for slot, insn in enumerate(insns):
        if insn.code == _CALL and insn.src == BPF_PSEUDO_CALL and slot not in found:
            found[slot] = _local_call(source, function, slot, function.start + slot + insn.imm + 1)
        elif insn.code == LD_IMM64 and insn.src == BPF_PSEUDO_FUNC and slot not in found:
            raise _bad(function, slot, f"missing subprog addr relo for insn #{slot}")
    return tuple(found[slot] for slot in sorted(found))


def _bad(function: Function, slot: int, message: str) -> BadInput:
    at = (function.start + slot) * INSN_SIZE
    return BadInput(f"prog '{function.name}': {message}", section=function.section.name, offset=at)


def _local_call(source: Source, function: Function, slot: int, target: int) -> Reloc:
    """Subprograms live in .text (libbpf's rule): the callee is the .text function that holds slot ``target``."""
    callee = source.functions.at(source.text, target)
    if callee is None or not callee.is_subprog:
        raise _bad(function, slot, "no .text section found yet sub-program call exists")
    return Reloc(slot, "call", callee.key)


class _Reader:
    """Classifies one relocation."""

    def __init__(self, source: Source, function: Function, insns: tuple[Insn, ...], reloc: ElfReloc) -> None:
        self.source = source
        self.function = function
        self.insns = insns
        self.reloc = reloc

    def read(self, slot: int) -> Reloc:
        elf, reloc, name = self.source.elf, self.reloc, self.function.section.name
        if reloc.offset % INSN_SIZE:
            raise BadInput(f"invalid offset {reloc.offset:#x} for a relocation", section=name, offset=reloc.offset)
        symbol = elf.symbol_at(reloc.symbol, name, reloc.offset)
        insn = self.insns[slot]
        if insn.code not in (_CALL, LD_IMM64):
            message = f"invalid relo against '{symbol.name}' for insns[{slot}].code {insn.code:#x}"
            raise _bad(self.function, slot, message)
        if insn.code == LD_IMM64 and slot + 1 >= len(self.insns):
            raise _bad(self.function, slot, "ld_imm64 is cut off at the end")
        if symbol.is_extern:
            return self._extern(slot, insn, symbol)
        if insn.code == _CALL:
            return self._call(slot, insn, symbol)
        if not symbol.section or symbol.section >= SHN_LORESERVE:
            message = f"invalid relo against '{symbol.name}' in special section {symbol.section:#x}"
            raise _bad(self.function, slot, f"{message}; forgot to initialize global var?..")
        return self._load(slot, insn, symbol)

    def _extern(self, slot: int, insn: Insn, symbol: Symbol) -> Reloc:
        externs = self.source.externs
        config = externs.kconfig.get(symbol.name)
        if config is not None and insn.code == LD_IMM64:
            return Reloc(slot, "data", symbol.name, self.source.kconfig_map, config.offset)
        if symbol.name not in externs.ksyms:
            message = f"extern relo failed to find extern for '{symbol.name}' ({symbol.index})"
            raise _bad(self.function, slot, message)
        return Reloc(slot, "kfunc" if insn.code == _CALL else "ksym_var", symbol.name)

    def _call(self, slot: int, insn: Insn, symbol: Symbol) -> Reloc:
        if insn.src != BPF_PSEUDO_CALL:
            raise _bad(self.function, slot, "incorrect bpf_call opcode")
        section = self.source.elf.section_at(symbol.section)
        name = self.source.elf.symbol_name(symbol)
        if section.name != ".text":
            raise _bad(self.function, slot, f"bad call relo against '{name}' in section '{section.name}'")
        if symbol.value % INSN_SIZE:
            raise _bad(self.function, slot, f"bad call relo against '{name}' at offset {symbol.value}")
        return _local_call(self.source, self.function, slot, symbol.value // INSN_SIZE + insn.imm + 1)

    def _load(self, slot: int, insn: Insn, symbol: Symbol) -> Reloc:
        source = self.source
        section = source.elf.section_at(symbol.section)
        name = source.elf.symbol_name(symbol)
        if section.name == ".text" and _names_function(symbol):
            return self._function_address(slot, insn, symbol, name)
        if symbol.section in source.refused:
            raise _bad(self.function, slot, f"'{name}': {source.refused[symbol.section]}")
        if section.name == ARENA_SECTION and symbol.section not in source.data_maps:
            raise _bad(self.function, slot, f"bad arena data relocation at insn {slot}, no arena maps defined")
        if symbol.section in source.data_maps:
            addend = insn.imm + symbol.value
            return Reloc(slot, "data", name, source.data_maps[symbol.section], addend)
        if section.name not in (".maps", LEGACY_SECTION):
            raise _bad(self.function, slot, f"bad map relo against '{name}' in section '{section.name}'")
        key = source.map_places.get((symbol.section, symbol.value))
        if key is None:
            message = f"map relo failed to find map for section '{section.name}', off {symbol.value}"
            raise _bad(self.function, slot, message)
        return Reloc(slot, "map", key)

    def _function_address(self, slot: int, insn: Insn, symbol: Symbol, name: str) -> Reloc:
        if symbol.value % INSN_SIZE or insn.imm % INSN_SIZE:
            message = f"bad subprog addr relo against '{name}' at offset {symbol.value}+{insn.imm}"
            raise _bad(self.function, slot, message)
        found = _local_call(self.source, self.function, slot, (symbol.value + insn.imm) // INSN_SIZE)
        return Reloc(slot, "func", found.symbol)


def _names_function(symbol: Symbol) -> bool:
    if symbol.bind == STB_LOCAL:
        return symbol.type == STT_SECTION
    return symbol.bind in (STB_GLOBAL, STB_WEAK) and symbol.type == STT_FUNC
