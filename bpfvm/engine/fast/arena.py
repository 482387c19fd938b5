# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The text of loads, stores and atomics through arena pointers; what they do where no page is: `bpfvm.engine.arena`."""

from __future__ import annotations

from bpfvm.engine.fast.access import new_value, stored_value
from bpfvm.engine.fast.flow import STORES, Item
from bpfvm.engine.fast.ranges import FULL, Range
from bpfvm.engine.fast.registers import Registers


def write(regs: Registers, item: Item) -> None:
    """Any access of memory."""
    insn, size, name = item.insn, item.op.size, item.op.name
    if name in STORES:
        value = stored_value(regs, item)
        regs.put(f"ARENA.store({_pointer(regs, insn.dst, insn.off)}, {size}, {value})")
    elif name == "load_acquire":
        old = regs.word(insn.dst)
        regs.put(f"a = ARENA.find({_pointer(regs, insn.src, insn.off)}, {size})")
        regs.set(insn.dst, f"LOAD(a, {size}) if a >= 0 else {old.text}", FULL)
    elif item.op.cls == "ldx":
        _load(regs, item)
    else:
        _atomic(regs, item)


def _pointer(regs: Registers, base: int, off: int) -> str:
    text = regs.word(base).text
    return f"{text} + {off}" if off else text


def _load(regs: Registers, item: Item) -> None:
    insn, size = item.insn, item.op.size
    text, top = f"ARENA.load({_pointer(regs, insn.src, insn.off)}, {size})", (1 << size * 8) - 1
    if item.op.name == "ldxs":
        sign = top + 1 >> 1
        regs.set(insn.dst, f"({text} ^ {sign:#x}) - {sign:#x}", (-sign, sign - 1))
    else:
        regs.set(insn.dst, text, (0, top))


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
