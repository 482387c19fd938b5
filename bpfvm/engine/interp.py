# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The reference interpreter: binds each image once to a list of steps, then follows them.

One function per operation lives in `alu`, `jump`, `mem` and `calls`; `OPERATIONS` says which belongs to which name.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Sequence
from functools import partial
from weakref import WeakKeyDictionary

from bpfvm.engine import alu, calls, jump, mem
from bpfvm.engine.image import Image, callback_slot
from bpfvm.engine.step import BUDGET, REGISTERS, TAIL, Place, Regs, Step
from bpfvm.engine.throw import Thrown
from bpfvm.engine.trap import Fault, Unsupported, trap_at
from bpfvm.errors import UsageError
from bpfvm.isa.opcodes import LD_IMM64, MAX_BPF_REG, MAX_BPF_STACK
from bpfvm.isa.table import op_of
from bpfvm.isa.word import U64_MAX
from bpfvm.memory.fault import MemoryFault
from bpfvm.typed import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType

    from bpfvm.engine.services import EngineMemory, Packet, Services, TailCalls

BPF_MAX_LOOPS: Final = 8 * 1024 * 1024
"""may_goto steps of a frame (include/linux/bpf.h)."""
MAX_TAIL_CALL_CNT: Final = 33
"""Tail calls of one run (include/linux/bpf.h)."""
MAX_DEPTH: Final = 48
"""Frames at one time, those of nested runs and callbacks included; each has MAX_BPF_STACK bytes of stack."""

Maker = Callable[[Place], Step]
OnInsn = Callable[[Image, int, Sequence[int]], None]
"""(image, slot, registers) before each instruction; the registers are the live list, not a copy."""

_ALU: Final = {
    "add": alu.add, "sub": alu.sub, "mul": alu.mul, "div": alu.div, "sdiv": alu.sdiv, "mod": alu.mod,
    "smod": alu.smod, "or": alu.or_, "and": alu.and_, "xor": alu.xor, "lsh": alu.lsh, "rsh": alu.rsh,
    "arsh": alu.arsh, "neg": alu.neg, "mov": alu.mov, "movsx": alu.movsx, "le": alu.le, "be": alu.be,
    "bswap": alu.bswap,
}  # fmt: skip
_TESTS: Final = {
    "jeq": jump.jeq, "jne": jump.jne, "jgt": jump.jgt, "jge": jump.jge, "jlt": jump.jlt, "jle": jump.jle,
    "jsgt": jump.jsgt, "jsge": jump.jsge, "jslt": jump.jslt, "jsle": jump.jsle, "jset": jump.jset,
}  # fmt: skip
_OTHERS: Final[dict[str, Maker]] = {
    "ja": jump.ja, "may_goto": jump.may_goto, "gotox": jump.gotox,
    "call": calls.call, "call_local": calls.call_local, "call_kfunc": calls.call_kfunc, "callx": calls.callx,
    "exit": calls.exit,
    "ld_imm64": mem.ld_imm64, "ld_abs": mem.ld_abs, "ld_ind": mem.ld_ind, "ldx": mem.ldx, "ldxs": mem.ldxs,
    "st": mem.st, "stx": mem.stx, "load_acquire": mem.load_acquire, "store_release": mem.store_release,
    "atomic_add": mem.atomic_add, "atomic_or": mem.atomic_or, "atomic_and": mem.atomic_and,
    "atomic_xor": mem.atomic_xor, "xchg": mem.xchg, "cmpxchg": mem.cmpxchg, "addr_space_cast": mem.addr_space_cast,
}  # fmt: skip


def _alu_maker(operation: Callable[..., alu.Binary]) -> Maker:
    return lambda place: alu.step(place, operation(place.op))


def _test_maker(operation: Callable[..., jump.Test]) -> Maker:
    return lambda place: jump.step(place, operation(place.op))


OPERATIONS: Final[dict[str, Maker]] = {
    **{name: _alu_maker(operation) for name, operation in _ALU.items()},
    **{name: _test_maker(operation) for name, operation in _TESTS.items()},
    **_OTHERS,
}
"""Name in the ISA table -> what makes its step."""


