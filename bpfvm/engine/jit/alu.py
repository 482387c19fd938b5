# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Arithmetic, moves and byte swaps as LLVM instructions (RFC 9669 sections 4.1 and 4.2).

Each function gives the new value of dst from the values of dst and operand, both of type `kind` (i32 or i64). Where
LLVM leaves a case undefined (shift amounts, division by zero, the most negative number divided by -1) the operand is
made harmless first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from bpfvm.engine.jit.body import Body, const, low32, widen
from bpfvm.isa.insn import Insn
from bpfvm.isa.table import Op
from bpfvm.isa.word import u32

Binary = Callable[[Body, str, str, str], str]
"""(body, kind, dst, operand) -> new dst"""


def _plain(name: str, body: Body, kind: str, dst: str, operand: str) -> str:
    return body.new(f"{name} {kind} {dst}, {operand}")


def _shift(name: str, body: Body, kind: str, dst: str, operand: str) -> str:
    amount = body.new(f"and {kind} {operand}, {int(kind[1:]) - 1}")
    return body.new(f"{name} {kind} {dst}, {amount}")


def _unsigned(name: str, by_zero: str | None, body: Body, kind: str, dst: str, operand: str) -> str:
    """Division; for a zero operand `by_zero`, or dst if that is None."""
    zero = body.new(f"icmp eq {kind} {operand}, 0")
    safe = body.new(f"select i1 {zero}, {kind} 1, {kind} {operand}")
    result = body.new(f"{name} {kind} {dst}, {safe}")
    return body.new(f"select i1 {zero}, {kind} {dst if by_zero is None else by_zero}, {kind} {result}")


def _signed(name: str, by_zero: str | None, body: Body, kind: str, dst: str, operand: str) -> str:
    """As _unsigned; by -1 the quotient is the negated dst and the remainder 0, which needs no division."""
    minus = body.new(f"icmp eq {kind} {operand}, -1")
    zero = body.new(f"icmp eq {kind} {operand}, 0")
    either = body.new(f"or i1 {minus}, {zero}")
    safe = body.new(f"select i1 {either}, {kind} 1, {kind} {operand}")
    result = body.new(f"{name} {kind} {dst}, {safe}")
    by_minus = body.new(f"sub {kind} 0, {dst}") if name == "sdiv" else "0"
    nonzero = body.new(f"select i1 {minus}, {kind} {by_minus}, {kind} {result}")
    return body.new(f"select i1 {zero}, {kind} {dst if by_zero is None else by_zero}, {kind} {nonzero}")


def _neg(body: Body, kind: str, dst: str, operand: str) -> str:
    return body.new(f"sub {kind} 0, {dst}")


def _mov(body: Body, kind: str, dst: str, operand: str) -> str:
    return operand


BINARY: Final[dict[str, Binary]] = {
    **{name: partial(_plain, name) for name in ("add", "sub", "mul", "or", "and", "xor")},
    "lsh": partial(_shift, "shl"), "rsh": partial(_shift, "lshr"), "arsh": partial(_shift, "ashr"),
    "div": partial(_unsigned, "udiv", "0"), "mod": partial(_unsigned, "urem", None),
    "sdiv": partial(_signed, "sdiv", "0"), "smod": partial(_signed, "srem", None),
    "neg": _neg, "mov": _mov,
}  # fmt: skip


def binary(body: Body, op: Op, insn: Insn) -> None:
    """dst = dst op operand."""
    compute = BINARY[op.name]
    dst = body.get(insn.dst) if op.name != "mov" else "0"
    operand = body.get(insn.src) if op.operand == "reg" else const(insn.imm)
    if op.width == 64:
        body.put(insn.dst, compute(body, "i64", dst, operand))
        return
    result = compute(body, "i32", low32(body, dst), low32(body, operand))
    body.put(insn.dst, widen(body, result) if result[0] == "%" else const(u32(int(result))))


def movsx(body: Body, op: Op, insn: Insn) -> None:
    """dst = low bytes of src, sign-extended to the width."""
    kind = f"i{op.size * 8}"
    low = body.new(f"trunc i64 {body.get(insn.src)} to {kind}")
    if op.width == 64:
        body.put(insn.dst, widen(body, low, kind, "sext"))
    else:
        body.put(insn.dst, widen(body, body.new(f"sext {kind} {low} to i32")))


def swap(body: Body, op: Op, insn: Insn) -> None:
    """dst = its low bytes, in the other order for be and bswap."""
    kind, value = f"i{op.size * 8}", body.get(insn.dst)
    low = value if op.size == 8 else body.new(f"trunc i64 {value} to {kind}")
    if op.name != "le":
        low = body.new(f"call {kind} @llvm.bswap.{kind}({kind} {low})")
    body.put(insn.dst, low if op.size == 8 else widen(body, low, kind))
