# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""From several objects to one: sections, symbols, types, records, relocations, file."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path

from bpfvm.btf.write import Strings, serialise
from bpfvm.btf.write_ext import serialise_ext
from bpfvm.elf import ElfReloc
from bpfvm.elf.model import STT_SECTION
from bpfvm.elf.reader import MAX_FILE
from bpfvm.elf.writer import SHT_PROGBITS, NewSection, write_elf
from bpfvm.errors import BadInput, UsageError
from bpfvm.isa.opcodes import BPF_CALL, BPF_JMP
from bpfvm.isa.word import s32
from bpfvm.obj.functions import INSN_SIZE
from bpfvm.obj.linker.inputs import Input
from bpfvm.obj.linker.records import merge_records
from bpfvm.obj.linker.sections import Sections, merge_sections
from bpfvm.obj.linker.symbols import Symbols, merge_symbols
from bpfvm.obj.linker.types import merge_types

_S32 = struct.Struct("<i")
_BTF_ALIGN = 8


def link_files(paths: Sequence[str | os.PathLike[str]]) -> bytes:
    """``link_objects`` for files. Raises BadInput for those that can't be read, too."""
    found = []
    for path in paths:
        try:
            if Path(path).stat().st_size > MAX_FILE:
                raise BadInput(f"file is larger than the limit of {MAX_FILE} bytes", path=str(path))
            found.append((Path(path).read_bytes(), str(path)))
        except OSError as error:
            raise BadInput(f"cannot read the file: {error.strerror}", path=str(path)) from error
    return link_objects(found)


def link_objects(objects: Sequence[tuple[bytes, str]]) -> bytes:
    """One object file of several, each given by its bytes and its path (for messages).

    Raises BadInput for a file that is malformed or contradicts those before it; UsageError without any.
    """
    if not objects:
        raise UsageError("nothing to link: name at least one object file")
    inputs = [Input.read(number, data, path) for number, (data, path) in enumerate(objects)]
    sections = merge_sections(inputs)
    symbols = merge_symbols(inputs, sections)
    relocs: dict[int, list[ElfReloc]] = {}
    for source in inputs:
        _add_relocs(source, sections, symbols, relocs)
    written = [each.finished() for each in sections.merged.values()]
    if any(source.btf is not None for source in inputs):
        types = merge_types(inputs, sections, symbols.globals)
        strings = Strings()
        ext = merge_records(inputs, sections, types, strings)
        ext_data = serialise_ext(ext, lambda text: strings.add(text))
        written.append(NewSection(".BTF", SHT_PROGBITS, serialise(types.all, strings), align=_BTF_ALIGN))
        written.append(NewSection(".BTF.ext", SHT_PROGBITS, ext_data, align=_BTF_ALIGN))
    return write_elf(written, symbols.all, relocs)


def _add_relocs(source: Input, sections: Sections, symbols: Symbols, into: dict[int, list[ElfReloc]]) -> None:
    for index, records in source.elf.relocs.items():
        place = sections.places.get((source.number, index))
        if place is None:
            continue
        name, base = place
        listed = into.setdefault(sections.numbers[name], [])
        for each in records:
            symbol = symbols.places.get((source.number, each.symbol))
            if symbol is None:
                raise source.bad(f"relocation names symbol #{each.symbol}, which is not linked", name, each.offset)
            _move_addend(source, sections, each, name, base)
            listed.append(ElfReloc(base + each.offset, symbol, each.type))


def _move_addend(source: Input, sections: Sections, reloc: ElfReloc, name: str, base: int) -> None:
    """What an instruction names by section and offset (static functions and variables) has moved with its section."""
    symbol = source.elf.symbols[reloc.symbol]
    if symbol.type != STT_SECTION:
        return
    merged = sections.merged[name]
    if not merged.first.executable:
        text = "relocation against STT_SECTION in non-exec section is not supported!"
        raise source.bad(text, name, reloc.offset)
    at = base + reloc.offset
    if at + INSN_SIZE > len(merged.data):
        raise source.bad("relocation reaches beyond its section", name, reloc.offset)
    moved = sections.offset(source, symbol.section)
    if merged.data[at] == BPF_JMP | BPF_CALL:
        moved //= INSN_SIZE
    (imm,) = _S32.unpack_from(merged.data, at + 4)
    _S32.pack_into(merged.data, at + 4, s32(imm + moved))
