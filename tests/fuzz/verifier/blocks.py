# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What programs do with numbers, the stack and control flow."""

from __future__ import annotations

from typing import Final

from bpfvm.isa.insn import Insn
from tests.fuzz.verifier import code as c
from tests.fuzz.verifier.generate import NOTHING, NUM, SIZES, Gen

ATOMICS: Final = (0x00, 0x01, 0x40, 0x41, 0x50, 0x51, 0xA0, 0xA1, 0xE1, 0xF1, 0x100, 0x110)
COMPARES: Final = tuple(c.JUMP)


def arithmetic(g: Gen) -> None:
    """One to three operations on numbers."""
    for _ in range(g.rng.randint(1, 3)):
        dst, op, width = g.num(), g.rng.choice(tuple(c.ALU)), g.rng.choice((64, 64, 32))
        if op == "neg":
            g.code.emit(Insn(0x87 if width == 64 else 0x84, dst))
        elif op in ("div", "mod"):
            off = 1 if g.chance(40) else 0
            insn = c.alu(op, dst, g.imm() or 3, width) if g.chance(60) else c.alu_reg(op, dst, g.num(), width)
            g.code.emit(insn._replace(off=off))
        elif op in ("lsh", "rsh", "arsh"):
            imm = g.rng.randrange(width) if g.chance(80) else g.rng.choice((8, 31, 32, 48, 63)) % width
            g.code.emit(c.alu(op, dst, imm, width) if g.chance(75) else c.alu_reg(op, dst, g.num(), width))
        elif g.chance(55):
            g.code.emit(c.alu(op, dst, g.imm(), width))
        else:
            g.code.emit(c.alu_reg(op, dst, g.num(), width))


def move(g: Gen) -> None:
    """Copies of all widths, byte swaps."""
    src, dst = g.num(), g.free()
    how = g.rng.random()
    if how < 0.4:
        g.code.emit(c.mov(dst, src))
    elif how < 0.6:
        g.code.emit(Insn(0xBC, dst, src))
    elif how < 0.85:
        wide = g.chance(50)
        g.code.emit(Insn(0xBF if wide else 0xBC, dst, src, g.rng.choice((8, 16, 32) if wide else (8, 16))))
    else:
        g.code.emit(Insn(g.rng.choice((0xD4, 0xDC, 0xD7)), src, 0, 0, g.rng.choice((16, 32, 64))))
        return
    g.regs[dst] = NUM


def constant(g: Gen) -> None:
    """A constant, small or 64 bits wide."""
    dst = g.free()
    if g.chance(80):
        g.code.emit(c.const(dst, g.imm()) if g.chance(80) else Insn(0xB4, dst, 0, 0, g.imm()))
    else:
        g.code.emit(*c.reference(dst, 0, g.imm(), g.imm()))
    g.regs[dst] = NUM


def linked(g: Gen) -> None:
    """A copy moved by a constant, then a test of one of the two."""
    src, dst = g.num(), g.rng.choice((2, 3, 7, 8, 9))
    width = g.rng.choice((64, 64, 32))
    g.code.emit(c.mov(dst, src) if width == 64 else Insn(0xBC, dst, src))
    g.regs[dst] = NUM
    for _ in range(g.rng.randint(0, 2)):
        g.code.emit(c.alu("add", g.rng.choice((src, dst)), g.rng.choice((1, 4, 8, -1, 100, -4)), width))
    g.leave(c.jump(g.rng.choice(COMPARES), g.rng.choice((src, dst)), g.imm(), g.rng.choice((64, 64, 32))))


def limit(g: Gen, reg: int = -1) -> int:
    """Bound a number in one of the usual ways; returns the register."""
    reg = g.num() if reg < 0 else reg
    how, most = g.rng.randrange(8), g.rng.choice((1, 3, 7, 8, 15, 16, 31, 40, 47, 48, 63))
    width = g.rng.choice((64, 64, 32))
    if how == 0:
        g.code.emit(c.alu("and", reg, most, width))
    elif how == 1:
        g.leave(c.jump(g.rng.choice(("gt", "ge")), reg, most, width))
    elif how == 2:
        g.leave(c.jump("sgt", reg, most, width))
        g.leave(c.jump("slt", reg, g.rng.choice((0, 0, 0, -1, -8, 1)), width))
    elif how == 3:
        bits = g.rng.choice((8, 16, 32, 56, 60, 61))
        g.code.emit(c.alu("lsh", reg, bits), c.alu(g.rng.choice(("rsh", "rsh", "arsh")), reg, bits))
    elif how == 4:
        g.code.emit(c.alu("mod", reg, most, width))
    elif how == 5:
        g.code.emit(c.alu("rsh", reg, g.rng.choice((58, 59, 60, 61) if width == 64 else (26, 28, 29)), width))
    elif how == 6:
        g.code.emit(c.alu("arsh", reg, 63 if width == 64 else 31, width), c.alu("and", reg, most, width))
    else:
        g.leave(c.jump("set", reg, ~most, width))
    if g.chance(25):
        g.code.emit(c.alu(g.rng.choice(("add", "sub", "lsh", "mul")), reg, g.rng.choice((1, 2, 3, 4, 8))))
    return reg


