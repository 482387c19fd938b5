# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The text of loads, stores and atomics through arena pointers; what they do where no page is: `bpfvm.engine.arena`.

An aligned load or store looks into the table of pages and goes to the page directly; everything else asks ArenaAccess.
"""

from __future__ import annotations

from bpfvm.engine.arena import BEFORE, PAGE_SHIFT, REACH, page_table
from bpfvm.engine.fast.access import Window, new_value, stored_value
from bpfvm.engine.fast.flow import STORES, Item
from bpfvm.engine.fast.ranges import FULL, Range
from bpfvm.engine.fast.registers import Registers


def write(regs: Registers, item: Item, arena: int, window: Window | None) -> None:
    """Any access of memory. arena: the kernel address where the pointers' window begins."""
    name = item.op.name
    if name in STORES:
        _store(regs, item, arena, window)
    elif name == "load_acquire":
        _acquire(regs, item)
    elif item.op.cls == "ldx":
        _load(regs, item, arena, window)
    else:
        _atomic(regs, item)


def _pointer(regs: Registers, base: int, off: int) -> str:
    text = regs.word(base).text
    return f"{text} + {off}" if off else text


def _direct(regs: Registers, base: int, item: Item, arena: int, window: Window) -> tuple[str, str]:
    """(test, view): when the page is there, and the bytes in it. Writes the line that computes the offset."""
    size = item.op.size
    regs.put(f"o = {_pointer(regs, base, item.insn.off + BEFORE)}")
    table = page_table(arena) - window.base
    tests = [f"o <= {REACH - size}", f"m1[{table} + (o >> {PAGE_SHIFT})]"]
    if size > 1:
        tests.insert(1, f"not o & {size - 1}")
    shift = size.bit_length() - 1
    at = f"{arena - BEFORE - window.base >> shift} + (o >> {shift})"
    return " and ".join(tests), f"m{size}[{at}]"


def _load(regs: Registers, item: Item, arena: int, window: Window | None) -> None:
    insn, size = item.insn, item.op.size
    text, top = f"ARENA.load({_pointer(regs, insn.src, insn.off)}, {size})", (1 << size * 8) - 1
    if window:
        test, view = _direct(regs, insn.src, item, arena, window)
        text = f"{view} if {test} else {text}"
    if item.op.name == "ldxs":
        sign = top + 1 >> 1
        regs.set(insn.dst, f"(({text}) ^ {sign:#x}) - {sign:#x}", (-sign, sign - 1))
    else:
        regs.set(insn.dst, text, (0, top))


def _store(regs: Registers, item: Item, arena: int, window: Window | None) -> None:
    insn, size = item.insn, item.op.size
    value = stored_value(regs, item)
    slow = f"ARENA.store({_pointer(regs, insn.dst, insn.off)}, {size}, {value})"
    if window is None:
        regs.put(slow)
        return
    test, view = _direct(regs, insn.dst, item, arena, window)
    regs.put(f"if {test}: {view} = {value}")
    regs.put(f"else: {slow}")


def _acquire(regs: Registers, item: Item) -> None:
    """The register keeps its value where no page is."""
    insn, size = item.insn, item.op.size
    old = regs.word(insn.dst)
    regs.put(f"a = ARENA.find({_pointer(regs, insn.src, insn.off)}, {size})")
    regs.set(insn.dst, f"LOAD(a, {size}) if a >= 0 else {old.text}", FULL)


def _atomic(regs: Registers, item: Item) -> None:
    """The register that gets the old value keeps its own where no page is."""
    insn, size = item.insn, item.op.size
    gets = 0 if item.op.name == "cmpxchg" else insn.src
    kept = regs.word(gets)
    new = new_value(regs, item)
    regs.put(f"a = ARENA.find({_pointer(regs, insn.dst, insn.off)}, {size})")
    regs.put(f"v = LOAD(a, {size}) if a >= 0 else {kept.text}")
    regs.put(f"if a >= 0: STORE(a, {size}, {new})")
    if item.op.fetch:
        found: Range = (0, max(kept.range[1], (1 << size * 8) - 1))
        regs.set(gets, "v", found)
