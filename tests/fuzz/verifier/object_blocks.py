# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What programs do with dynptrs and with iterators over other things than numbers."""

from __future__ import annotations

from typing import Final

from bpfvm.btf import types as t
from bpfvm.isa.helper_ids import HELPER_ID
from bpfvm.isa.insn import Insn
from tests.differential.verifier_oracle import kernel_btf
from tests.fuzz.verifier import code as c
from tests.fuzz.verifier.blocks import access
from tests.fuzz.verifier.generate import NOTHING, NUM, Gen, Held
from tests.fuzz.verifier.sample import RINGBUF

PLACES: Final = (-16, -24, -32, -40, -48, -56, -64)
SIZES: Final = (0, 1, 4, 8, 8, 16)
NUMBERS: Final = (
    *("bpf_dynptr_size", "bpf_dynptr_is_null", "bpf_dynptr_is_rdonly", "bpf_dynptr_adjust", "bpf_dynptr_memset"),
)
"""kfuncs with a dynptr and numbers."""


def _helper(g: Gen, name: str) -> None:
    g.code.emit(c.helper(HELPER_ID[name]))
    g.after_call()


def _kfunc(g: Gen, name: str) -> None:
    g.code.emit(c.kfunc(kernel_btf().find(name, t.Func)))
    g.after_call()


def _place(g: Gen) -> int:
    """Where a dynptr may be put; what was there is forgotten."""
    off = g.rng.choice(PLACES) if g.chance(97) else g.rng.choice((-8, -12, 0, -512, -516))
    g.stack -= {off, off + 8}
    return off


def _made(g: Gen) -> int:
    """Where one may be."""
    return g.dynptrs[-1] if g.dynptrs and g.chance(85) else g.rng.choice(PLACES)


def _point(g: Gen, reg: int) -> None:
    """A register at a dynptr: one of the program's, or the kernel's that a callback was given."""
    given = g.holding("dynptr")
    if given and g.chance(70):
        g.code.emit(c.mov(reg, g.rng.choice(given)))
        g.regs[reg] = NOTHING
    else:
        g.fp_plus(reg, _made(g))


def _some(g: Gen, count: int) -> None:
    g.depth += 1
    g.some_blocks(count)
    g.depth -= 1


def _use(g: Gen, size: int) -> None:
    """The memory in r0, which may be NULL."""
    reg = g.rng.choice((7, 8, 9))
    g.code.emit(c.mov(reg, 0))
    skip = g.label()
    before = list(g.regs)
    if g.chance(95):
        g.code.to(skip, c.jump("eq", g.rng.choice((0, reg)), 0))
    g.regs[reg] = ("mem", size)
    if size:
        access(g, reg, size)
    if g.chance(40) and g.depth < 3:
        _some(g, 1)
        if size:
            g.code.emit(c.load(1, 2, reg, 0))
    g.code.place(skip)
    g.regs = [a if a == b and i > 5 else NOTHING for i, (a, b) in enumerate(zip(g.regs, before, strict=True))]
    g.regs[reg] = NOTHING


def data(g: Gen) -> None:
    """bpf_dynptr_data()."""
    size = g.rng.choice(SIZES)
    _point(g, 1)
    g.code.emit(c.const(2, g.rng.choice((0, 0, 1, 100))), c.const(3, size) if g.chance(95) else c.mov(3, g.num()))
    _helper(g, "dynptr_data")
    _use(g, size)


def slice_(g: Gen) -> None:
    """bpf_dynptr_slice(), with a buffer or without."""
    size = g.rng.choice(SIZES)
    name = "bpf_dynptr_slice" if g.chance(70) else "bpf_dynptr_slice_rdwr"
    if g.chance(60):
        off = g.rng.choice((-80, -88))
        g.init_stack(off, 16)
        g.fp_plus(3, off)
    else:
        g.code.emit(c.const(3, 0))
    g.regs[3] = NOTHING
    _point(g, 1)
    g.code.emit(c.const(2, 0), c.const(4, size) if g.chance(95) else c.mov(4, g.num()))
    _kfunc(g, name)
    _use(g, size)


def read_or_write(g: Gen) -> None:
    """bpf_dynptr_read() and bpf_dynptr_write()."""
    size = g.rng.choice(SIZES)
    off = g.rng.choice((-80, -88, -96)) if g.chance(90) else g.rng.choice(PLACES)
    if g.chance(50):
        g.fp_plus(1, off)
        _point(g, 3)
        g.code.emit(c.const(2, size), c.const(4, 0), c.const(5, 0))
        _helper(g, "dynptr_read")
    else:
        g.init_stack(off, 16)
        _point(g, 1)
        g.fp_plus(3, off)
        g.code.emit(c.const(2, 0), c.const(4, size), c.const(5, 0))
        _helper(g, "dynptr_write")


def ask(g: Gen) -> None:
    """kfuncs that take a dynptr and numbers."""
    _point(g, 1)
    g.code.emit(c.const(2, g.rng.choice((0, 1, 8))), c.const(3, g.rng.choice((0, 2, 8))), c.const(4, 1))
    _kfunc(g, g.rng.choice(NUMBERS))


def clone(g: Gen) -> None:
    """bpf_dynptr_clone()."""
    _point(g, 1)
    to = _place(g)
    g.fp_plus(2, to)
    _kfunc(g, "bpf_dynptr_clone")
    g.dynptrs.append(to)


