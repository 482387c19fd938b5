# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Debug information that tells which slot native instructions come from: slots as lines of one file, counted from 1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

UNIT: Final = """
!llvm.dbg.cu = !{!20}
!llvm.module.flags = !{!22, !23}
!20 = distinct !DICompileUnit(language: DW_LANG_C99, file: !21, isOptimized: true, emissionKind: LineTablesOnly)
!21 = !DIFile(filename: "bpf", directory: ".")
!22 = !{i32 2, !"Debug Info Version", i32 3}
!23 = !{i32 7, !"Dwarf Version", i32 4}
!24 = !DISubroutineType(types: !4)
"""
FIRST_SCOPE: Final = 30


def scope(start: int) -> str:
    """The metadata of the function at slot `start`."""
    return f"!{FIRST_SCOPE + start}"


def location(slot: int | None, scope: str) -> str:
    """An instruction's metadata; None for what belongs to no slot."""
    return f"!DILocation(line: {0 if slot is None else slot + 1}, scope: {scope})"


def metadata(starts: Iterable[int]) -> str:
    """The metadata of a module with functions at these slots; `body.METADATA` has what it refers to."""
    lines = [
        f'{scope(start)} = distinct !DISubprogram(name: "f{start}", scope: !21, file: !21, line: {start + 1}, '
        "type: !24, unit: !20, spFlags: DISPFlagDefinition | DISPFlagOptimized)"
        for start in starts
    ]
    return "\n".join([UNIT, *lines])
