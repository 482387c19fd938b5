# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which functions keep their stack to themselves, so that LLVM may hold it in registers.

A frame lies in emulated memory, where helpers find it, unless r10 serves as nothing but the base of accesses inside the
frame and every byte is written before it is read: then nobody can tell where it is. What such a function leaves on the
stack isn't in emulated memory afterwards; only a program that reads stack it never wrote could see that.
"""

from __future__ import annotations

from bpfvm.engine.image import Image
from bpfvm.engine.jit.flow import Function, next_slots
from bpfvm.isa.insn import Insn
from bpfvm.isa.opcodes import MAX_BPF_STACK
from bpfvm.isa.table import Op, op_of

FP = 10
_ALL = (1 << MAX_BPF_STACK) - 1


def base_and_value(insn: Insn, op: Op) -> tuple[int, int | None] | None:
    """(register with the address, register whose value is stored) of a memory access; None for what is none."""
    if op.name in ("ldx", "ldxs", "load_acquire"):
        return insn.src, None
    if op.name == "st":
        return insn.dst, None
    return (insn.dst, insn.src) if op.cls == "stx" else None


def in_frame(insn: Insn, op: Op) -> bool:
    """Is `insn` an access through r10 that stays inside the frame?"""
    found = base_and_value(insn, op)
    return found is not None and found[0] == FP and -MAX_BPF_STACK <= insn.off <= -op.size


def writes_fp(image: Image) -> bool:
    """Does any instruction change r10? Only unverified programs do."""
    return any((op := op_of(insn)) is not None and _writes_fp(insn, op) for insn in image.insns)


def _writes_fp(insn: Insn, op: Op) -> bool:
    if op.cls in ("alu", "alu64", "ld", "ldx") or op.name == "load_acquire":
        return insn.dst == FP
    return op.fetch and insn.src == FP


def is_private(image: Image, function: Function) -> bool:
    """May the stack of `function` be kept out of emulated memory?"""
    uses = [slot for slots in function.blocks.values() for slot in slots if slot not in function.refused]
    return not any(_escapes(image.insns[slot]) for slot in uses) and _written_first(image, function)


def _escapes(insn: Insn) -> bool:
    op = op_of(insn)
    if op is None or FP not in (insn.dst, insn.src):
        return False
    found = base_and_value(insn, op)
    if found is None:
        return (insn.dst == FP and "dst" in op.fields) or (insn.src == FP and op.operand == "reg")
    if op.name in ("ldx", "ldxs", "load_acquire"):
        return not in_frame(insn, op) or insn.dst == FP
    return found[1] == FP or (found[0] == FP and not in_frame(insn, op))


def _written_first(image: Image, function: Function) -> bool:
    """Forward over the blocks: the bytes surely written so far (bit 0 is the byte at r10 - 512)."""
    known = dict.fromkeys(function.blocks, _ALL)
    known[function.start] = 0
    todo = [function.start]
    visited: set[int] = set()
    while todo:
        leader = todo.pop()
        visited.add(leader)
        written = _through(image, function, leader, known[leader])
        if written is None:
            return False
        for target in _targets(image, function, leader):
            met = known[target] & written
            if met != known[target] or target not in visited:
                known[target] = met
                todo.append(target)
    return True


def _through(image: Image, function: Function, leader: int, written: int) -> int | None:
    for slot in function.blocks[leader]:
        if slot in function.refused:
            break
        insn = image.insns[slot]
        op = op_of(insn)
        if op is None or not in_frame(insn, op):
            continue
        touched = ((1 << op.size) - 1) << (MAX_BPF_STACK + insn.off)
        if op.name in ("st", "stx", "store_release"):
            written |= touched
        elif written & touched != touched:
            return None
    return written


def _targets(image: Image, function: Function, leader: int) -> list[int]:
    last = function.blocks[leader][-1]
    op = op_of(image.insns[last]) if last not in function.refused else None
    return next_slots(image, last, op) if op is not None else []
