# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the verifier knows at one point of one path: registers, stack slots, references, frames.

Registers and stack slots are immutable and shared between states; a state is a handful of lists of them, so copying
one is copying short lists. Source: include/linux/bpf_verifier.h (6.18): bpf_verifier_state, bpf_func_state,
bpf_stack_state, bpf_reference_state, bpf_jmp_history_entry.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, final

from verifier.state import reg as regs_of
from verifier.state.read_marks import Marks
from verifier.state.reg import NOT_INITIALIZED, RegState
from verifier.state.reg_type import SCALAR_VALUE

STACK_INVALID: Final = 0
STACK_SPILL: Final = 1
STACK_MISC: Final = 2
STACK_ZERO: Final = 3
STACK_DYNPTR: Final = 4
STACK_ITER: Final = 5
STACK_IRQ_FLAG: Final = 6
SLOT_CHARS: Final = "?rm0dif"

MAIN_CALLSITE: Final = 0xFFFF_FFFF
"""callsite of the outermost frame (kernel BPF_MAIN_FUNC as u32)."""

REF_PTR: Final = 2
REF_IRQ: Final = 4
REF_LOCK: Final = 8
REF_RES_LOCK: Final = 16
REF_RES_LOCK_IRQ: Final = 32
LOCK_KINDS: Final = REF_LOCK | REF_RES_LOCK | REF_RES_LOCK_IRQ


@final
class StackSlot:
    """Eight bytes of stack. types[i] tells about the byte i below the slot's top (types[7] is the lowest address);
    reg is what was spilled if types[7] is STACK_SPILL. Immutable."""

    __slots__ = ("reg", "types")

    def __init__(self, types: bytes, reg: RegState) -> None:
        self.types = types
        self.reg = reg

    def is_spilled(self) -> bool:
        """A register, or the low part of one, lives here."""
        return self.types[7] == STACK_SPILL

    def is_spilled_scalar(self) -> bool:
        """The same, and it is a number."""
        return self.types[7] == STACK_SPILL and self.reg.type == SCALAR_VALUE

    def is_spilled_scalar64(self) -> bool:
        """The same, all eight bytes."""
        return self.types[0] == STACK_SPILL and self.reg.type == SCALAR_VALUE


EMPTY_SLOT: Final = StackSlot(bytes(8), NOT_INITIALIZED)
KNOWS_NOTHING: Final = frozenset(
    bytes([STACK_MISC if mask >> i & 1 else STACK_INVALID for i in range(8)]) for mask in range(256)
)
"""Types of slots in which no byte is known to be anything."""
MISC_SLOT: Final = StackSlot(bytes((STACK_MISC,)) * 8, NOT_INITIALIZED)
ONLY_MISC: Final = frozenset((MISC_SLOT.types,))
"""Types of slots in which every byte was written, with anything."""


class Ref(NamedTuple):
    """An acquired reference (kind REF_PTR), interrupt flag (REF_IRQ) or lock (REF_LOCK); insn: where it was
    acquired; frameno: the callback that acquired it, or 0."""

    kind: int
    id: int
    insn: int
    ptr: Any = None
    frameno: int = 0


@final
class Frame:
    """One function activation: r0..r10, stack slots from the top down, what kind of call it is, and (up to 6.16) which
    of them were used."""

    __slots__ = (
        "async_entry_cnt",
        "callback_depth",
        "callback_ret_range",
        "callsite",
        "frameno",
        "in_async_callback",
        "in_callback",
        "in_exception_callback",
        "marks",
        "regs",
        "stack",
        "subprogno",
    )

    def __init__(
        self,
        callsite: int,
        frameno: int,
        subprogno: int,
        read_marks: bool = False,
        regs: list[RegState] | None = None,
        stack: list[StackSlot] | None = None,
    ) -> None:
        self.callsite = callsite
        self.frameno = frameno
        self.subprogno = subprogno
        self.regs: list[RegState] = [NOT_INITIALIZED] * 10 + [regs_of.fp(frameno)] if regs is None else regs
        self.stack: list[StackSlot] = [] if stack is None else stack
        self.in_callback = False
        self.in_async_callback = False
        self.in_exception_callback = False
        self.async_entry_cnt = 0
        self.callback_depth = 0
        self.callback_ret_range = (0, 1)
        self.marks: Marks | None = Marks() if read_marks else None

    def copy(self) -> Frame:
        """An independent copy (registers and slots are shared)."""
        new = Frame(self.callsite, self.frameno, self.subprogno, False, self.regs[:], self.stack[:])
        new.in_callback = self.in_callback
        new.in_async_callback = self.in_async_callback
        new.in_exception_callback = self.in_exception_callback
        new.async_entry_cnt = self.async_entry_cnt
        new.callback_depth = self.callback_depth
        new.callback_ret_range = self.callback_ret_range
        new.marks = self.marks.copy() if self.marks is not None else None
        return new


