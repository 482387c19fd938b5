# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What compiled code knows about the kernel around it, so that it needn't ask: where values of array maps lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bpfvm.engine.image import Image
from bpfvm.engine.trap import Fault
from bpfvm.isa.insn import imm64
from bpfvm.isa.opcodes import BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_IDX, LD_IMM64

MAP_REFERENCES = (BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_IDX)


@dataclass(frozen=True, slots=True)
class ArrayShape:
    """An array map: element i, below max_entries, is at values + i * stride."""

    values: int
    stride: int
    max_entries: int


def knows_maps(services: Any) -> bool:
    """Is this the emulated kernel's runtime, whose maps can be looked up, and whose helpers are therefore known?"""
    return hasattr(services, "map_at")


def arrays_of(image: Image, services: Any) -> dict[int, ArrayShape]:
    """The array maps that `image` refers to, by address."""
    if not knows_maps(services):
        return {}
    found: dict[int, ArrayShape] = {}
    for slot, insn in enumerate(image.source):
        if insn.code != LD_IMM64 or insn.src not in MAP_REFERENCES:
            continue
        addr = imm64(image.insns[slot], image.insns[slot + 1])
        try:
            made = services.map_at(addr)
        except Fault:
            continue
        if getattr(made, "kind", "") == "array":
            found[addr] = ArrayShape(made.values, made.stride, made.max_entries)
    return found
