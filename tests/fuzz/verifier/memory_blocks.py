# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What programs do with maps, helpers, packets and their context."""

from __future__ import annotations

from typing import Final

from bpfvm.isa.insn import Insn
from tests.fuzz.verifier import code as c
from tests.fuzz.verifier.blocks import COMPARES, access, limit
from tests.fuzz.verifier.generate import NOTHING, NUM, SIZES, Gen
from tests.fuzz.verifier.sample import ARRAY, HASH, LRU, MAPS, ONE, PERCPU, READ_ONLY, RINGBUF, SKB_TYPES, WRITE_ONLY


def _key(g: Gen, which: int) -> None:
    size = MAPS[which].key_size
    off = -8 * g.rng.randint(1, 4)
    if size == 4:
        if g.chance(70):
            g.code.emit(c.store_imm(4, 10, off, g.rng.choice((0, 1, 3, 4, 5))))
        else:
            g.code.emit(c.store(4, 10, off, g.num()))
    else:
        g.init_stack(off, size)
    g.fp_plus(2, off)


def lookup(g: Gen) -> None:
    """A map value, tested against NULL most of the time, and used."""
    which = g.rng.choice((ARRAY, ARRAY, ARRAY, HASH, HASH, HASH, ONE, PERCPU, READ_ONLY, WRITE_ONLY, LRU))
    _key(g, which)
    g.code.emit(*c.reference(1, 1, which), c.helper(1))
    g.after_call()
    g.regs[0] = ("val?", which)
    if g.chance(90):
        reg = g.rng.choice((0, 7, 8, 9))
        if reg:
            g.code.emit(c.mov(reg, 0))
        g.regs[reg] = ("val?", which)
        tested = reg if g.chance(50) else 0
        if g.chance(70):
            g.leave(c.jump("eq", tested, 0))
        else:
            skip = g.label()
            g.code.to(skip, c.jump("ne", tested, 0))
            g.code.to(g.out, Insn(c.GOTO))
            g.code.place(skip)
        g.regs[0] = g.regs[reg] = ("val", which)
    if g.chance(80):
        value(g)


def direct_value(g: Gen) -> None:
    """The address of a map's only value."""
    reg = g.free()
    which = g.rng.choice((ONE, ONE, ONE, READ_ONLY, WRITE_ONLY, HASH if g.chance(10) else ONE))
    g.code.emit(*c.reference(reg, 2, which, g.rng.choice((0, 0, 8, 60, 63, 64))))
    g.regs[reg] = ("val", which)


def value(g: Gen) -> None:
    """Use a map value at a fixed or variable offset."""
    regs = g.holding("val", "val?") if g.chance(5) else g.holding("val")
    if not regs:
        return
    reg = g.rng.choice(regs)
    size = MAPS[g.regs[reg][1]].value_size
    if g.chance(50):
        moved = g.rng.choice((1, 2, 3, 4, 5))
        if g.regs[moved] == NUM:
            moved = reg
        index = limit(g)
        if index == moved:
            return
        if moved != reg:
            g.code.emit(c.mov(moved, reg))
        g.code.emit(c.alu_reg("add", moved, index) if g.chance(85) else c.alu_reg("sub", moved, index))
        if g.chance(25):
            g.code.emit(c.alu("add", moved, g.rng.choice((4, 8, -4, -8, 1))))
        g.regs[moved] = NOTHING if moved != reg else g.regs[reg]
        access(g, moved, max(1, size - g.rng.choice((1, 7, 15, 31))))
        g.regs[moved] = NOTHING
        return
    access(g, reg, size)


def change_map(g: Gen) -> None:
    """Update or delete an element."""
    which = g.rng.choice((ARRAY, HASH, HASH, HASH, ONE, READ_ONLY, WRITE_ONLY, LRU))
    _key(g, which)
    if g.chance(70):
        size = MAPS[which].value_size
        off = -((size + 7) & ~7) - 8 * g.rng.randint(0, 2)
        if g.chance(20) and g.holding("val"):
            g.code.emit(c.mov(3, g.rng.choice(g.holding("val"))))
        else:
            g.init_stack(off, size)
            g.fp_plus(3, off if g.chance(95) else off + 8)
        g.code.emit(c.const(4, g.rng.choice((0, 0, 1, 2))), *c.reference(1, 1, which), c.helper(2))
    else:
        g.code.emit(*c.reference(1, 1, which), c.helper(3))
    g.after_call()