@final
class History:
    """One entry of a state's instruction history, kept for backtracking.

    idx, prev_idx: slot executed and the one before it; spi: stack slot accessed or -1, in frame `frame`; dst_fp,
    src_fp: the operand was a stack pointer; linked: (frame, is_reg, number) of scalars known to be related at a branch.
    """

    __slots__ = ("dst_fp", "frame", "idx", "linked", "prev_idx", "spi", "src_fp")

    def __init__(self, idx: int, prev_idx: int) -> None:
        self.idx = idx
        self.prev_idx = prev_idx
        self.spi = -1
        self.frame = 0
        self.dst_fp = False
        self.src_fp = False
        self.linked: tuple[tuple[int, bool, int], ...] = ()

    def is_plain(self) -> bool:
        """Only the way from one instruction to the next is told."""
        return self.spi < 0 and not (self.linked or self.dst_fp or self.src_fp)


@final
class VerifierState:
    """All of it. Explored states form a tree through `parent`; `branches` counts the paths through a state still
    open."""

    __slots__ = (
        "active_irq_id",
        "active_lock_id",
        "active_lock_ptr",
        "active_locks",
        "active_preempt_locks",
        "active_rcu_lock",
        "branches",
        "callback_unroll_depth",
        "cleaned",
        "dfs_depth",
        "equal_state",
        "first_insn_idx",
        "frames",
        "history",
        "in_sleepable",
        "insn_idx",
        "last_insn_idx",
        "loop_entry",
        "may_goto_depth",
        "parent",
        "refs",
        "speculative",
        "used_as_loop_entry",
    )

    def __init__(self, frame: Frame, first_insn_idx: int) -> None:
        self.frames = [frame]
        self.refs: tuple[Ref, ...] = ()
        self.active_locks = 0
        self.active_preempt_locks = 0
        self.active_rcu_lock = False
        self.active_irq_id = 0
        self.active_lock_id = 0
        self.active_lock_ptr: object = None
        self.in_sleepable = False
        self.speculative = False
        self.branches = 1
        self.parent: VerifierState | None = None
        self.equal_state: VerifierState | None = None
        self.loop_entry: VerifierState | None = None
        self.used_as_loop_entry = False
        self.insn_idx = first_insn_idx
        self.first_insn_idx = first_insn_idx
        self.last_insn_idx = -1
        self.history: list[History] = []
        self.dfs_depth = 0
        self.callback_unroll_depth = 0
        self.may_goto_depth = 0
        self.cleaned = False

    def copy(self) -> VerifierState:
        """An independent copy; `insn_idx` included."""
        new = VerifierState(self.frames[0], self.first_insn_idx)
        new.frames = [frame.copy() for frame in self.frames]
        new.refs = self.refs
        new.active_locks = self.active_locks
        new.active_preempt_locks = self.active_preempt_locks
        new.active_rcu_lock = self.active_rcu_lock
        new.active_irq_id = self.active_irq_id
        new.active_lock_id = self.active_lock_id
        new.active_lock_ptr = self.active_lock_ptr
        new.in_sleepable = self.in_sleepable
        new.speculative = self.speculative
        new.branches = self.branches
        new.parent = self.parent
        new.equal_state = self.equal_state
        new.loop_entry = self.loop_entry
        new.used_as_loop_entry = self.used_as_loop_entry
        new.insn_idx = self.insn_idx
        new.last_insn_idx = self.last_insn_idx
        new.history = self.history[:]
        new.dfs_depth = self.dfs_depth
        new.callback_unroll_depth = self.callback_unroll_depth
        new.may_goto_depth = self.may_goto_depth
        new.cleaned = self.cleaned
        return new

    @property
    def curframe(self) -> int:
        """Index of the innermost frame."""
        return len(self.frames) - 1

    def has_resources(self) -> bool:
        """References, locks, or a region that must be left are held."""
        return bool(
            self.refs
            or self.active_locks
            or self.active_preempt_locks
            or self.active_rcu_lock
            or self.active_irq_id
            or self.active_lock_id
        )

    def frame_insn_idx(self, frameno: int) -> int:
        """Where frame `frameno` stands: the current instruction, or the call that made the next frame."""
        if frameno == len(self.frames) - 1:
            return self.insn_idx
        return self.frames[frameno + 1].callsite


def same_callsites(a: VerifierState, b: VerifierState) -> bool:
    """The same chain of calls led to both."""
    if len(a.frames) != len(b.frames):
        return False
    return all(x.callsite == y.callsite for x, y in zip(a.frames, b.frames, strict=True))
