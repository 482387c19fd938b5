# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Addresses of programs' instructions, as if they had been compiled: 8 bytes a slot, each program on pages of its own.

Nothing can be read there; call chains consist of such addresses, and formats show their symbols
(kernel/bpf/core.c bpf_get_prog_name, __bpf_address_lookup; 6.18).
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from typing import Final, NamedTuple
from weakref import ReferenceType, WeakKeyDictionary, ref

from bpfvm.engine.image import Image
from bpfvm.isa.insn import encode
from bpfvm.memory.fault import PAGE_SIZE

BASE: Final = 0xFFFF_FFFF_B000_0000
"""between trampolines and handles of callbacks"""
SLOT_SIZE: Final = 8
TAG_SIZE: Final = 8


class Symbol(NamedTuple):
    """What lies at an address: a function's name, how far into it, and how long it is."""

    name: str
    offset: int
    size: int


class ProgramText:
    """Where each program's code is. It is laid out when somebody first asks."""

    __slots__ = ("_at", "_end", "_images", "_starts")

    def __init__(self) -> None:
        self._at: WeakKeyDictionary[Image, int] = WeakKeyDictionary()
        self._starts: list[int] = []
        self._images: list[ReferenceType[Image]] = []
        self._end = BASE

    def address(self, image: Image, slot: int) -> int:
        """Of the instruction at ``slot``."""
        start = self._at.get(image)
        if start is None:
            start = self._at[image] = self._end
            self._starts.append(start)
            self._images.append(ref(image))
            self._end += -(-len(image.insns) * SLOT_SIZE // PAGE_SIZE) * PAGE_SIZE
        return start + slot * SLOT_SIZE

    def find(self, addr: int) -> Symbol | None:
        """The function that ``addr`` is in, None where no program is."""
        at = bisect_right(self._starts, addr) - 1
        image = self._images[at]() if at >= 0 else None
        if image is None:
            return None
        slot, within = divmod(addr - self._starts[at], SLOT_SIZE)
        if slot >= len(image.insns):
            return None
        functions = image.functions or ((0, ""),)
        which = bisect_right([start for start, _ in functions], slot) - 1
        start, name = functions[which]
        end = functions[which + 1][0] if which + 1 < len(functions) else len(image.insns)
        tag = hashlib.sha1(encode(image.insns[start:end]), usedforsecurity=False).digest()[:TAG_SIZE].hex()
        shown = f"bpf_prog_{tag}_{name or image.name}"
        return Symbol(shown, (slot - start) * SLOT_SIZE + within, (end - start) * SLOT_SIZE)
