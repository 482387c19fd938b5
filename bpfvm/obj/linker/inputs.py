# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One object file that takes part in linking, with what the other steps look up in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.btf.ext import BtfExt
from bpfvm.elf import ElfObject, Section, Symbol, read_elf
from bpfvm.elf.model import STB_LOCAL
from bpfvm.errors import BadInput
from bpfvm.obj.maps import MAPS_SECTION

_DEBUG = (".debug_", ".rel.debug_")
_UNLINKED = (".BTF", ".BTF.ext", ".eh_frame")
"""made anew, or (unwind tables) of no use to anybody who loads BPF"""
_TABLES = ("NULL", "STRTAB", "SYMTAB", "REL", "0x6fff4c03")
"""section types that are made anew (the last is SHT_LLVM_ADDRSIG)"""


@dataclass(frozen=True)
class Input:
    """An opened file; ``number`` is its place among the inputs."""

    number: int
    elf: ElfObject
    btf: Btf | None = None
    ext: BtfExt = field(default_factory=BtfExt)

    @classmethod
    def read(cls, number: int, data: bytes, path: str) -> Input:
        """Raises BadInput."""
        try:
            elf = read_elf(data, path)
            if elf.big_endian:
                raise BadInput("big-endian BPF object; only little-endian ones can be linked", path=path, offset=5)
            btf_section, ext_section = elf.section(".BTF"), elf.section(".BTF.ext")
            btf = Btf.parse(bytes(btf_section.data), name=path) if btf_section is not None else None
            ext = BtfExt.parse(ext_section.data, btf) if btf is not None and ext_section is not None else BtfExt()
            return cls(number, elf, btf, ext)
        except BadInput as error:
            error.path = error.path or path
            raise

    @property
    def path(self) -> str:
        return self.elf.path

    def bad(self, message: str, section: str | None = None, offset: int | None = None) -> BadInput:
        return BadInput(message, path=self.path, section=section, offset=offset)

    def contents(self) -> list[Section]:
        """The sections with code or data, in file order. Raises BadInput for types that can't be linked."""
        found = []
        for section in self.elf.sections:
            if section.kind in _TABLES or section.name in _UNLINKED or section.name.startswith(_DEBUG):
                continue
            if section.name == ".text" and not section.size:
                continue
            if section.kind not in ("PROGBITS", "NOBITS"):
                raise self.bad(f"section has unrecognized type {section.kind}", section.name)
            if section.align & (section.align - 1) or section.align > 1 << 16:
                raise self.bad(f"section has the alignment {section.align}", section.name)
            found.append(section)
        return found

    def globals(self) -> list[Symbol]:
        """Symbols that other files may see."""
        return [each for each in self.elf.symbols if each.bind != STB_LOCAL]

    @cached_property
    def declared(self) -> dict[str, int]:
        """Name → id of the VAR or FUNC of each variable and function that isn't static."""
        found: dict[str, int] = {}
        if self.btf is not None:
            for type_id in self.btf.ids():
                if self.btf.kind_of(type_id) in (t.Func.kind, t.Var.kind):
                    each = self.btf.type(type_id)
                    if isinstance(each, (t.Func, t.Var)) and each.linkage:
                        found.setdefault(each.name, type_id)
        return found

    @cached_property
    def section_numbers(self) -> dict[str, int]:
        """Name → index of the first section with it."""
        return {section.name: section.index for section in reversed(self.elf.sections)}

    @cached_property
    def maps(self) -> frozenset[int]:
        """The ids of the VARs that are maps, defined or extern."""
        section = self.btf.type(self.btf.find(MAPS_SECTION, t.Datasec)) if self.btf is not None else None
        return frozenset(entry.type for entry in section.vars) if isinstance(section, t.Datasec) else frozenset()

    def type_of(self, symbol: Symbol) -> int:
        """The VAR or FUNC of a global symbol. Raises BadInput when BTF doesn't tell."""
        if self.btf is None:
            why = "externs without BTF info are not supported" if not symbol.section else "failed to find BTF info"
            raise self.bad(f"{why} for object ({symbol.name})")
        if symbol.name not in self.declared:
            raise self.bad(f"failed to find BTF info for global/extern symbol '{symbol.name}'", ".BTF")
        return self.declared[symbol.name]
