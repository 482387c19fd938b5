# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Frames: which accesses are known to be inside of one, and which frame nobody else can reach.

All frames lie in emulated memory, at the interpreter's addresses. Where LLVM is told that nothing but some accesses
through r10 can reach the bytes they touch, it keeps those in registers while it can, and memory is right whenever
anybody looks.
"""

from __future__ import annotations

from bpfvm.engine.image import Image
from bpfvm.engine.jit.flow import Function
from bpfvm.isa.insn import Insn
from bpfvm.isa.opcodes import MAX_BPF_STACK
from bpfvm.isa.table import Op, op_of

FP = 10


def base_and_value(insn: Insn, op: Op) -> tuple[int, int | None] | None:
    """(register with the address, register whose value is stored) of a memory access; None for what is none."""
    if op.name in ("ldx", "ldxs", "load_acquire"):
        return insn.src, None
    if op.name == "st":
        return insn.dst, None
    return (insn.dst, insn.src) if op.cls == "stx" else None


def in_frame(insn: Insn, op: Op) -> bool:
    """Is `insn` an access through r10 that stays inside the frame, if r10 is what it was?"""
    found = base_and_value(insn, op)
    return found is not None and found[0] == FP and -MAX_BPF_STACK <= insn.off <= -op.size


def writes_fp(image: Image) -> bool:
    """Does any instruction change r10? Only unverified programs do."""
    return any((op := op_of(insn)) is not None and _writes_fp(insn, op) for insn in image.insns)


def _writes_fp(insn: Insn, op: Op) -> bool:
    if op.cls in ("alu", "alu64", "ld", "ldx") or op.name == "load_acquire":
        return insn.dst == FP
    return op.fetch and insn.src == FP


def is_hidden(image: Image, function: Function) -> bool:
    """Can nothing but accesses through r10 reach the function's frame while it runs?

    Told of the function where a program starts only, when it is verified: a function that is called could be given a
    pointer into a frame where one of its own was before, and read what that left. Arena pointers go anywhere near it.
    """
    if function.start or not image.verified or image.arena is not None:
        return False
    return not any(_escapes(image.insns[slot]) for slots in function.blocks.values() for slot in slots)


def _escapes(insn: Insn) -> bool:
    """Does r10 serve as anything but the base of an access inside the frame?"""
    op = op_of(insn)
    if op is None or FP not in (insn.dst, insn.src):
        return False
    found = base_and_value(insn, op)
    if found is None:
        return (insn.dst == FP and "dst" in op.fields) or (insn.src == FP and op.operand == "reg")
    if op.name in ("ldx", "ldxs", "load_acquire"):
        return not in_frame(insn, op) or insn.dst == FP
    return found[1] == FP or (found[0] == FP and not in_frame(insn, op))