def bound(g: Gen) -> None:
    """`limit`, sometimes two numbers against each other."""
    reg = limit(g)
    if g.chance(30):
        g.leave(c.jump_reg(g.rng.choice(COMPARES), g.num(), reg, g.rng.choice((64, 32))))


def condition(g: Gen) -> None:
    """Two ways on."""
    width = g.rng.choice((64, 64, 32))
    if g.chance(65):
        g.branch(c.jump(g.rng.choice(COMPARES), g.num(), g.imm(), width))
    else:
        g.branch(c.jump_reg(g.rng.choice(COMPARES), g.num(), g.num(), width))


def compare_pointers(g: Gen) -> None:
    """Pointers against each other, or against a number."""
    pointers = [i for i, held in enumerate(g.regs) if held[0] not in ("", "num")]
    if not pointers:
        return
    reg = g.rng.choice(pointers)
    ops = ("eq", "ne", "eq", "ne", "gt", "lt", "ge", "sle")
    if g.chance(50):
        g.branch(c.jump(g.rng.choice(ops), reg, g.rng.choice((0, 0, 0, 1, -1))))
    else:
        g.branch(c.jump_reg(g.rng.choice(ops), reg, g.rng.choice([*pointers, 10, g.num()])))


def spill(g: Gen) -> None:
    """A register or constant to the stack, of any size, mostly aligned."""
    size = g.rng.choice((1, 2, 4, 8, 8, 8))
    off = -size * g.rng.randint(1, 32 // size)
    if g.chance(3):
        off = g.rng.choice((-512, -504, -520, -511, 0, -3))
    if g.chance(25):
        g.code.emit(c.store_imm(size, 10, off, g.rng.choice((0, 0, 1, -1, 0x12345678))))
    elif g.chance(60):
        g.code.emit(c.store(size, 10, off, g.num()))
    else:
        known = [i for i, held in enumerate(g.regs) if held[0]]
        reg = g.rng.choice(known) if known and g.chance(98) else g.rng.randrange(10)
        g.code.emit(c.store(8 if g.chance(90) else size, 10, off & ~7 if g.chance(95) else off, reg))
    if size == 8:
        g.stack.add(off & ~7)


def fill(g: Gen) -> None:
    """Back from the stack, often another size than what was stored."""
    size = g.rng.choice(SIZES)
    off = -size * g.rng.randint(1, 32 // size)
    dst = g.free()
    g.code.emit(c.load(size, dst, 10, off, sign=g.chance(20)))
    g.regs[dst] = NUM


def save_and_restore(g: Gen) -> None:
    """Spill a register, do something else, fill it into another."""
    known = [i for i, held in enumerate(g.regs) if held[0]]
    if not known or g.depth > 3:
        return
    reg, off = g.rng.choice(known), -8 * g.rng.randint(1, 8)
    held = g.regs[reg]
    g.code.emit(c.store(8, 10, off, reg))
    g.stack.add(off)
    g.depth += 1
    g.some_blocks(1)
    g.depth -= 1
    dst = g.free()
    g.code.emit(c.load(8, dst, 10, off))
    g.regs[dst] = held


def stack_pointer(g: Gen) -> None:
    """A pointer into the stack, used at fixed and variable offsets."""
    reg, off = g.rng.choice((2, 3, 4, 7, 8)), -g.rng.choice((8, 16, 24, 32, 40, 48))
    g.init_stack(off, -off if g.chance(70) else 8)
    g.fp_plus(reg, off)
    if g.chance(50):
        index = limit(g)
        if index == reg:
            return
        g.code.emit(c.alu_reg("add", reg, index) if g.chance(90) else c.alu_reg("sub", reg, index))
        if g.chance(60):
            g.code.emit(c.alu("and", index, -8), c.mov(reg, 10), c.alu("add", reg, off), c.alu_reg("add", reg, index))
    access(g, reg, -off, stack=True)


def access(g: Gen, reg: int, size: int, *, stack: bool = False) -> None:
    """A load or store somewhere around `size` bytes of memory at a register."""
    for _ in range(g.rng.randint(1, 2)):
        width = g.rng.choice(SIZES)
        off = g.rng.choice((0, 0, size - width, size - width, size - width + 1, -1, g.rng.randrange(0, max(size, 1))))
        if g.chance(97 if stack else 88):
            off = max(0, min(off, size - width)) & -width
        how = g.rng.random()
        if how < 0.45:
            dst = g.free()
            g.code.emit(c.load(width, dst, reg, off, sign=g.chance(15)))
            g.regs[dst] = NUM
            if dst == reg:
                return
        elif how < 0.7:
            g.code.emit(c.store(width, reg, off, g.num()))
        elif how < 0.85:
            g.code.emit(c.store_imm(width, reg, off, g.imm()))
        else:
            atomic(g, reg, off & ~3)


def atomic(g: Gen, reg: int, off: int) -> None:
    """An atomic operation."""
    size, how, src = g.rng.choice((4, 8)), g.rng.choice(ATOMICS), g.num()
    if how == 0xF1 and g.regs[0] != NUM:
        g.code.emit(c.const(0, 0))
        g.regs[0] = NUM
    code = 0xC3 | c.SIZE[size]
    g.code.emit(Insn(code, src, reg, off, how) if how == 0x100 else Insn(code, reg, src, off, how))


def loop(g: Gen) -> None:
    """A few rounds, counted by r9 (or by the kernel's budget)."""
    if g.depth > 2:
        return
    g.depth += 1
    start = g.label()
    counted = g.chance(85)
    g.regs[1:6] = [NOTHING] * 5
    if counted:
        g.code.emit(c.const(9, g.rng.choice((0, 0, 1, -4))))
        g.regs[9] = NUM
    g.code.place(start)
    kept = list(g.regs)
    if counted:
        g.some_blocks(g.rng.randint(0, 2))
        g.code.emit(c.alu("add", 9, g.rng.choice((1, 1, 1, 2, 3)), g.rng.choice((64, 64, 32))))
        most = g.rng.choice((2, 4, 7, 16, 40))
        ends = (c.jump("lt", 9, most), c.jump("ne", 9, most), c.jump("slt", 9, most, 32), c.jump_reg("lt", 9, g.num()))
        g.code.to(start, g.rng.choice(ends))
    else:
        end = g.label()
        g.code.to(end, Insn(c.MAY_GOTO))
        g.some_blocks(g.rng.randint(0, 1))
        g.code.to(start, Insn(c.GOTO))
        g.code.place(end)
    g.regs = [a if a == b else NOTHING for a, b in zip(g.regs, kept, strict=True)]
    g.depth -= 1


def call_function(g: Gen) -> None:
    """A function of the program: a new one, or one called before."""
    if g.depth > 3:
        return
    if g.functions and g.chance(30):
        name, wanted = g.rng.choice(g.functions)
        for reg, held in enumerate(wanted, 1):
            sources = [i for i in range(10) if g.regs[i] == held and held[0]]
            if sources:
                g.code.emit(c.mov(reg, g.rng.choice(sources)))
                g.regs[reg] = held
        g.code.to(name, Insn(c.CALL, 0, 1))
        g.after_call()
        return
    name, wanted = g.label(), []
    g.functions.append((name, wanted))
    for reg in range(1, g.rng.randint(1, 4)):
        if g.chance(45):
            g.code.emit(c.mov(reg, g.num()))
            g.regs[reg] = NUM
        elif g.chance(50):
            off = -8 * g.rng.randint(1, 6)
            g.init_stack(off, 8)
            g.fp_plus(reg, off)
        else:
            others = [i for i in range(10) if g.regs[i][0] and i != reg]
            if others:
                source = g.rng.choice(others)
                g.code.emit(c.mov(reg, source))
                g.regs[reg] = g.regs[source]
    wanted += g.regs[1:6]
    g.code.to(name, Insn(c.CALL, 0, 1))
    g.after_call()


PLAIN: Final = (
    *((arithmetic, 14), (move, 7), (constant, 5), (linked, 5), (bound, 8), (condition, 8), (compare_pointers, 3)),
    *((spill, 7), (fill, 6), (save_and_restore, 5), (stack_pointer, 7), (loop, 3), (call_function, 3)),
)
"""Blocks and how often they occur, in programs of every type."""
