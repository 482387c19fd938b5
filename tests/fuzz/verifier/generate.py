# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Random programs that know roughly what each register holds, so that most of what they do is nearly allowed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from bpfvm.isa.insn import Insn
from tests.fuzz.verifier import code as c
from tests.fuzz.verifier.code import Code
from tests.fuzz.verifier.sample import CTX_SIZE, SKB_TYPES

EDGES: Final = (
    0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 33, 47, 48, 63, 64, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, -1, -2, -4,
    -8, -128, -0x80000000,
)  # fmt: skip
SIZES: Final = (1, 2, 4, 8)
Block = Callable[["Gen"], None]
Held = tuple[str, int]
"""What a register holds: ("", 0) nothing; ("num", 0); ("fp", offset); ("ctx", 0); ("val"|"val?", map);
("pkt"|"end", 0); ("mem", size); ("btf", type id); ("dynptr", 0)."""
NOTHING: Final[Held] = ("", 0)
NUM: Final[Held] = ("num", 0)


class Gen:
    """One program being made."""

    def __init__(self, rng: random.Random, prog_type: str) -> None:
        self.rng = rng
        self.prog_type = prog_type
        self.code = Code()
        self.regs: list[Held] = [NOTHING] * 10
        self.stack: set[int] = set()
        self.out = "out"
        self.depth = 0
        self.dynptrs: list[int] = []
        self.callbacks: set[str] = set()
        self.in_callback = False
        self.functions: list[tuple[str, list[Held]]] = []
        self.blocks: list[Block] = []
        self.weights: list[int] = []
        self._labels = 0

    # --- choices ----------------------------------------------------------------------------------------------------
    def chance(self, percent: float) -> bool:
        """True in so many of 100 cases."""
        return self.rng.random() * 100 < percent

    def label(self) -> str:
        """A new label."""
        self._labels += 1
        return f"l{self._labels}"

    def imm(self) -> int:
        """An interesting number, or any small one."""
        if self.chance(70):
            return self.rng.choice(EDGES)
        return self.rng.randint(-100, 200) if self.chance(80) else self.rng.randint(-(1 << 31), (1 << 31) - 1)

    def holding(self, *kinds: str) -> list[int]:
        """Registers that hold one of the kinds."""
        return [i for i, held in enumerate(self.regs) if held[0] in kinds]

    def any_reg(self) -> int:
        """Any of r0..r9, rarely r10."""
        return self.rng.randrange(10) if self.chance(98) else 10

    def num(self) -> int:
        """A register with a number (made if there is none)."""
        found = self.holding("num")
        if self.chance(1):
            return self.any_reg()
        if found and self.chance(93):
            return self.rng.choice(found)
        reg = self.rng.choice((0, 2, 3, 4, 5, 7, 8, 9))
        self.fresh_number(reg)
        return reg

    def free(self) -> int:
        """A register to overwrite; saved ones less often."""
        return self.rng.choice((0, 1, 2, 3, 4, 5, 7, 8, 9, 7, 8, 9))

    def fresh_number(self, reg: int) -> None:
        """Put a number that the verifier doesn't know into a register."""
        ctxs = self.holding("ctx")
        if self.prog_type == "syscall" and ctxs:
            size = self.rng.choice((1, 2, 4, 8, 8))
            off = self.rng.randrange(0, CTX_SIZE - size + 1, size)
            self.code.emit(c.load(size, reg, self.rng.choice(ctxs), off))
        elif self.prog_type in SKB_TYPES and ctxs:
            size, off = self.rng.choice(((4, 0), (4, 8), (4, 48), (8, 56), (8, 48), (2, 52), (1, 53), (4, 68)))
            self.code.emit(c.load(size, reg, self.rng.choice(ctxs), off, sign=self.chance(15)))
        elif self.prog_type == "xdp" and ctxs and self.chance(50):
            self.code.emit(c.load(4, reg, self.rng.choice(ctxs), self.rng.choice((12, 16))))
        else:
            self.code.emit(c.helper(self.rng.choice((7, 7, 5))))
            self.after_call()
            self.code.emit(c.mov(reg, 0))
        self.regs[reg] = NUM

    # --- bookkeeping ------------------------------------------------------------------------------------------------
    def after_call(self) -> None:
        """r1..r5 are lost, r0 is a number."""
        self.regs[0:6] = [NUM, *[NOTHING] * 5]

    def fp_plus(self, reg: int, off: int) -> None:
        """`reg = r10 + off`."""
        self.code.emit(c.mov(reg, 10), c.alu("add", reg, off))
        self.regs[reg] = ("fp", off)

    def init_stack(self, off: int, size: int) -> None:
        """Make stack bytes readable (most of the time)."""
        if self.chance(2):
            return
        for at in range(off & ~7, off + size, 8):
            if at not in self.stack:
                self.code.emit(c.store_imm(8, 10, at, self.rng.choice((0, 0, 1, -1))))
                self.stack.add(at)

    def leave(self, insn: Insn) -> None:
        """A jump to the end of the function."""
        self.code.to(self.out, insn)

    def some_blocks(self, count: int) -> None:
        """Append blocks."""
        for block in self.rng.choices(self.blocks, self.weights, k=count):
            block(self)

    def branch(self, insn: Insn) -> None:
        """A condition that jumps over one or two blocks, or between two ways."""
        if self.depth > 3:
            return
        self.depth += 1
        before, stack = list(self.regs), set(self.stack)
        skip = self.label()
        self.code.to(skip, insn)
        self.some_blocks(self.rng.randint(1, 2))
        if self.chance(30):
            end = self.label()
            self.code.to(end, Insn(c.GOTO))
            self.code.place(skip)
            middle, middle_stack = self.regs, self.stack
            self.regs, self.stack = list(before), set(stack)
            self.some_blocks(1)
            self.code.place(end)
            before, stack = middle, middle_stack
        else:
            self.code.place(skip)
        self.regs = [a if a == b else NOTHING for a, b in zip(self.regs, before, strict=True)]
        self.stack &= stack
        self.depth -= 1

    def finish(self) -> None:
        """The end of a function: r0 is a number, of a callback 0 or 1."""
        if self.regs[0] != NUM or self.chance(30):
            nums = self.holding("num")
            self.code.emit(c.mov(0, self.rng.choice(nums)) if nums else c.const(0, self.rng.choice((0, 1, 2))))
        if self.in_callback and self.chance(95):
            self.code.emit(c.const(0, self.rng.choice((0, 1))) if self.chance(70) else c.alu("and", 0, 1))
        if self.out in self.code.targets.values():
            if self.chance(50):
                self.code.emit(Insn(c.EXIT))
            self.code.place(self.out)
            self.code.emit(c.const(0, self.rng.choice((0, 0, 1))))
        self.code.emit(Insn(c.EXIT))