class Frame:
    """One activation of a function: what helpers see of their caller (`services.CallFrame`)."""

    __slots__ = ("_machine", "image", "memory")

    def __init__(self, machine: Interpreter, image: Image) -> None:
        self._machine = machine
        self.image = image
        self.memory = machine.memory

    def call(self, handle: int, *args: int) -> int:
        """Run the callback `handle` of this frame's program with up to 5 arguments; its r0."""
        return self._machine.call_func(self.image, handle, args)

    def callers(self) -> list[tuple[Image, int]]:
        """All running frames, innermost first: the program, and the slot of the call it is in."""
        return self._machine.callers()


class Interpreter:
    """Runs images on one memory with one set of services.

    memory, services: the kernel around. packet: what ld_abs and ld_ind read. tail_calls: looks up the target of a
    bpf_tail_call. stack: address of the first of MAX_DEPTH frames, if there is room for them already. on_insn: called
    before each instruction when set, which is to be done between runs. may_goto_budget: may_goto steps of each frame.
    """

    def __init__(
        self,
        memory: EngineMemory,
        services: Services,
        *,
        packet: Packet | None = None,
        tail_calls: TailCalls | None = None,
        stack: int | None = None,
    ) -> None:
        self.memory = memory
        self.services = services
        self.packet = packet
        self.tail_calls = tail_calls
        self.on_insn: OnInsn | None = None
        self.may_goto_budget = BPF_MAX_LOOPS
        self._stack = memory.alloc(MAX_DEPTH * MAX_BPF_STACK, what="bpf stack") if stack is None else stack
        self._depth = 0
        self._frame: Frame | None = None
        self._bound: WeakKeyDictionary[Image, list[Step]] = WeakKeyDictionary()
        self._fuel: int | None = None
        self._tail_count = 0
        self._tail_to: Image | None = None

    @property
    def frame(self) -> Frame:
        """The innermost running frame. Raises UsageError when nothing runs."""
        if self._frame is None:
            raise UsageError("no program is running")
        return self._frame

    def callers(self) -> list[tuple[Image, int]]:
        """All running frames, innermost first: the program, and the slot of the call it is in.

        They are found on Python's own stack, so that calls needn't keep book."""
        found: list[tuple[Image, int]] = []
        python: FrameType | None = sys._getframe(1)
        while python is not None:
            if (place := self._place_of(python)) is not None:
                found.append(place)
            python = python.f_back
        return found

    def _place_of(self, python: FrameType) -> tuple[Image, int] | None:
        """Where a Python frame is in a program that it runs for this engine; None if it doesn't."""
        if python.f_code is not Interpreter._follow.__code__ or python.f_locals["self"] is not self:
            return None
        return python.f_locals["image"], python.f_locals["slot"]

    def run(self, image: Image, ctx: int, *, fuel: int | None = None) -> int:
        """Run `image` from its start with r1 = ctx; r0 as u64.

        fuel: most instructions to execute, callbacks included; None for no limit (a run inside a run shares its limit).
        Nothing is counted when the verifier has shown that the program takes no more.
        Raises Trap when the program can't go on; KernelReport and other errors of services come through unchanged.
        """
        if fuel is not None and self._fuel is None and image.ends_within(fuel):
            fuel = None
        saved_fuel, saved_count = self._fuel, self._tail_count
        self._fuel, self._tail_count = saved_fuel if fuel is None else fuel, 0
        try:
            return self.enter(image, 0, (ctx, 0, 0, 0, 0))
        finally:
            self._fuel, self._tail_count = saved_fuel, saved_count

    def call_func(self, image: Image, handle: int, args: Sequence[int]) -> int:
        """Run the callback `handle` of `image` with up to 5 arguments; its r0. Raises Trap if it is no callback."""
        start = callback_slot(image, handle)
        if start is None:
            raise trap_at(image, 0, Fault(f"{handle:#x} is not a function of this program"))
        padded = (*(each & U64_MAX for each in args), 0, 0, 0, 0, 0)
        return self.enter(image, start, padded[:5])

    def batch(self, image: Image, contexts: Sequence[int]) -> array[int]:
        """Run `image` once for each context address; all r0 (u64, `array("Q")`). The first error ends it."""
        return array("Q", [self.run(image, ctx) for ctx in contexts])

    def enter(self, image: Image, start: int, args: Sequence[int]) -> int:
        """Run the function at slot `start` in a frame of its own with r1..r5 = args; its r0.

        Raises Thrown when the function isn't where a program starts, and one is running further out."""
        if self._depth == MAX_DEPTH:
            raise trap_at(image, start, Unsupported(f"more than {MAX_DEPTH} frames"))
        caller, depth = self._frame, self._depth
        self._depth = depth + 1
        regs: Regs = [0] * REGISTERS
        regs[1:6] = args
        self._new_frame(regs)
        try:
            while self._follow(image, start, regs) == TAIL:
                image, start = self._next_program(), 0
                self._new_frame(regs)
            return regs[0]
        except Thrown as thrown:
            if start and depth:
                raise
            cookie = thrown.cookie
        finally:
            self._depth, self._frame = depth, caller
        return self.caught(image, cookie)

    def _new_frame(self, regs: Regs) -> None:
        """What a program finds at its start, after a tail call as well: where its frame ends, all may_goto steps."""
        regs[10] = self._stack + self._depth * MAX_BPF_STACK
        regs[BUDGET] = self.may_goto_budget

    def caught(self, image: Image, cookie: int) -> int:
        """The result of a program that threw `cookie`: what its exception callback says, or the cookie."""
        return self.enter(image, image.exception_cb, (cookie, 0, 0, 0, 0)) if image.exception_cb else cookie

    def _follow(self, image: Image, slot: int, regs: Regs) -> int:
        """Run steps until the frame ends; EXIT or TAIL."""
        steps = self._bound.get(image) or self._bind(image)
        self._frame = Frame(self, image)
        try:
            if self._fuel is None and self.on_insn is None:
                while slot >= 0:
                    slot = steps[slot](regs)
            else:
                while slot >= 0:
                    self._before(image, slot, regs)
                    slot = steps[slot](regs)
        except (Fault, MemoryFault) as why:
            raise trap_at(image, slot, why) from why
        return slot

    def _before(self, image: Image, slot: int, regs: Regs) -> None:
        if self._fuel is not None:
            if self._fuel <= 0:
                raise trap_at(image, slot, Unsupported("instruction limit of this run reached"))
            self._fuel -= 1
        if self.on_insn is not None:
            self.on_insn(image, slot, regs)

    def packet_load(self, ctx: int, offset: int, size: int) -> int | None:
        """`size` packet bytes at `offset` for ld_abs and ld_ind. Raises Unsupported without a packet hook."""
        if self.packet is None:
            raise Unsupported("packet access in a run without a packet")
        return self.packet(ctx, offset, size)

    def tail_call(self, prog_array: int, index: int) -> bool:
        """True if the running frame is to go on with another program; False if there is none or no call is left."""
        if self.tail_calls is None:
            raise Unsupported("bpf_tail_call in a run without program arrays")
        if self._tail_count >= MAX_TAIL_CALL_CNT:
            return False
        self._tail_to = self.tail_calls(prog_array, index)
        self._tail_count += self._tail_to is not None
        return self._tail_to is not None

    def _next_program(self) -> Image:
        image, self._tail_to = self._tail_to, None
        if image is None:
            raise UsageError("tail call without a target")
        return image

    def _bind(self, image: Image) -> list[Step]:
        """All steps of a program; what can't be bound becomes a step that fails when it is reached."""
        steps: list[Step] = []
        for slot in range(len(image.insns) + 1):
            try:
                steps.append(bind(self, image, slot))
            except Fault as why:
                steps.append(partial(_raise, type(why), why.message))
        self._bound[image] = steps
        return steps


def bind(machine: Interpreter, image: Image, slot: int) -> Step:
    """The step of one slot, or of the place behind the program. Raises Fault when it can't be carried out."""
    if slot >= len(image.insns):
        raise Fault("ran past the last instruction")
    insn = image.insns[slot]
    op = op_of(insn)
    if op is None:
        if slot and image.insns[slot - 1].code == LD_IMM64:
            raise Fault("jump into the middle of a 16-byte instruction")
        raise Fault(f"unknown opcode {insn.code:#04x}")
    if insn.dst >= MAX_BPF_REG or (insn.src >= MAX_BPF_REG and "src" in op.fields):
        raise Fault(f"there is no register r{max(insn.dst, insn.src)}")
    return OPERATIONS[op.name](Place(machine, image, slot, insn, op))


def _raise(kind: type[Fault], reason: str, _: Regs) -> int:
    raise kind(reason)
