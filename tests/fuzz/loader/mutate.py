# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Object files with a few bytes changed where it matters: headers, symbols, relocations, BTF, BTF.ext, code."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache

from bpfvm.elf import read_elf
from bpfvm.errors import BadInput

_DULL = (".debug", ".rel.debug", ".llvm", ".strtab")
_FAVOURED = (".BTF", ".BTF.ext", ".symtab", "section headers", "everything")
_WORDS = (0, 1, 2, 0xFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def mutated(data: bytes, seed: int, start: int, end: int) -> bytes:
    """One to four places between ``start`` and ``end`` changed: bits flipped, small and huge numbers, pieces copied."""
    rng = random.Random(seed)
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        _change(changed, data, rng, start, end)
    return bytes(changed[: len(data)])


def _change(changed: bytearray, data: bytes, rng: random.Random, start: int, end: int) -> None:
    at = rng.randrange(start, end)
    kind = rng.randrange(5)
    if kind == 0:
        changed[at] ^= 1 << rng.randrange(8)
    elif kind == 1:
        changed[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
    elif kind == 2:
        word = rng.choice((*_WORDS, len(data), rng.randrange(256)))
        changed[at & ~3 : (at & ~3) + 4] = word.to_bytes(4, "little")
    elif kind == 3:
        place = at & ~3
        old = int.from_bytes(changed[place : place + 4], "little")
        changed[place : place + 4] = (old + rng.choice((-8, -1, 1, 8, 1 << 24)) & 0xFFFFFFFF).to_bytes(4, "little")
    else:
        source = rng.randrange(start, end)
        piece = data[source : source + rng.randint(1, 16)]
        changed[at : at + len(piece)] = piece


def areas(data: bytes) -> Iterator[tuple[str, int, int]]:
    """Parts of an intact file that are worth changing: each section, the headers, everything."""
    elf = read_elf(data, "intact")
    yield "ELF header", 0, 64
    yield "section headers", len(data) - 64 * len(elf.sections), len(data)
    yield "everything", 0, len(data)
    for section in elf.sections:
        if len(section.data) and not section.name.startswith(_DULL):
            yield section.name, section.offset, section.offset + section.size


def section_areas(data: bytes) -> list[tuple[int, int]]:
    """The same for a file that may be broken: just its bytes when it can't be read."""
    try:
        return [(start, end) for name, start, end in areas(data) for _ in range(6 if name in _FAVOURED else 1)]
    except BadInput:
        return [(0, len(data))]


@cache
def _weighted(data: bytes) -> tuple[tuple[str, int, int], ...]:
    """The areas, those with much structure several times."""
    return tuple(area for area in areas(data) for _ in range(6 if area[0] in _FAVOURED else 1))


def mutant(data: bytes, seed: int) -> bytes:
    """An intact file with one of its areas changed; one in fifty is cut off."""
    rng = random.Random(seed)
    if rng.randrange(50) == 0:
        return data[: rng.randrange(len(data))]
    _name, start, end = rng.choice(_weighted(data))
    return mutated(data, seed, start, end)
