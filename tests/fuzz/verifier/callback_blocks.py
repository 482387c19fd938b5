# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers that call a function of the program: bpf_loop(), bpf_for_each_map_elem(), bpf_find_vma(),
bpf_user_ringbuf_drain()."""

from __future__ import annotations

from typing import Final

from bpfvm.btf import types as t
from bpfvm.isa.helper_ids import HELPER_ID
from bpfvm.isa.insn import Insn
from tests.differential.verifier_oracle import kernel_btf
from tests.fuzz.verifier import code as c
from tests.fuzz.verifier.generate import NOTHING, NUM, Gen, Held
from tests.fuzz.verifier.sample import ARRAY, HASH, LRU, ONE, USER_RINGBUF

FUNCTION: Final = Insn(c.WIDE, 0, 4)
"""ld_imm64 of a function's address."""
MAX_CALLBACKS: Final = 2


def _context(g: Gen) -> int:
    """Offset of what the callback is given: plain bytes, or a dynptr if there is one."""
    if g.dynptrs and g.chance(50):
        return g.dynptrs[-1]
    off = -8 * g.rng.randint(1, 6)
    g.init_stack(off, min(-off, 16))
    return off


def _call(g: Gen, name: str, function: int, context: int, given: list[Held]) -> None:
    """Call the helper with a callback in register `function` and a context in `context`; `given` is what the callback
    gets before the context."""
    off = _context(g)
    label = g.label()
    g.code.to(label, FUNCTION._replace(dst=function))
    g.code.emit(Insn(0))
    if g.chance(90):
        g.fp_plus(context, off)
        held: Held = ("fp", off)
    else:
        g.code.emit(c.const(context, 0))
        held = NUM
    g.functions.append((label, [*given, held, *[NOTHING] * 5][:5]))
    g.callbacks.add(label)
    g.code.emit(c.helper(HELPER_ID[name]))
    g.after_call()


def loop(g: Gen) -> None:
    """bpf_loop()."""
    if g.depth > 2 or len(g.callbacks) >= MAX_CALLBACKS:
        return
    g.code.emit(c.const(1, g.rng.choice((0, 1, 3, 10))) if g.chance(70) else c.mov(1, g.num()), c.const(4, 0))
    _call(g, "loop", 2, 3, [NUM])


def for_each(g: Gen) -> None:
    """bpf_for_each_map_elem()."""
    if g.depth > 2 or len(g.callbacks) >= MAX_CALLBACKS:
        return
    which = g.rng.choice((ARRAY, HASH, ONE, LRU))
    g.code.emit(*c.reference(1, 1, which), c.const(4, 0))
    _call(g, "for_each_map_elem", 2, 3, [NOTHING, ("mem", 4), ("val", which)])


def drain(g: Gen) -> None:
    """bpf_user_ringbuf_drain()."""
    if g.depth > 2 or len(g.callbacks) >= MAX_CALLBACKS:
        return
    g.code.emit(*c.reference(1, 1, USER_RINGBUF), c.const(4, 0))
    _call(g, "user_ringbuf_drain", 2, 3, [("dynptr", 0)])


def find_vma(g: Gen) -> None:
    """bpf_find_vma()."""
    if g.depth > 2 or len(g.callbacks) >= MAX_CALLBACKS:
        return
    g.code.emit(c.helper(HELPER_ID["get_current_task_btf"]))
    g.after_call()
    g.code.emit(c.mov(1, 0), c.const(2, 0), c.const(5, 0))
    task: Held = ("btf", kernel_btf().find("task_struct", t.Struct))
    area: Held = ("btf", kernel_btf().find("vm_area_struct", t.Struct))
    _call(g, "find_vma", 3, 4, [task, area])


CALLBACKS: Final = ((loop, 2), (for_each, 2), (drain, 1))
VMA_CALLBACKS: Final = ((find_vma, 1),)
"""For programs that may look at tasks."""
