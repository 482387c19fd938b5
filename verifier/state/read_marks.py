# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which registers and stack slots matter, found by walking: the liveness of kernels up to 6.16.

A register (or slot) of a path remembers the one it came from in the explored state before it, its parent. A read is
noted in the parent, and in the parent's parent, until a write since then screens it off. What was never read in an
explored state can't make another state differ from it. Source: kernel/bpf/verifier.c mark_reg_read,
propagate_liveness, clean_func_state, is_state_visited; kernel/bpf/log.c print_liveness (6.12).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from verifier.state.states import VerifierState

READ: Final = 1
WRITTEN: Final = 2
DONE: Final = 4
FP: Final = 10
FIRST_CALLEE_SAVED: Final = 6


@final
class Mark:
    """What is known about the use of one register or slot: bits READ, WRITTEN, DONE; and its parent."""

    __slots__ = ("live", "parent")

    def __init__(self, live: int, parent: Mark | None) -> None:
        self.live = live
        self.parent = parent


@final
class Marks:
    """Those of a frame."""

    __slots__ = ("regs", "slots")

    def __init__(self) -> None:
        self.regs = [Mark(0, None) for _ in range(FP)]
        self.slots: list[Mark] = []

    def copy(self) -> Marks:
        """The same marks with the same parents, to be changed on their own."""
        new = Marks()
        new.regs = [Mark(mark.live, mark.parent) for mark in self.regs]
        new.slots = [Mark(mark.live, mark.parent) for mark in self.slots]
        return new

    def slot(self, spi: int) -> Mark:
        """The mark of a stack slot, which may be new."""
        while len(self.slots) <= spi:
            self.slots.append(Mark(0, None))
        return self.slots[spi]

    def read_regs(self) -> int:
        """Mask of the registers that were read."""
        mask = 0
        for i, mark in enumerate(self.regs):
            if mark.live & READ:
                mask |= 1 << i
        return mask

    def was_read(self, spi: int) -> bool:
        """The slot was read."""
        return spi < len(self.slots) and bool(self.slots[spi].live & READ)

    def take(self, regno: int, other: Mark) -> None:
        """The register is a copy of another one, where that came from included."""
        self.regs[regno] = Mark(other.live, other.parent)


def note_read(state: Mark) -> int:
    """The register or slot is read; returns how many ancestors had to be told."""
    return _tell(state, state.parent, True)


def _tell(state: Mark, parent: Mark | None, screened: bool) -> int:
    """screened: a write in `state` keeps the read from its parent."""
    count = 0
    while parent is not None:
        if (screened and state.live & WRITTEN) or parent.live & READ:
            break
        parent.live |= READ
        state, parent = parent, parent.parent
        screened = True
        count += 1
    return count


def propagate(old: VerifierState, cur: VerifierState) -> int:
    """The rest of the way is the explored state's: what it read is read by `cur`. Returns the longest way told."""
    longest = 0
    for frameno, frame in enumerate(old.frames):
        theirs, ours = frame.marks, cur.frames[frameno].marks
        assert theirs is not None and ours is not None
        first = 0 if frameno == len(old.frames) - 1 else FIRST_CALLEE_SAVED
        pairs = list(zip(theirs.regs[first:], ours.regs[first:], strict=True))
        common = min(len(frame.stack), len(cur.frames[frameno].stack))
        pairs += [(theirs.slot(spi), ours.slot(spi)) for spi in range(common)]
        for mark, parent in pairs:
            if mark.live & READ and not parent.live & READ:
                longest = max(longest, _tell(mark, parent, parent is mark.parent))
    return longest


def link(cur: VerifierState, explored: VerifierState) -> None:
    """`explored` was just made of `cur`: it is the parent from here on. Of outer frames r6 to r9 are alive; their
    r0 to r5 keep the parents they had at the call."""
    for frameno, frame in enumerate(cur.frames):
        parents = explored.frames[frameno].marks
        assert frame.marks is not None and parents is not None
        regs = frame.marks.regs
        first = 0 if frameno == len(cur.frames) - 1 else FIRST_CALLEE_SAVED
        for i in range(FP):
            regs[i] = Mark(0, parents.regs[i] if i >= first else regs[i].parent)
        frame.marks.slots = [Mark(0, parents.slot(spi)) for spi in range(len(frame.stack))]


def suffix(mark: Mark) -> str:
    """`_rw` behind the name of a register or slot."""
    live = mark.live
    if not live:
        return ""
    return "_" + "r" * (live & READ) + "w" * (live >> 1 & 1) + "D" * (live >> 2)
