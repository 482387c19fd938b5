# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Native object code: its functions and its line table. For our own compiler's objects, not for files of users."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from typing import Any


@dataclass(frozen=True, slots=True)
class NativeFunction:
    """One function. lines: (offset from its start, line) wherever the line changes; 0 for code that has no line."""

    name: str
    code: bytes
    lines: tuple[tuple[int, int], ...]


def native_functions(data: bytes) -> list[NativeFunction]:
    """The functions in `.text` of an object file, by address."""
    from elftools.elf.elffile import ELFFile

    elf: Any = ELFFile(BytesIO(data))
    text, symbols = elf.get_section_by_name(".text"), elf.get_section_by_name(".symtab")
    if text is None or symbols is None:
        return []
    rows = _rows(elf)
    found = [each for each in symbols.iter_symbols() if each["st_info"]["type"] == "STT_FUNC" and each["st_size"]]
    code = text.data()
    made = []
    for each in sorted(found, key=lambda symbol: int(symbol["st_value"])):
        start, end = each["st_value"], each["st_value"] + each["st_size"]
        lines = tuple((max(at, start) - start, line) for at, until, line in rows if at < end and until > start)
        made.append(NativeFunction(each.name, code[start:end], lines))
    return made


def _rows(elf: Any) -> list[tuple[int, int, int]]:
    """(address, address behind it, line) of the line table, by address."""
    if not elf.has_dwarf_info():
        return []
    dwarf = elf.get_dwarf_info()
    programs = [dwarf.line_program_for_CU(unit) for unit in dwarf.iter_CUs()]
    states = [entry.state for program in programs if program for entry in program.get_entries() if entry.state]
    rows = [
        (here.address, following.address, here.line)
        for here, following in pairwise(states)
        if not here.end_sequence and following.address > here.address
    ]
    return sorted(rows)
