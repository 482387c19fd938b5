# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What programs do with kernel objects: walks through BTF pointers, references, RCU regions, iterators."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from bpfvm.btf import types as t
from bpfvm.isa.insn import Insn
from tests.differential.verifier_oracle import OPS, kernel_btf
from tests.fuzz.verifier import code as c
from tests.fuzz.verifier.generate import NOTHING, NUM, SIZES, Gen, Held

Field = tuple[int, int, int]
"""(offset, size, id of the struct pointed at or 0)."""


def struct_at(type_id: int) -> int:
    """Id of the struct that a pointer type points at, 0 if it is something else."""
    pointer = kernel_btf().resolve(type_id)
    if not isinstance(pointer, t.Ptr):
        return 0
    target = kernel_btf().skip_mods(pointer.type)
    return target if isinstance(kernel_btf().type(target), t.Struct) else 0


@lru_cache(256)
def fields(struct_id: int) -> tuple[Field, ...]:
    """What can be loaded from a struct, embedded structs looked through (two levels)."""
    out: list[Field] = []
    _collect(struct_id, 0, 2, out)
    return tuple(out) or ((0, 8, 0),)


def _collect(struct_id: int, base: int, levels: int, out: list[Field]) -> None:
    struct = kernel_btf().type(struct_id)
    assert isinstance(struct, t.Struct)
    for member in struct.members:
        off = base + (member.bit_offset >> 3)
        kind = kernel_btf().resolve(member.type)
        if isinstance(kind, t.Struct) and levels:
            _collect(kernel_btf().skip_mods(member.type), off, levels - 1, out)
        elif not isinstance(kind, t.Array | t.Struct):
            out.append((off, min(8, kernel_btf().size_of(member.type) or 1), struct_at(member.type)))


@lru_cache(64)
def members() -> tuple[tuple[int, t.FuncProto], ...]:
    """Function members of tcp_congestion_ops."""
    out = []
    for i, member in enumerate(kernel_btf().struct(OPS).members):
        target = kernel_btf().resolve(member.type)
        proto = kernel_btf().resolve(target.type) if isinstance(target, t.Ptr) else None
        if isinstance(proto, t.FuncProto):
            out.append((i, proto))
    return tuple(out)


def load_arguments(g: Gen, proto: t.FuncProto) -> None:
    """The member's arguments, from the context."""
    for i, param in enumerate(proto.params[:3]):
        reg = (7, 8, 9)[i]
        g.code.emit(c.load(8, reg, 6, 8 * i))
        target = struct_at(param.type)
        g.regs[reg] = ("btf", target) if target else NUM


def walk(g: Gen) -> None:
    """From one kernel object to the next, at fields that exist, or beside them."""
    found = g.holding("btf")
    if not found:
        return
    reg = g.rng.choice(found)
    for _ in range(g.rng.randint(1, 3)):
        struct_id = g.regs[reg][1]
        if not struct_id:
            return
        choice = fields(struct_id)
        pointers = [field for field in choice if field[2]]
        off, size, target = g.rng.choice(pointers if pointers and g.chance(60) else choice)
        held: Held = ("btf", target) if target else NUM
        if g.chance(12):
            off, size = off + g.rng.choice((-8, -4, -1, 1, 4, 8)), g.rng.choice(SIZES)
            held = NUM
        if g.chance(4):
            g.code.emit(c.store_imm(g.rng.choice(SIZES) if g.chance(30) else size, reg, off, 0))
        dst = g.rng.choice((0, 2, 3, 7, 8))
        g.code.emit(c.load(size, dst, reg, off, sign=g.chance(5)))
        g.regs[dst] = held
        if held[0] != "btf":
            return
        if g.chance(40):
            g.leave(c.jump("eq", dst, 0))
        reg = dst


def move_object(g: Gen) -> None:
    """A pointer into the middle of a kernel object, or at a variable offset."""
    found = g.holding("btf")
    if not found:
        return
    reg, dst = g.rng.choice(found), g.rng.choice((2, 3, 4))
    off, size, _ = g.rng.choice(fields(g.regs[reg][1]))
    g.code.emit(c.mov(dst, reg))
    g.code.emit(c.alu("add", dst, off) if g.chance(80) else c.alu_reg("add", dst, g.num()))
    g.code.emit(c.load(size, 5, dst, g.rng.choice((0, 0, 0, 4, -off))))
    g.regs[dst], g.regs[5] = NOTHING, NUM