def simple_helper(g: Gen) -> None:
    """Time, chance, CPU, current ids."""
    g.code.emit(c.helper(g.rng.choice((5, 7, 8, 14, 15, 125, 118, 42))))
    g.after_call()


def memory_helper(g: Gen) -> None:
    """A helper that takes memory and its size: probe_read, get_current_comm, ringbuf_output, csum_diff, strtol."""
    how = g.rng.choice(("probe", "probe", "comm", "output", "strtol", "csum" if g.prog_type == "xdp" else "output"))
    size = g.rng.choice((1, 4, 8, 16, 16, 24, 0))
    off = -g.rng.choice((8, 16, 24, 32))
    bounded = limit(g) if g.chance(50) else -1
    target, length = {"probe": (1, 2), "comm": (1, 2), "output": (2, 3), "strtol": (1, 2), "csum": (1, 2)}[how]
    if bounded >= 0:
        g.code.emit(c.mov(length, bounded))
    else:
        g.code.emit(c.const(length, size))
    if how in ("output", "strtol", "csum") or g.chance(20):
        g.init_stack(off, -off)
    values = [r for r in g.holding("val", "mem") if r not in (1, 2, 3, 4, 5)]
    if values and g.chance(30):
        g.code.emit(c.mov(target, g.rng.choice(values)))
    else:
        g.fp_plus(target, off)
    if how == "probe":
        g.code.emit(c.mov(3, 10) if g.chance(50) else c.const(3, g.imm()))
        g.code.emit(c.helper(g.rng.choice((113, 113, 115, 112))))
    elif how == "comm":
        g.code.emit(c.helper(16))
    elif how == "output":
        g.code.emit(*c.reference(1, 1, RINGBUF), c.const(4, 0), c.helper(130))
    elif how == "strtol":
        g.fp_plus(4, -8 * g.rng.randint(1, 3) if g.chance(90) else -12)
        g.code.emit(c.const(3, 10), c.helper(g.rng.choice((105, 106))))
    else:
        g.code.emit(c.const(3, 0), c.const(4, 0), c.const(5, 0), c.helper(28))
    for at in range(off, 0, 8):
        g.stack.add(at & ~7)
    g.after_call()


def ringbuf(g: Gen) -> None:
    """Reserve, fill, submit or discard; sometimes one step is missing or done twice."""
    size = g.rng.choice((8, 16, 20))
    g.code.emit(*c.reference(1, 1, RINGBUF), c.const(2, size), c.const(3, 0), c.helper(131))
    g.after_call()
    keep = g.rng.choice((7, 8, 9))
    g.code.emit(c.mov(keep, 0))
    end = g.label()
    g.code.to(end, c.jump("eq", g.rng.choice((0, keep)), 0)) if g.chance(93) else None
    g.regs[keep] = g.regs[0] = ("mem", size)
    access(g, keep, size)
    if g.chance(25) and g.depth < 3:
        g.depth += 1
        g.some_blocks(1)
        g.depth -= 1
    if g.chance(93):
        g.code.emit(c.mov(1, keep), c.const(2, 0), c.helper(g.rng.choice((132, 133))))
    if g.chance(4):
        g.code.emit(c.mov(1, keep), c.const(2, 0), c.helper(132))
    g.code.place(end)
    g.regs = [NOTHING if i < 6 or held[0] == "mem" else held for i, held in enumerate(g.regs)]


def context(g: Gen) -> None:
    """Fields of the context at any offset and size, rarely stores."""
    ctxs = g.holding("ctx")
    if not ctxs:
        return
    ctx, size = g.rng.choice(ctxs), g.rng.choice((1, 2, 4, 4, 4, 8))
    most = {"xdp": 24, "syscall": 128, "kprobe": 168, "tracepoint": 64}.get(g.prog_type, 32)
    most = 192 if g.prog_type in SKB_TYPES else most
    off = g.rng.randrange(0, most, size) if g.chance(94) else g.rng.randrange(-1, most + 4)
    if g.prog_type == "struct_ops" and g.chance(80):
        return
    if g.prog_type in SKB_TYPES and g.chance(80):
        off, size = g.rng.choice((8, 12, 16)), 4
    if g.prog_type in SKB_TYPES and g.chance(50):
        off = g.rng.choice((0, 8, 48, 52, 56, 60, 64, 68))
    if g.prog_type == "xdp" and g.chance(80):
        off, size = g.rng.choice((12, 16)), 4
    if g.chance(20) and (g.prog_type == "syscall" or g.chance(10)):
        g.code.emit(c.store(size, ctx, off, g.num()) if g.chance(60) else c.store_imm(size, ctx, off, g.imm()))
        return
    dst = g.rng.choice((2, 3, 4, 7, 8))
    g.code.emit(c.load(size, dst, ctx, off, sign=g.chance(10)))
    g.regs[dst] = NUM


