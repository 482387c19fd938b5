# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A whole image in LLVM assembly: its functions, and those that Python calls.

`run<slot>(state, fp, r1..r5)` calls one function of the program, `first(state, fp, r1)` the one at slot 0, and
`batch(state, fp, contexts, results, count)` that one for each of an array of contexts; its result is how many were
done. That one of them gave up, Python knows already.
"""

from __future__ import annotations

from typing import Final

from bpfvm.engine.jit import access, alu, call, debug, jump
from bpfvm.engine.jit.body import METADATA, const
from bpfvm.engine.jit.build import Build
from bpfvm.engine.jit.emit import FIRST, RESULT, Emitter, Write
from bpfvm.engine.jit.state import Slot, Why
from bpfvm.isa.insn import Insn
from bpfvm.isa.table import Op


def _binary(em: Emitter, slot: int, op: Op, insn: Insn) -> None:
    alu.binary(em.body, op, insn)


def _movsx(em: Emitter, slot: int, op: Op, insn: Insn) -> None:
    alu.movsx(em.body, op, insn)


def _swap(em: Emitter, slot: int, op: Op, insn: Insn) -> None:
    alu.swap(em.body, op, insn)


OPERATIONS: Final[dict[str, Write]] = {
    **dict.fromkeys(alu.BINARY, _binary), "movsx": _movsx, **dict.fromkeys(("le", "be", "bswap"), _swap),
    **dict.fromkeys((*jump.PREDICATES, "jset"), jump.conditional), "ja": jump.ja, "may_goto": jump.may_goto,
    "call": call.call, "call_kfunc": call.call, "call_local": call.call_local, "callx": call.callx,
    "exit": call.exit,
    "ld_abs": call.packet, "ld_ind": call.packet, "ld_imm64": access.ld_imm64,
    **dict.fromkeys(("ldx", "ldxs", "load_acquire"), access.ldx),
    **dict.fromkeys(("st", "stx", "store_release"), access.store),
    **dict.fromkeys(("atomic_add", "atomic_or", "atomic_and", "atomic_xor", "xchg"), access.atomic),
    "cmpxchg": access.cmpxchg, "addr_space_cast": access.addr_space_cast,
}  # fmt: skip
"""Name in the ISA table -> what writes it. What the interpreter refuses (gotox) is never asked for."""

_POISONED: Final = f"""
define internal i1 @poisoned(ptr %state, i64 %slot, i64 %first, i64 %last, i8 %a, i8 %b) noinline cold nounwind {{
  %ga = lshr i64 %first, 3
  %gb = lshr i64 %last, 3
  %two = icmp ne i64 %ga, %gb
  %closed = icmp ne i8 %a, 0
  %bad1 = and i1 %two, %closed
  %within = and i64 %last, 7
  %low = trunc i64 %within to i8
  %part = icmp ne i8 %b, 0
  %behind = icmp sle i8 %b, %low
  %bad2 = and i1 %part, %behind
  %bad = or i1 %bad1, %bad2
  br i1 %bad, label %report, label %fine
report:
  %addr = add i64 %first, {const(FIRST)}
  %at = getelementptr i64, ptr %state, i64 {Slot.STOP}
  %stop = load ptr, ptr %at
  %status = call i64 %stop(i64 {Why.ACCESS}, i64 %slot, i64 %addr) nounwind
  %up = icmp ne i64 %status, 0
  ret i1 %up
fine:
  ret i1 false
}}
"""

_BATCH: Final = f"""
define i64 @batch(ptr %state, i64 %fp, ptr %contexts, ptr %results, i64 %count) {{
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %on ]
  %left = icmp ult i64 %i, %count
  br i1 %left, label %turn, label %out
turn:
  %from = getelementptr i64, ptr %contexts, i64 %i
  %ctx = load i64, ptr %from
  %both = call {RESULT} @f0(ptr %state, i64 %fp, i64 %ctx, i64 0, i64 0, i64 0, i64 0)
  %up = extractvalue {RESULT} %both, 1
  br i1 %up, label %out, label %on, !prof !0
on:
  %r0 = extractvalue {RESULT} %both, 0
  %to = getelementptr i64, ptr %results, i64 %i
  store i64 %r0, ptr %to
  %next = add i64 %i, 1
  br label %head
out:
  ret i64 %i
}}
"""

_FIRST: Final = f"""
define i64 @first(ptr %state, i64 %fp, i64 %ctx) {{
  %both = call {RESULT} @f0(ptr %state, i64 %fp, i64 %ctx, i64 0, i64 0, i64 0, i64 0)
  %r0 = extractvalue {RESULT} %both, 0
  ret i64 %r0
}}
"""

_DECLARATIONS: Final = "\n".join(f"declare i{bits} @llvm.bswap.i{bits}(i{bits})" for bits in (16, 32, 64))


def _run(start: int) -> str:
    args = ", ".join(f"i64 %r{reg}" for reg in range(1, 6))
    return f"""
define i64 @run{start}(ptr %state, i64 %fp, {args}) {{
  %both = call {RESULT} @f{start}(ptr %state, i64 %fp, {args})
  %r0 = extractvalue {RESULT} %both, 0
  ret i64 %r0
}}
"""


def assembly(build: Build, *, with_batch: bool, with_slots: bool = False) -> str:
    """The module in LLVM's text form. with_slots: to be looked at, not run; native instructions tell which slot they
    come from, and functions that Python would call keep their own names."""
    parts = [_DECLARATIONS]
    if build.wanted.kasan:
        parts.append(_POISONED)
    parts += [
        Emitter(build, function, OPERATIONS, debug.scope(start) if with_slots else "").text()
        for start, function in build.functions.items()
    ]
    if with_slots:
        return "\n".join([*parts, METADATA, debug.metadata(build.functions)])
    parts += [_run(start) for start in sorted(build.entries)]
    return "\n".join([*parts, _FIRST, *[_BATCH] * with_batch, METADATA])
