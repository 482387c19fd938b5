# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A function of an image as a function in LLVM assembly.

Its shape: `{i64, i1} @f<slot>(ptr state, i64 fp, i64 r1..r5)` gives r0 and whether to give up because Python
has raised. fp is the end of the frame in emulated memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bpfvm.engine.jit.body import BESIDE_FRAME, EMULATED, FIXED, FRAME, NOT_FRAME, RARE, SHADOW, STATE, Body, const
from bpfvm.engine.jit.build import Build
from bpfvm.engine.jit.debug import location
from bpfvm.engine.jit.flow import Function, next_slots
from bpfvm.engine.jit.stack import FP, in_frame
from bpfvm.engine.jit.state import Slot, Why
from bpfvm.isa.insn import Insn
from bpfvm.isa.opcodes import MAX_BPF_REG
from bpfvm.isa.table import Op, op_of
from bpfvm.memory import Memory
from bpfvm.memory.fault import PAGE_SIZE

FIRST: Final = Memory.BASE + PAGE_SIZE
"""The first emulated address that may be touched."""
SIZES: Final = (1, 2, 4, 8)
GRANULE: Final = 8
"""bytes of memory that one shadow byte stands for"""
RESULT: Final = "{ i64, i1 }"

Write = Callable[["Emitter", int, Op, Insn], None]
"""(emitter, slot, operation, instruction): writes one instruction"""