def pass_on(g: Gen) -> None:
    """A function gets a pointer to the dynptr."""
    if g.depth > 2:
        return
    off = _made(g)
    g.fp_plus(1, off)
    name = g.label()
    held: list[Held] = [("fp", off), *[NOTHING] * 4]
    g.functions.append((name, held))
    g.code.to(name, Insn(c.CALL, 0, 1))
    g.after_call()


USES: Final = (data, data, slice_, read_or_write, ask, clone, pass_on)


def _uses(g: Gen, off: int) -> None:
    g.dynptrs.append(off)
    for _ in range(g.rng.randint(1, 3)):
        if g.chance(75):
            g.rng.choice(USES)(g)
        elif g.depth < 3:
            _some(g, 1)
    if g.chance(15):
        g.code.emit(c.store_imm(g.rng.choice((1, 8)), 10, off + g.rng.choice((0, 8)), 0))


def record(g: Gen) -> None:
    """A ring buffer record, given back (mostly) on the way on, seldom on jumps out of it."""
    if g.depth > 2:
        return
    off = _place(g)
    g.code.emit(*c.reference(1, 1, RINGBUF), c.const(2, g.rng.choice((0, 8, 16, 5000))), c.const(3, 0))
    g.fp_plus(4, off)
    _helper(g, "ringbuf_reserve_dynptr")
    out, g.out = g.out, g.label()
    _uses(g, off)
    g.code.place(g.out)
    g.out = out
    g.regs[0:6] = [NOTHING] * 6
    if g.chance(95):
        g.fp_plus(1, off if g.chance(90) else _made(g))
        g.code.emit(c.const(2, 0))
        _helper(g, g.rng.choice(("ringbuf_submit_dynptr", "ringbuf_discard_dynptr")))
    g.regs[0:6] = [NOTHING] * 6
    g.dynptrs.clear()


def of_value(g: Gen) -> None:
    """A dynptr of a map value."""
    values = [i for i in g.holding("val") if i > 5]
    if not values:
        return
    off = _place(g)
    g.code.emit(c.mov(1, g.rng.choice(values)), c.const(2, g.rng.choice((4, 8, 16, 64))), c.const(3, 0))
    g.fp_plus(4, off)
    _helper(g, "dynptr_from_mem")
    _uses(g, off)


def of_packet(g: Gen) -> None:
    """A dynptr of the packet."""
    off = _place(g)
    g.code.emit(c.mov(1, 6), c.const(2, g.rng.choice((0, 0, 1))))
    g.fp_plus(3, off)
    _kfunc(g, "bpf_dynptr_from_xdp" if g.prog_type == "xdp" else "bpf_dynptr_from_skb")
    _uses(g, off)


def _iterate(g: Gen, name: str, slots: int, arguments: tuple[Insn, ...], element: Held) -> None:
    """for (…) with an iterator."""
    if g.depth > 2:
        return
    g.depth += 1
    at, start, end = -8 * g.rng.randint(slots + 2, 9), g.label(), g.label()
    g.stack -= {at + 8 * i for i in range(slots)}
    g.code.emit(*arguments)
    g.fp_plus(1, at)
    _kfunc(g, f"bpf_iter_{name}_new")
    g.code.place(start)
    g.fp_plus(1, at)
    _kfunc(g, f"bpf_iter_{name}_next")
    g.regs[0] = NOTHING
    if g.chance(97):
        g.code.to(end, c.jump("eq", 0, 0))
    kept = list(g.regs)
    keep = g.rng.choice((7, 8, 9))
    g.code.emit(c.mov(keep, 0), c.load(4, 2, keep, g.rng.choice((0, 0, 0, 4, 64))))
    g.regs[2], g.regs[keep] = NUM, element
    out, g.out = g.out, end
    g.some_blocks(g.rng.randint(0, 2))
    g.out = out
    g.code.to(start, Insn(c.GOTO))
    g.code.place(end)
    g.regs = [NOTHING if i < 6 or a != b else a for i, (a, b) in enumerate(zip(g.regs, kept, strict=True))]
    g.regs[keep] = NOTHING
    g.fp_plus(1, at)
    if g.chance(96):
        _kfunc(g, f"bpf_iter_{name}_destroy")
    g.regs[0:6] = [NOTHING] * 6
    g.depth -= 1


def bits(g: Gen) -> None:
    """The bits of eight bytes on the stack."""
    g.init_stack(-80, 8)
    g.fp_plus(2, -80)
    _iterate(g, "bits", 2, (c.const(3, g.rng.choice((1, 1, 1, 2))),), ("mem", 4))


def tasks(g: Gen) -> None:
    """All tasks, under RCU (mostly)."""
    locked = g.chance(85)
    if locked:
        _kfunc(g, "bpf_rcu_read_lock")
        g.regs[0] = NOTHING
    task: Held = ("btf", kernel_btf().find("task_struct", t.Struct))
    _iterate(g, "task", 3, (c.const(2, 0), c.const(3, g.rng.choice((0, 1, 2)))), task)
    if locked and g.chance(95):
        _kfunc(g, "bpf_rcu_read_unlock")
        g.regs[0] = NOTHING


def areas(g: Gen) -> None:
    """The memory areas of the current task."""
    _helper(g, "get_current_task_btf")
    area: Held = ("btf", kernel_btf().find("vm_area_struct", t.Struct))
    _iterate(g, "task_vma", 1, (c.mov(2, 0), c.const(3, 0)), area)


DYNPTRS: Final = ((record, 3), (of_value, 3), (bits, 1))
PACKETS: Final = ((of_packet, 3),)
ITERATORS: Final = ((tasks, 1), (areas, 1))
"""For programs that may look at tasks."""
