# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which slots can't be carried out, and why: in the interpreter's words, because the interpreter is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from bpfvm.engine import interp
from bpfvm.engine.image import Image
from bpfvm.engine.step import Step
from bpfvm.engine.trap import Fault

if TYPE_CHECKING:
    from bpfvm.engine.jit.engine import JitEngine


def bind(machine: JitEngine, image: Image, slot: int) -> Step:
    """The interpreter's step for one slot, working on `machine`. Raises Fault when the slot can't be carried out."""
    return interp.bind(cast(interp.Interpreter, machine), image, slot)


def refused(machine: JitEngine, image: Image, slot: int) -> bool:
    """Can't `slot` be carried out?"""
    try:
        bind(machine, image, slot)
    except Fault:
        return True
    return False