def move_context(g: Gen) -> None:
    """A context pointer plus something."""
    ctxs = g.holding("ctx")
    if not ctxs:
        return
    reg = g.rng.choice((2, 3, 4))
    g.code.emit(c.mov(reg, g.rng.choice(ctxs)))
    if g.chance(60):
        g.code.emit(c.alu("add", reg, g.rng.choice((4, 8, 0, 1, -4))))
    else:
        g.code.emit(c.alu_reg("add", reg, limit(g)))
    dst = g.rng.choice((2, 3, 5))
    g.code.emit(c.load(g.rng.choice(SIZES), dst, reg, g.rng.choice((0, 4, 8))))
    g.regs[reg], g.regs[dst] = NOTHING, NUM


def packet(g: Gen) -> None:
    """Packet bytes, compared against the end in one of the many ways, then used around that bound."""
    ctxs = g.holding("ctx")
    if not ctxs:
        return
    ctx = g.rng.choice(ctxs)
    start, end = g.rng.sample((2, 3, 4, 5, 7, 8), 2)
    meta = g.chance(10)
    places = (140, 76, 80) if g.prog_type in SKB_TYPES else (8, 0, 4)
    g.code.emit(c.load(4, start, ctx, places[not meta]), c.load(4, end, ctx, places[1 + (not meta)]))
    g.regs[start], g.regs[end] = ("pkt", 0), ("end", 0)
    base = start
    if g.chance(40):
        index = limit(g)
        if index in (start, end):
            return
        g.code.emit(c.alu_reg("add", start, index))
    size = g.rng.choice((1, 4, 8, 14, 20, 34))
    moved = g.rng.choice([r for r in (2, 3, 4, 5) if r not in (start, end)])
    g.code.emit(c.mov(moved, base), c.alu("add", moved, size))
    g.regs[moved] = NOTHING
    op = g.rng.choice(("gt", "ge", "lt", "le"))
    test = c.jump_reg(op, moved, end) if g.chance(60) else c.jump_reg(op, end, moved)
    good_when_taken = (op in ("lt", "le")) == (test.dst == moved)
    if g.chance(10):
        good_when_taken = not good_when_taken
    if good_when_taken:
        skip = g.label()
        g.code.to(skip, test)
        g.code.to(g.out, Insn(c.GOTO))
        g.code.place(skip)
    else:
        g.leave(test)
    if g.chance(8):
        g.code.emit(c.mov(1, ctx), c.const(2, g.rng.choice((0, 4, -4))), c.helper(g.rng.choice((44, 54, 65))))
        g.after_call()
    use = base if g.chance(80) else moved
    access(g, use, size if use == base else 0)
    g.regs[start], g.regs[end] = NOTHING, NOTHING


def packet_load(g: Gen) -> None:
    """ld_abs and ld_ind."""
    if g.chance(50):
        g.code.emit(Insn(0x20 | g.rng.choice((0x00, 0x08, 0x10)), 0, 0, 0, g.rng.choice((0, 14, 1000, -1))))
    else:
        g.code.emit(Insn(0x40 | g.rng.choice((0x00, 0x08, 0x10)), 0, g.num(), 0, g.rng.choice((0, 14))))
    g.after_call()


def number_helper(g: Gen) -> None:
    """Compare what a helper returned."""
    g.code.emit(c.helper(g.rng.choice((7, 8))))
    g.after_call()
    g.leave(c.jump(g.rng.choice(COMPARES), 0, g.imm(), g.rng.choice((64, 32))))


MEMORY: Final = (
    *((lookup, 9), (direct_value, 2), (value, 7), (change_map, 4), (simple_helper, 2), (memory_helper, 5)),
    *((ringbuf, 3), (context, 4), (move_context, 1), (number_helper, 2)),
)
"""In programs of every type."""
