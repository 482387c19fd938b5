# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The text of loads, stores and atomics (RFC 9669 section 5).

An access that is aligned and inside of memory goes to a memoryview of its size directly; with the kasan checker only if
the shadow byte opens the whole granule. Every other one goes to memory.load and memory.store, which know what is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bpfvm.engine.fast.flow import Item
from bpfvm.engine.fast.ranges import FULL
from bpfvm.engine.fast.registers import MASK, Registers
from bpfvm.isa.opcodes import MAX_BPF_STACK
from bpfvm.isa.word import U64_MAX
from bpfvm.memory.allocator import PAGE

_SHIFT: Final = {1: 0, 2: 1, 4: 2, 8: 3}


@dataclass(frozen=True, slots=True)
class Window:
    """How generated code reaches memory directly. base: address of the first byte; end: of the first behind it all
    when the code is written (it only grows); kasan: there is a shadow to ask."""

    base: int
    end: int
    kasan: bool


@dataclass(slots=True)
class Place:
    """An address of `size` bytes. test: when the direct access is right ("" for always); index: into the view."""

    size: int
    test: str
    index: str
    exact: str

    @property
    def view(self) -> str:
        return f"m{self.size}[{self.index}]"


def _place(regs: Registers, base: int, off: int, size: int, window: Window | None, *, shadow: bool) -> Place | None:
    """Where base + off is; None when there is no window. Writes the line that computes the offset."""
    if base == 10 and window and -MAX_BPF_STACK <= off <= -size and not off & (size - 1):
        return Place(size, "", f"s{size} - {-off >> _SHIFT[size]}", "")
    pointer = regs.loose(base, 64)
    if not window:
        return None
    low, high = pointer.range
    if low == high:
        return _known_place(low + off & U64_MAX, size, window, shadow=shadow)
    regs.put(f"o = {pointer.text} - {window.base - off:#x}")
    tests = [f"{PAGE} <= o <= lim"]
    if size > 1:
        tests.append(f"not o & {size - 1}")
    if shadow and window.kasan:
        tests.append("not sh[o >> 3]")
    index = f"o >> {_SHIFT[size]}" if size > 1 else "o"
    return Place(size, " and ".join(tests), index, _exact(regs, base, off))


def _known_place(addr: int, size: int, window: Window, *, shadow: bool) -> Place | None:
    """An address that is a constant, as of global variables."""
    if not window.base + PAGE <= addr <= window.end - 8 or addr & (size - 1):
        return None
    at = addr - window.base
    test = f"not sh[{at >> 3}]" if shadow and window.kasan else ""
    return Place(size, test, str(at >> _SHIFT[size]), f"{addr:#x}")


def _exact(regs: Registers, base: int, off: int) -> str:
    pointer = regs.loose(base, 64)
    if pointer.range[0] == pointer.range[1]:
        return f"{pointer.range[0] + off & U64_MAX:#x}"
    return f"{pointer.text} + {off} & {MASK[64]}" if off or pointer.range != FULL else pointer.text


def load(regs: Registers, item: Item, window: Window | None, *, nofault: bool) -> None:
    """ldx, ldxs, load_acquire. nofault: the verifier marked the load to read 0 at a bad address."""
    insn, size = item.insn, item.op.size
    function = "LOAD_NOFAULT" if nofault else "LOAD"
    place = _place(regs, insn.src, insn.off, size, window, shadow=not nofault)
    if place is None:
        text = f"{function}({_exact(regs, insn.src, insn.off)}, {size})"
    elif place.test:
        text = f"{place.view} if {place.test} else {function}({place.exact}, {size})"
    else:
        text = place.view
    top = (1 << size * 8) - 1
    if item.op.name != "ldxs":
        regs.set(insn.dst, text, (0, top))
        return
    sign = 1 << (size * 8 - 1)
    regs.set(insn.dst, f"(({text}) ^ {sign:#x}) - {sign:#x}", (-sign, sign - 1))


def stored_value(regs: Registers, item: Item) -> str:
    """What st, stx and store_release store, cut to its size."""
    top = (1 << item.op.size * 8) - 1
    if item.op.name == "st":
        return f"{item.insn.imm & top:#x}"
    given = regs.word(item.insn.src) if item.op.size == 8 else regs.loose(item.insn.src, 32)
    fits = given.range[0] >= 0 and given.range[1] <= top
    return given.text if fits else f"{given.text} & {top:#x}"


def store(regs: Registers, item: Item, window: Window | None) -> None:
    """st, stx, store_release."""
    insn, size = item.insn, item.op.size
    value = stored_value(regs, item)
    place = _place(regs, insn.dst, insn.off, size, window, shadow=True)
    if place is None:
        regs.put(f"STORE({_exact(regs, insn.dst, insn.off)}, {size}, {value})")
    elif not place.test:
        regs.put(f"{place.view} = {value}")
    else:
        regs.put(f"if {place.test}: {place.view} = {value}")
        regs.put(f"else: STORE({place.exact}, {size}, {value})")


_NEW: Final = {"atomic_add": "v + {0}", "atomic_or": "v | {0}", "atomic_and": "v & {0}", "atomic_xor": "v ^ {0}",
               "xchg": "{0}"}  # fmt: skip


def new_value(regs: Registers, item: Item) -> str:
    """What an atomic operation puts in the place of the value `v`."""
    name, top = item.op.name, (1 << item.op.size * 8) - 1
    value = regs.word(item.insn.src)
    fits = value.text if value.range[1] <= top else f"({value.text} & {top:#x})"
    if name == "cmpxchg":
        expected = regs.word(0)
        wanted = expected.text if expected.range[1] <= top else f"({expected.text} & {top:#x})"
        return f"{fits} if v == {wanted} else v"
    return _NEW[name].format(fits) + (f" & {top:#x}" if name == "atomic_add" else "")


def atomic(regs: Registers, item: Item, window: Window | None) -> None:
    """Atomic operations; an emulated CPU is never interrupted inside an instruction."""
    insn, size, name = item.insn, item.op.size, item.op.name
    top = (1 << size * 8) - 1
    new = new_value(regs, item)
    place = _place(regs, insn.dst, insn.off, size, window, shadow=True)
    exact = place.exact if place else ""
    if place and not place.test:
        regs.put(f"v = {place.view}; {place.view} = {new}")
    else:
        exact = exact or _exact(regs, insn.dst, insn.off)
        slow = f"a = {exact}; v = LOAD(a, {size}); STORE(a, {size}, {new})"
        if place:
            regs.put(f"if {place.test}: v = {place.view}; {place.view} = {new}")
            regs.put(f"else: {slow}")
        else:
            regs.put(slow)
    if item.op.fetch:
        regs.set(0 if name == "cmpxchg" else insn.src, "v", (0, top))