class Emitter:
    """Writes one function. `operations` has what writes each operation, by name; `scope` is the function's debug
    information, if instructions are to say which slot they belong to."""

    __slots__ = ("_forbidden", "_operations", "_scope", "body", "build", "function", "hidden")

    def __init__(self, build: Build, function: Function, operations: dict[str, Write], scope: str = "") -> None:
        self.body = Body()
        self._scope = scope
        self.build = build
        self.function = function
        self.hidden = function.start in build.hidden
        self._operations = operations
        self._forbidden: list[tuple[str, str, int]] = []

    def text(self) -> str:
        """The whole function."""
        self._locate(None)
        self._entry()
        for leader, slots in self.function.blocks.items():
            self._block(leader, slots)
        self._locate(None)
        self._ends()
        args = ", ".join(f"i64 %a{reg}" for reg in range(1, 6))
        shown = self._scope and self.function.start in self.build.entries
        known = f" !dbg {self._scope}" if self._scope else ""
        linkage = "" if shown else "internal "
        head = f"define {linkage}{RESULT} @f{self.function.start}(ptr %state, i64 %fp, {args}){known} {{"
        return "\n".join([head, *self.body.lines, "}"])

    def _locate(self, slot: int | None) -> None:
        """What follows belongs to this slot, or to none."""
        if self._scope:
            self.body.location = f", !dbg {location(slot, self._scope)}"

    # --- entry and ends ---------------------------------------------------------------------------------------------
    def _entry(self) -> None:
        body, fuel = self.body, self.build.wanted.fuel
        body.place("entry")
        registers, bounds = (f"%r{reg}" for reg in range(MAX_BPF_REG)), (f"%bound{size}" for size in SIZES)
        for word in (*registers, "%budget", *bounds, *["%fuel"] * fuel):
            body.do(f"{word} = alloca i64")
        for reg in range(MAX_BPF_REG):
            value = f"%a{reg}" if 1 <= reg <= 5 else "%fp" if reg == FP else "0"
            body.do(f"store i64 {value}, ptr %r{reg}")
        body.do(f"store i64 {body.fixed(Slot.BUDGET)}, ptr %budget")
        body.do(f"%host = load ptr, ptr {body.word_at(Slot.HOST)}, {FIXED}")
        self.resume(loud=True)
        if self.function.start == 0 and not self.build.image.verified:
            self._registers_of_tail_call()
        body.do(f"br label %b{self.function.start}")

    def _registers_of_tail_call(self) -> None:
        """An unverified program may look at r0 to r9 of the one that made a tail call to it."""
        body = self.body
        take, on = body.label(), body.label()
        body.branch(body.new(f"icmp ne i64 {body.word(Slot.RESUMED)}, 0"), take, on, RARE)
        body.place(take)
        body.set_word(Slot.RESUMED, "0")
        for reg in range(FP):
            body.do(f"store i64 {body.word(Slot.REGS + reg)}, ptr %r{reg}")
        body.do(f"br label %{on}")
        body.place(on)

    def _ends(self) -> None:
        """Where forbidden accesses go, and where the function gives up."""
        body = self.body
        if self._forbidden:
            body.place("trap")
            offset = body.new("phi i64 " + ", ".join(f"[ {at}, %{label} ]" for label, at, _ in self._forbidden))
            slot = body.new("phi i64 " + ", ".join(f"[ {slot}, %{label} ]" for label, _, slot in self._forbidden))
            self.stop(Why.OUTSIDE, slot, body.new(f"add i64 {offset}, {const(FIRST)}"))
            body.do("br label %giveup")
        body.place("giveup")
        body.do(f"ret {RESULT} {{ i64 0, i1 true }}")

    # --- blocks -----------------------------------------------------------------------------------------------------
    def _block(self, leader: int, slots: list[int]) -> None:
        body, following = self.body, list[int]()
        body.start(f"b{leader}")
        if self.build.wanted.fuel:
            self._spend(leader, len(slots))
        for slot in slots:
            self._locate(slot)
            if slot in self.function.refused:
                self.stop(Why.REFUSED, str(slot), "0")
                body.do("br label %giveup")
                return
            following = self._instruction(slot)
        if len(following) == 1:
            self.go(following[0])

    def _instruction(self, slot: int) -> list[int]:
        """Write one; the slots that may follow."""
        insn = self.build.image.insns[slot]
        op = op_of(insn)
        if op is None:
            raise ValueError(f"slot {slot} has no operation")
        self._operations[op.name](self, slot, op, insn)
        return next_slots(self.build.image, slot, op)

    def go(self, slot: int) -> None:
        """Leave the block for the one that starts at `slot`."""
        self.body.flush()
        self.body.do(f"br label %b{slot}")

    def _spend(self, leader: int, count: int) -> None:
        """Take `count` instructions from the fuel; when they aren't there, Python runs what still may run."""
        body = self.body
        fuel = body.new("load i64, ptr %fuel")
        short, on = body.label(), body.label()
        body.branch(body.new(f"icmp slt i64 {fuel}, {count}"), short, on, RARE)
        body.place(short)
        body.do(f"store volatile i64 {fuel}, ptr {body.word_at(Slot.FUEL)}, {STATE}")
        for reg in range(MAX_BPF_REG):
            body.set_word(Slot.REGS + reg, body.new(f"load i64, ptr %r{reg}"))
        body.new(f"call i64 {body.fixed(Slot.SPENT, 'ptr')}(i64 {leader})")
        body.do("br label %giveup")
        body.place(on)
        body.do(f"store i64 {body.new(f'sub i64 {fuel}, {count}')}, ptr %fuel")

    # --- around whatever may run Python or other frames -------------------------------------------------------------
    def suspend(self) -> None:
        """Write back what others look at."""
        if self.build.wanted.fuel:
            self.body.set_word(Slot.FUEL, self.body.new("load i64, ptr %fuel"))

    def resume(self, *, loud: bool) -> None:
        """Read again what others may have changed: the fuel and, if `loud`, how much emulated memory there is."""
        body = self.body
        if self.build.wanted.fuel:
            body.do(f"store i64 {body.word(Slot.FUEL)}, ptr %fuel")
        if not loud:
            return
        limit = body.word(Slot.LIMIT)
        for size in SIZES:
            body.do(f"store i64 {body.new(f'sub i64 {limit}, {size}')}, ptr %bound{size}")

    def stop(self, why: int, slot: str, addr: str) -> str:
        """Tell Python; the result is whether to give up (i64)."""
        function = self.body.fixed(Slot.STOP, "ptr")
        return self.body.new(f"call i64 {function}(i64 {why}, i64 {slot}, i64 {addr}) cold nounwind")

    def unless_aborted(self) -> None:
        """Go on only if Python hasn't raised."""
        self.body.rarely(self.body.new(f"icmp ne i64 {self.body.word(Slot.ABORT)}, 0"), "giveup")

    # --- addresses --------------------------------------------------------------------------------------------------
    def in_frame(self, insn: Insn, op: Op) -> bool:
        """Is it an access through r10 that needs no check?"""
        return in_frame(insn, op) and not self.build.fp_written

    def reach(self, insn: Insn, op: Op) -> str:
        """What LLVM is told about what the access can touch."""
        if not self.hidden:
            return EMULATED
        return FRAME if self.in_frame(insn, op) else BESIDE_FRAME

    def address(self, slot: int, op: Op, insn: Insn, base: int) -> str:
        """Host address of the access at `base` + off, checked as the build demands."""
        if self.in_frame(insn, op):
            return self.host(self.body.new(f"add i64 %fp, {const(insn.off - FIRST)}"))
        return self.checked(slot, self.offset(base, insn.off), op.size)

    def offset(self, base: int, off: int) -> str:
        """register + off, counted from the first address that may be touched."""
        known = self.body.constant(base)
        if known is not None:
            return const(known + off - FIRST)
        return self.body.new(f"add i64 {self.body.get(base)}, {const(off - FIRST)}")

    def host(self, offset: str) -> str:
        """Host address of an offset."""
        return self.body.new(f"getelementptr i8, ptr %host, i64 {offset}")

    def outside(self, offset: str, size: int) -> str:
        """Is there no memory for `size` bytes at `offset` (i1)?"""
        bound = self.body.new(f"load i64, ptr %bound{size}")
        return self.body.new(f"icmp ugt i64 {offset}, {bound}")

    def checked(self, slot: int, offset: str, size: int) -> str:
        """Host address of `size` bytes at `offset`, if they may be touched."""
        body = self.body
        outside = self.outside(offset, size)
        self._forbidden.append((body.current, offset, slot))
        body.rarely(outside, "trap")
        if self.build.wanted.kasan:
            self._ask_shadow(slot, offset, size)
        return self.host(offset)

    def _ask_shadow(self, slot: int, offset: str, size: int) -> None:
        """Look closer unless the access lies in one granule that is open as a whole."""
        body = self.body
        shadow = body.fixed(Slot.SHADOW, "ptr")
        code = self._shadow(shadow, offset)
        doubt = body.new(f"icmp ne i8 {code}, 0")
        if size > 1:
            within = body.new(f"and i64 {offset}, {GRANULE - 1}")
            doubt = body.new(f"or i1 {doubt}, {body.new(f'icmp ugt i64 {within}, {GRANULE - size}')}")
        ask, on = body.label(), body.label()
        body.branch(doubt, ask, on, RARE)
        body.place(ask)
        last = body.new(f"add i64 {offset}, {size - 1}")
        args = f"ptr %state, i64 {slot}, i64 {offset}, i64 {last}, i8 {code}, i8 {self._shadow(shadow, last)}"
        beside = f", {NOT_FRAME}" if self.hidden else ""
        body.branch(body.new(f"call i1 @poisoned({args}){beside}"), "giveup", on, RARE)
        body.place(on)

    def _shadow(self, shadow: str, offset: str) -> str:
        granule = self.body.new(f"lshr i64 {offset}, {GRANULE.bit_length() - 1}")
        place = self.body.new(f"getelementptr i8, ptr {shadow}, i64 {granule}")
        return self.body.new(f"load i8, ptr {place}, {SHADOW}")