def current_task(g: Gen) -> None:
    """The current task."""
    g.code.emit(c.helper(158))
    g.after_call()
    task: Held = ("btf", kernel_btf().find("task_struct", t.Struct))
    g.regs[0] = task
    reg = g.rng.choice((7, 8, 9))
    g.code.emit(c.mov(reg, 0))
    g.regs[reg] = task


def _kfunc(g: Gen, name: str) -> None:
    g.code.emit(c.kfunc(kernel_btf().find(name, t.Func)))
    g.after_call()


def region(g: Gen) -> None:
    """An RCU or non-preemptible region around something."""
    if g.depth > 2:
        return
    begin, end = g.rng.choice((("rcu_read_lock", "rcu_read_unlock"), ("preempt_disable", "preempt_enable")))
    g.depth += 1
    _kfunc(g, "bpf_" + begin) if g.chance(96) else None
    out, g.out = g.out, g.label()
    g.some_blocks(g.rng.randint(1, 2))
    g.code.place(g.out)
    g.out = out
    g.regs[0:6] = [NOTHING] * 6
    _kfunc(g, "bpf_" + end) if g.chance(96) else None
    g.regs[0] = NOTHING
    g.depth -= 1


def interrupts(g: Gen) -> None:
    """Interrupts off around something, their flags on the stack."""
    if g.depth > 2:
        return
    at = -8 * g.rng.randint(1, 8) if g.chance(96) else g.rng.choice((-4, 0, -520))
    g.depth += 1
    g.fp_plus(1, at)
    _kfunc(g, "bpf_local_irq_save") if g.chance(97) else None
    g.stack.discard(at)
    out, g.out = g.out, g.label()
    g.some_blocks(g.rng.randint(0, 2))
    g.code.place(g.out)
    g.out = out
    g.regs[0:6] = [NOTHING] * 6
    g.fp_plus(1, at)
    _kfunc(g, "bpf_local_irq_restore") if g.chance(97) else None
    g.regs[0:6] = [NOTHING] * 6
    g.depth -= 1


def task_reference(g: Gen) -> None:
    """Take a reference to a task, use it, give it back (mostly)."""
    if g.holding("btf") and g.chance(50):
        g.code.emit(c.mov(1, g.rng.choice(g.holding("btf"))))
        _kfunc(g, "bpf_task_acquire")
    else:
        g.code.emit(c.const(1, g.rng.choice((1, 0, -1))))
        _kfunc(g, "bpf_task_from_pid")
    keep, end = g.rng.choice((7, 8, 9)), g.label()
    g.code.emit(c.mov(keep, 0))
    g.code.to(end, c.jump("eq", g.rng.choice((0, keep)), 0)) if g.chance(93) else None
    g.regs[keep] = ("btf", kernel_btf().find("task_struct", t.Struct))
    g.regs[0] = NOTHING
    walk(g)
    if g.chance(92):
        g.code.emit(c.mov(1, keep))
        _kfunc(g, "bpf_task_release")
    g.code.place(end)
    g.regs = [NOTHING if i < 6 or i == keep else held for i, held in enumerate(g.regs)]


def iterate(g: Gen) -> None:
    """for i in range(a, b) with bpf_iter_num."""
    if g.depth > 2:
        return
    g.depth += 1
    at, start, end = -8 * g.rng.randint(3, 6), g.label(), g.label()
    g.fp_plus(1, at)
    g.code.emit(
        c.const(2, g.rng.choice((0, 1, -2))),
        c.const(3, g.rng.choice((2, 4, 10))) if g.chance(80) else c.mov(3, g.num()),
    )
    _kfunc(g, "bpf_iter_num_new")
    g.code.place(start)
    g.fp_plus(1, at)
    _kfunc(g, "bpf_iter_num_next")
    g.regs[0] = NOTHING
    g.code.to(end, c.jump("eq", 0, 0)) if g.chance(97) else None
    g.code.emit(c.load(4, 2, 0, g.rng.choice((0, 0, 0, 0, 4))))
    g.regs[2] = NUM
    kept, out, g.out = list(g.regs), g.out, end
    g.some_blocks(g.rng.randint(0, 2))
    g.out = out
    g.code.to(start, Insn(c.GOTO))
    g.code.place(end)
    g.regs = [NOTHING if i < 6 or a != b else a for i, (a, b) in enumerate(zip(g.regs, kept, strict=True))]
    g.fp_plus(1, at)
    if g.chance(96):
        _kfunc(g, "bpf_iter_num_destroy")
    g.regs[0:6] = [NOTHING] * 6
    g.depth -= 1


OBJECTS: Final = ((walk, 20), (move_object, 4), (current_task, 3), (region, 3), (task_reference, 4))
"""In struct_ops programs, and (less often) in syscall programs."""
