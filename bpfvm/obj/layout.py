# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which section of an object file plays which part (libbpf's bpf_object__elf_collect, 1.7)."""

from __future__ import annotations

from dataclasses import dataclass, field

from bpfvm.elf import ElfObject, Section
from bpfvm.errors import BadInput

STRUCT_OPS_SECTIONS = (".struct_ops", ".struct_ops.link", "?.struct_ops", "?.struct_ops.link")
ARENA_SECTION = ".addr_space.1"
JUMPTABLES_SECTION = ".jumptables"
MAX_BSS = 256 << 20
_LICENSE_SIZE = 63


@dataclass(slots=True)
class Layout:
    """The sections of one object file by part; None or empty for parts it doesn't have."""

    license: str = ""
    version: int = 0
    text: Section | None = None
    code: list[Section] = field(default_factory=list)
    data: list[Section] = field(default_factory=list)
    """.data*, .rodata* and .bss*, in file order"""
    arena: Section | None = None
    """global variables that live in the arena"""
    struct_ops: list[Section] = field(default_factory=list)
    maps: Section | None = None
    legacy_maps: Section | None = None
    btf: Section | None = None
    btf_ext: Section | None = None


def _is(name: str, base: str) -> bool:
    return name == base or name.startswith(base + ".")


def layout(elf: ElfObject) -> Layout:
    """Sort the sections into parts; unknown ones (DWARF, notes …) are left out. Raises BadInput."""
    found = Layout()
    for section in elf.sections:
        _place(found, section, elf)
    return found


def _place(found: Layout, section: Section, elf: ElfObject) -> None:
    name, kind = section.name, section.kind
    if kind in ("STRTAB", "SYMTAB", "REL", "NULL") or name.startswith(".debug_"):
        return
    if name == "license":
        found.license = bytes(section.data[:_LICENSE_SIZE]).split(b"\0", 1)[0].decode("utf-8", "replace")
    elif name == "version":
        if len(section.data) != 4:
            raise BadInput(f"invalid kver section of {section.size} bytes", path=elf.path, section=name)
        found.version = int.from_bytes(section.data, "big" if elf.big_endian else "little")
    elif name == "maps":
        found.legacy_maps = section
    elif name == ".maps":
        found.maps = section
    elif name in (".BTF", ".BTF.ext"):
        if kind != "PROGBITS":
            raise BadInput(f"section has type {kind}, not PROGBITS", path=elf.path, section=name)
        if name == ".BTF":
            found.btf = section
        else:
            found.btf_ext = section
    elif kind == "PROGBITS" and section.size:
        _place_contents(found, section)
    elif kind == "NOBITS" and _is(name, ".bss") and section.size:
        total = section.size + sum(each.size for each in found.data if each.kind == "NOBITS")
        if total > MAX_BSS:
            message = f"{total} bytes of zeros are more than the limit of {MAX_BSS}"
            raise BadInput(message, path=elf.path, section=name)
        found.data.append(section)


def _place_contents(found: Layout, section: Section) -> None:
    if section.executable:
        found.code.append(section)
        if section.name == ".text":
            found.text = section
    elif _is(section.name, ".data") or _is(section.name, ".rodata"):
        found.data.append(section)
    elif section.name == ARENA_SECTION:
        found.arena = section
    elif section.name in STRUCT_OPS_SECTIONS:
        found.struct_ops.append(section)
