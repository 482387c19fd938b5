# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Constants, loads, stores and atomics as LLVM instructions (RFC 9669 section 5).

An emulated CPU is never interrupted inside an instruction, so atomics are load, compute, store.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bpfvm.engine.jit.arena import guarded
from bpfvm.engine.jit.body import EMULATED, const, low32, widen
from bpfvm.engine.jit.emit import Emitter
from bpfvm.isa.insn import Insn, imm64
from bpfvm.isa.table import Op
from bpfvm.isa.word import U32_MAX

_COMPUTE: Final = {"atomic_add": "add", "atomic_or": "or", "atomic_and": "and", "atomic_xor": "xor"}


def ld_imm64(em: Emitter, slot: int, op: Op, insn: Insn) -> None:
    """dst = the constant in both slots."""
    em.body.put(insn.dst, const(imm64(insn, em.build.image.insns[slot + 1])))


def ldx(em: Emitter, slot: int, op: Op, insn: Insn) -> None:
    """dst = memory at src + off."""
    how = "sext" if op.name == "ldxs" else "zext"
    if slot in em.build.image.arena_mem:
        otherwise = em.body.get(insn.dst) if op.name == "load_acquire" else "0"
        reach = em.reach(insn, op)
        value = guarded(em, insn, insn.src, op.size, lambda address: _load(em, address, op.size, reach, how), otherwise)
        em.body.put(insn.dst, value)
    elif slot in em.build.image.probe_mem and not em.in_frame(insn, op):
        em.body.put(insn.dst, _probe(em, op, insn, how))
    else:
        em.body.put(insn.dst, _load(em, em.address(slot, op, insn, insn.src), op.size, em.reach(insn, op), how))


def _load(em: Emitter, address: str, size: int, reach: str, how: str = "zext") -> str:
    kind = f"i{size * 8}"
    value = em.body.new(f"load {kind}, ptr {address}, align 1, {reach}")
    return value if size == 8 else widen(em.body, value, kind, how)


def _probe(em: Emitter, op: Op, insn: Insn, how: str) -> str:
    """A load that reads 0 where no memory is; no checker looks."""
    body = em.body
    offset = em.offset(insn.src, insn.off)
    outside, before = em.outside(offset, op.size), body.current
    there, on = body.label(), body.label()
    body.branch(outside, on, there)
    body.place(there)
    value = _load(em, em.host(offset), op.size, EMULATED, how)
    body.do(f"br label %{on}")
    body.place(on)
    return body.new(f"phi i64 [ 0, %{before} ], [ {value}, %{there} ]")


def store(em: Emitter, slot: int, op: Op, insn: Insn) -> None:
    """Memory at dst + off = low bytes of src or imm."""
    value, reach = const(insn.imm) if op.name == "st" else em.body.get(insn.src), em.reach(insn, op)
    if slot in em.build.image.arena_mem:
        guarded(em, insn, insn.dst, op.size, lambda address: _store(em, address, op.size, value, reach), "0")
    else:
        _store(em, em.address(slot, op, insn, insn.dst), op.size, value, reach)


def _store(em: Emitter, address: str, size: int, value: str, reach: str) -> str:
    kind = f"i{size * 8}"
    low = value if size == 8 else em.body.new(f"trunc i64 {value} to {kind}")
    em.body.do(f"store {kind} {low}, ptr {address}, align 1, {reach}")
    return "0"


def atomic(em: Emitter, slot: int, op: Op, insn: Insn) -> None:
    """Memory at dst + off = memory op src; with fetch, src = what was there."""
    old = _exchanged(em, slot, op, insn, insn.src, _combine)
    if op.fetch:
        em.body.put(insn.src, old)


def cmpxchg(em: Emitter, slot: int, op: Op, insn: Insn) -> None:
    """Memory at dst + off = src if it equals r0; r0 = what was there."""
    em.body.put(0, _exchanged(em, slot, op, insn, 0, _compare))


def _exchanged(
    em: Emitter, slot: int, op: Op, insn: Insn, gets: int, exchange: Callable[[Emitter, str, Op, Insn], str]
) -> str:
    """What `exchange(address)` gives for dst + off; the register `gets` where an arena has no page."""
    if slot not in em.build.image.arena_mem:
        return exchange(em, em.address(slot, op, insn, insn.dst), op, insn)
    kept, _ = em.body.get(gets), em.body.get(insn.src)
    return guarded(em, insn, insn.dst, op.size, lambda address: exchange(em, address, op, insn), kept)


def _combine(em: Emitter, address: str, op: Op, insn: Insn) -> str:
    reach = em.reach(insn, op)
    old, value = _load(em, address, op.size, reach), em.body.get(insn.src)
    if op.name != "xchg":
        value = em.body.new(f"{_COMPUTE[op.name]} i64 {old}, {value}")
    _store(em, address, op.size, value, reach)
    return old


def _compare(em: Emitter, address: str, op: Op, insn: Insn) -> str:
    body, reach = em.body, em.reach(insn, op)
    old, expected = _load(em, address, op.size, reach), body.get(0)
    if op.size == 4:
        low = low32(body, expected)
        expected = widen(body, low) if low[0] == "%" else const(int(low) & U32_MAX)
    same = body.new(f"icmp eq i64 {old}, {expected}")
    new = body.new(f"select i1 {same}, i64 {body.get(insn.src)}, i64 {old}")
    _store(em, address, op.size, new, reach)
    return old


def addr_space_cast(em: Emitter, slot: int, op: Op, insn: Insn) -> None:
    """dst = the arena pointer that is the lower half of src (imm 1), or its user address, where NULL stays NULL."""
    if em.build.image.arena is None:
        raise ValueError("an arena cast without an arena")
    user = em.build.image.arena[1]
    body = em.body
    low = body.new(f"and i64 {body.get(insn.src)}, {U32_MAX}")
    if insn.imm == 1:
        body.put(insn.dst, low)
        return
    high = body.new(f"or i64 {low}, {const(user & ~U32_MAX)}")
    body.put(insn.dst, body.new(f"select i1 {body.new(f'icmp eq i64 {low}, 0')}, i64 0, i64 {high}"))
