# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the code of an image depends on, worked out before any of it is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bpfvm.engine.image import Image
from bpfvm.engine.jit.arrays import ArrayShape
from bpfvm.engine.jit.flow import CALLS, Function, callback_starts, functions
from bpfvm.engine.jit.stack import is_hidden, writes_fp
from bpfvm.isa.table import op_of


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for. entries: slots of functions to be called from Python besides callbacks. kasan: ask the shadow
    memory. fuel: count instructions. arrays: array maps by address. loops: bpf_loop is the kernel's, so it may be
    compiled."""

    entries: frozenset[int]
    kasan: bool
    fuel: bool
    arrays: dict[int, ArrayShape]
    loops: bool


@dataclass(frozen=True, slots=True)
class Build:
    """An image and everything about it. entries: functions for Python to call. functions: all, by first slot. hidden:
    those whose frame only they can reach (`stack.is_hidden`). quiet: those that never run Python, so that emulated
    memory can't grow meanwhile. fp_written: r10 isn't constant."""

    image: Image
    wanted: Wanted
    entries: frozenset[int]
    functions: dict[int, Function]
    hidden: frozenset[int]
    quiet: frozenset[int]
    fp_written: bool


def plan(image: Image, wanted: Wanted, refused: Callable[[int], bool]) -> Build:
    """Find the functions of an image and what is special about them. `refused`: can't this slot be carried out?"""
    entries = wanted.entries | callback_starts(image)
    found = functions(image, entries, refused, calls_end_blocks=wanted.fuel)
    hidden = frozenset(start for start, function in found.items() if is_hidden(image, function))
    return Build(image, wanted, entries, found, hidden, _quiet(image, found), writes_fp(image))


def _quiet(image: Image, found: dict[int, Function]) -> frozenset[int]:
    loud = {start for start, function in found.items() if _runs_python(image, function)}
    while more := {start for start, each in found.items() if start not in loud and each.callees & loud}:
        loud |= more
    return frozenset(found) - loud


def _runs_python(image: Image, function: Function) -> bool:
    return any(
        (op := op_of(image.insns[slot])) is not None and op.name in CALLS and op.name != "call_local"
        for slots in function.blocks.values()
        for slot in slots
        if slot not in function.refused
    )
