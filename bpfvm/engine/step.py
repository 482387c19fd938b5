# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What an instruction becomes before it runs: a *step*, a small function from registers to the next slot.

Registers are a list of u64 words, r0 to r10, then `BUDGET`, the frame's remaining may_goto steps, which no instruction
can name. A step returns the slot to go on with, or `EXIT` or `TAIL`.
"""

from __future__ import annotations

from collections.abc import Callable

from bpfvm.engine.trap import Fault
from bpfvm.isa.insn import Insn
from bpfvm.isa.table import Op
from bpfvm.isa.word import U32_MAX, U64_MAX
from bpfvm.typed import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from bpfvm.engine.image import Image
    from bpfvm.engine.interp import Interpreter

Regs = list[int]
Step = Callable[[Regs], int]

EXIT: Final = -1
"""The frame is done; r0 is its result."""
TAIL: Final = -2
"""The frame goes on at the start of another program (tail call)."""
BUDGET: Final = 11
"""Index of the frame's may_goto budget."""
REGISTERS: Final = 12


class Place(NamedTuple):
    """One instruction of an image, seen from the interpreter that will run it."""

    machine: Interpreter
    image: Image
    slot: int
    insn: Insn
    op: Op

    @property
    def next(self) -> int:
        """The slot after this instruction."""
        return self.slot + (2 if self.op.name == "ld_imm64" else 1)

    def target(self, distance: int) -> int:
        """The slot `distance` after the next one. Raises Fault if that is outside the program."""
        to = self.slot + 1 + distance
        if not 0 <= to < len(self.image.insns):
            raise Fault(f"jump to slot {to}, outside the program")
        return to

    @property
    def operand(self) -> int:
        """The immediate operand as a word of the operation's width, sign-extended."""
        return self.insn.imm & (U64_MAX if self.op.width == 64 else U32_MAX)
