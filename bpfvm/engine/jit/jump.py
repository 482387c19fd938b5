# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Jumps as LLVM branches (RFC 9669 section 4.3; may_goto: Linux 6.18 kernel/bpf/core.c)."""

from __future__ import annotations

from typing import Final

from bpfvm.engine.jit.body import const, low32
from bpfvm.engine.jit.emit import Emitter
from bpfvm.isa.insn import Insn
from bpfvm.isa.table import Op

PREDICATES: Final = {"jeq": "eq", "jne": "ne", "jgt": "ugt", "jge": "uge", "jlt": "ult", "jle": "ule",
                     "jsgt": "sgt", "jsge": "sge", "jslt": "slt", "jsle": "sle"}  # fmt: skip


def ja(em: Emitter, slot: int, op: Op, insn: Insn) -> None:
    """Jump: the block's only way on, so it is taken at its end."""


def may_goto(em: Emitter, slot: int, op: Op, insn: Insn) -> None:
    """Jump when the frame's budget is used up; else take one step from it."""
    body = em.body
    body.flush()
    left, on = body.new("load i64, ptr %budget"), body.label()
    body.branch(body.new(f"icmp eq i64 {left}, 0"), f"b{slot + 1 + insn.off}", on)
    body.place(on)
    body.do(f"store i64 {body.new(f'sub i64 {left}, 1')}, ptr %budget")
    body.do(f"br label %b{slot + 1}")


def conditional(em: Emitter, slot: int, op: Op, insn: Insn) -> None:
    """Jump if the condition holds."""
    body, kind = em.body, f"i{op.width}"
    dst = body.get(insn.dst)
    operand = body.get(insn.src) if op.operand == "reg" else const(insn.imm)
    if op.width == 32:
        dst, operand = low32(body, dst), low32(body, operand)
    if op.name == "jset":
        holds = body.new(f"icmp ne {kind} {body.new(f'and {kind} {dst}, {operand}')}, 0")
    else:
        holds = body.new(f"icmp {PREDICATES[op.name]} {kind} {dst}, {operand}")
    body.flush()
    body.branch(holds, f"b{slot + 1 + insn.off}", f"b{slot + 1}")
