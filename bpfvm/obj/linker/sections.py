# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Sections of one name put behind each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bpfvm.elf import Section
from bpfvm.elf.writer import SHT_NOBITS, SHT_PROGBITS, NewSection
from bpfvm.errors import BadInput
from bpfvm.obj.linker.inputs import Input

MAX_SIZE = 256 << 20
_ONCE = ("license", "version")
"""sections of which every file must have the same, and the result has one"""


@dataclass(slots=True)
class Merged:
    """A section of the result while it grows."""

    first: Section
    data: bytearray = field(default_factory=bytearray)
    size: int = 0
    align: int = 1

    def finished(self) -> NewSection:
        bits = self.first.kind != "NOBITS"
        kind = SHT_PROGBITS if bits else SHT_NOBITS
        size = 0 if bits else self.size
        first = self.first
        return NewSection(first.name, kind, bytes(self.data), first.flags, self.align, size, entsize=first.entsize)


@dataclass(slots=True)
class Sections:
    """``numbers``: the index of each section of the result, from 1. ``places``: (input, section index) → name and
    offset in the result; without those that were left out."""

    merged: dict[str, Merged] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    places: dict[tuple[int, int], tuple[str, int]] = field(default_factory=dict)

    def offset(self, source: Input, section: int) -> int:
        """Where a section of an input begins in the result's. Raises BadInput when it isn't there."""
        place = self.places.get((source.number, section))
        if place is None:
            raise source.bad(f"section #{section} is referred to, but not linked")
        return place[1]


def merge_sections(inputs: Sequence[Input]) -> Sections:
    """All code and data. Raises BadInput for sections of one name that don't go together."""
    found = Sections()
    for source in inputs:
        for section in source.contents():
            merged = found.merged.get(section.name)
            if merged is None:
                merged = found.merged[section.name] = Merged(section)
                found.numbers[section.name] = len(found.merged)
            elif _is_duplicate(source, merged, section):
                continue
            found.places.setdefault((source.number, section.index), (section.name, _append(source, merged, section)))
    return found


def _is_duplicate(source: Input, merged: Merged, section: Section) -> bool:
    """Whether the section is already there. Raises BadInput when it can't join the others."""
    for what, ours, theirs in (
        ("types", merged.first.kind, section.kind),
        ("flags", merged.first.flags, section.flags),
        ("entsize", merged.first.entsize, section.entsize),
    ):
        if ours != theirs:
            raise source.bad(f"sec {section.name} {what} mismatch: {ours} before, {theirs} here", section.name)
    if section.name not in _ONCE:
        return False
    if bytes(merged.data) != bytes(section.data):
        raise source.bad(f"non-identical contents of section '{section.name}' are not supported", section.name)
    return True


def _append(source: Input, merged: Merged, section: Section) -> int:
    """Add a section's contents; returns where they begin."""
    merged.align = max(merged.align, section.align)
    start = -(-merged.size // merged.align) * merged.align
    merged.size = start + section.size
    if merged.size > MAX_SIZE:
        raise BadInput(f"{merged.size} bytes are more than {MAX_SIZE}", path=source.path, section=section.name)
    if section.kind != "NOBITS":
        merged.data += bytes(start - len(merged.data))
        merged.data += section.data
    return start
