# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Loads, stores and atomics through arena pointers as LLVM instructions: what they do where no page is, and the table
that says so: `bpfvm.engine.arena`."""

from __future__ import annotations

from collections.abc import Callable

from bpfvm.engine.arena import BEFORE, PAGE_SHIFT, REACH, page_table
from bpfvm.engine.jit.body import EMULATED, const
from bpfvm.engine.jit.emit import FIRST, Emitter
from bpfvm.isa.insn import Insn


def guarded(em: Emitter, insn: Insn, base: int, size: int, access: Callable[[str], str], otherwise: str) -> str:
    """The value of `access(host address)` if all bytes at `base` + off are there, else `otherwise` (i64)."""
    if em.build.image.arena is None:
        raise ValueError("an arena access without an arena")
    body, window = em.body, em.build.image.arena[0]
    at = body.new(f"add i64 {body.get(base)}, {const(insn.off + BEFORE)}")
    within, there, on = body.label(), body.label(), body.label()
    outer = body.current
    body.branch(body.new(f"icmp ugt i64 {at}, {REACH - size}"), on, within)
    body.place(within)
    present = _page(em, window, at)
    if size > 1:
        last = _page(em, window, body.new(f"add i64 {at}, {size - 1}"))
        present = body.new(f"and i8 {present}, {last}")
    body.branch(body.new(f"icmp eq i8 {present}, 0"), on, there)
    body.place(there)
    value = access(em.host(body.new(f"add i64 {at}, {const(window - BEFORE - FIRST)}")))
    inner = body.current
    body.do(f"br label %{on}")
    body.place(on)
    return body.new(f"phi i64 [ {otherwise}, %{outer} ], [ {otherwise}, %{within} ], [ {value}, %{inner} ]")


def _page(em: Emitter, window: int, at: str) -> str:
    """The table's byte for the page `at`; what isn't 0 is 1."""
    number = em.body.new(f"lshr i64 {at}, {PAGE_SHIFT}")
    place = em.host(em.body.new(f"add i64 {number}, {const(page_table(window) - FIRST)}"))
    return em.body.new(f"load i8, ptr {place}, {EMULATED}")
