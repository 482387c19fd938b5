# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which slots can't be carried out, and why: in the interpreter's words, because the interpreter is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from bpfvm.engine.image import Image
from bpfvm.engine.interp import OPERATIONS, Interpreter
from bpfvm.engine.step import Place, Step
from bpfvm.engine.trap import Fault
from bpfvm.isa.opcodes import LD_IMM64, MAX_BPF_REG
from bpfvm.isa.table import op_of

if TYPE_CHECKING:
    from bpfvm.engine.jit.engine import JitEngine


def bind(machine: JitEngine, image: Image, slot: int) -> Step:
    """The interpreter's step for one slot, working on `machine`. Raises Fault when the slot can't be carried out."""
    if slot >= len(image.insns):
        raise Fault("ran past the last instruction")
    insn = image.insns[slot]
    op = op_of(insn)
    if op is None:
        if slot and image.insns[slot - 1].code == LD_IMM64:
            raise Fault("jump into the middle of a 16-byte instruction")
        raise Fault(f"unknown opcode {insn.code:#04x}")
    if insn.dst >= MAX_BPF_REG or (insn.src >= MAX_BPF_REG and "src" in op.fields):
        raise Fault(f"there is no register r{max(insn.dst, insn.src)}")
    return OPERATIONS[op.name](Place(cast(Interpreter, machine), image, slot, insn, op))


def refused(machine: JitEngine, image: Image, slot: int) -> bool:
    """Can't `slot` be carried out?"""
    try:
        bind(machine, image, slot)
    except Fault:
        return True
    return False
