# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What compiled code calls in Python. An exception can't cross native frames, so it is kept; the code gives up frame by
frame, and the engine raises it again."""

from __future__ import annotations

from ctypes import CFUNCTYPE, c_int64, c_uint64, c_void_p, cast
from typing import TYPE_CHECKING, Final

from bpfvm.engine.image import Image
from bpfvm.engine.interp import MAX_DEPTH
from bpfvm.engine.jit.refusal import bind
from bpfvm.engine.jit.state import Slot, Why
from bpfvm.engine.jit.touch import touch
from bpfvm.engine.step import REGISTERS
from bpfvm.engine.trap import Fault, Unsupported, trap_at
from bpfvm.errors import InternalError
from bpfvm.isa.opcodes import BPF_CALL, BPF_JMP, BPF_PSEUDO_KFUNC_CALL, BPF_X, MAX_BPF_REG, MAX_BPF_STACK
from bpfvm.isa.table import op_of
from bpfvm.isa.word import U32_MAX, U64_MAX
from bpfvm.memory.fault import MemoryFault

if TYPE_CHECKING:
    from bpfvm.engine.jit.engine import JitEngine

CALLX: Final = BPF_JMP | BPF_CALL | BPF_X
_WORD: Final = c_uint64


class Callbacks:
    """The functions of one engine. Each gives u64; `abort` in the state says whether that is to be looked at."""

    __slots__ = ("_engine", "_made")

    def __init__(self, engine: JitEngine) -> None:
        self._engine = engine
        self._made = {
            Slot.CALL: CFUNCTYPE(_WORD, *[_WORD] * 7)(self._call),
            Slot.TAIL: CFUNCTYPE(_WORD, *[_WORD] * 5)(self._tail),
            Slot.PACKET: CFUNCTYPE(_WORD, _WORD, _WORD, c_int64)(self._packet),
            Slot.STOP: CFUNCTYPE(_WORD, *[_WORD] * 3)(self._stop),
            Slot.SPENT: CFUNCTYPE(_WORD, _WORD)(self._spent),
        }

    def addresses(self) -> dict[int, int]:
        """Where each can be called. Valid while this lives."""
        return {slot: cast(function, c_void_p).value or 0 for slot, function in self._made.items()}

    def _image(self) -> Image:
        image = self._engine.image
        if image is None:
            raise InternalError("compiled code runs, but no program does")
        return image

    def _give_up(self, slot: int, error: BaseException) -> int:
        """Keep an error for the engine; a fault becomes the Trap of the instruction at `slot`."""
        engine = self._engine
        if isinstance(error, Fault | MemoryFault):
            trap = trap_at(self._image(), slot, error)
            trap.__cause__ = error
            error = trap
        engine.pending = error
        engine.state[Slot.ABORT] = 1
        return 1

    def _call(self, slot: int, fp: int, r1: int, r2: int, r3: int, r4: int, r5: int) -> int:
        """A helper or kfunc."""
        engine = self._engine
        engine.top = fp
        try:
            frame = engine.frame
            insn = frame.image.insns[slot]
            if insn.code == CALLX:
                r0 = engine.services.helper(engine.state[Slot.REGS] & U32_MAX, (r1, r2, r3, r4, r5), frame)
            elif insn.src == BPF_PSEUDO_KFUNC_CALL:
                r0 = engine.services.kfunc(insn.imm, (r1, r2, r3, r4, r5), frame)
            else:
                r0 = engine.services.helper(insn.imm, (r1, r2, r3, r4, r5), frame)
            engine.measure()
            return r0 & U64_MAX
        except BaseException as error:  # noqa: BLE001 - it goes on behind the native frames, whatever it is
            return self._give_up(slot, error)

    def _tail(self, slot: int, fp: int, ctx: int, prog_array: int, index: int) -> int:
        """bpf_tail_call: run the target in the frame that ends at fp."""
        engine = self._engine
        try:
            target = engine.tail_target(prog_array, index & U32_MAX)
            if target is None:
                engine.measure()
                return 0
            engine.top = fp - MAX_BPF_STACK
            engine.state[Slot.RESUMED] = not target.verified
            result = engine.enter(target, 0, (ctx, 0, 0, 0, 0))
            engine.top = fp
            engine.state[Slot.TAKEN] = 1
            engine.measure()
            return result
        except BaseException as error:  # noqa: BLE001 - as above
            return self._give_up(slot, error)

    def _packet(self, slot: int, ctx: int, offset: int) -> int:
        """Packet bytes, or all bits set outside the packet."""
        engine = self._engine
        try:
            op = op_of(self._image().insns[slot])
            value = engine.packet_load(ctx, offset, op.size if op is not None else 0)
            engine.measure()
            return U64_MAX if value is None else value
        except BaseException as error:  # noqa: BLE001 - as above
            return self._give_up(slot, error)

    def _stop(self, why: int, slot: int, addr: int) -> int:
        """Something is wrong at `slot`; 0 if the program may go on nevertheless."""
        engine = self._engine
        try:
            image = self._image()
            if why == Why.DEPTH:
                raise trap_at(image, slot, Unsupported(f"more than {MAX_DEPTH} frames"))
            if why == Why.REFUSED:
                bind(engine, image, slot)
            else:
                touch(engine.memory, image, slot, addr)
                if why == Why.ACCESS:
                    return 0
            raise InternalError(f"slot {slot}: compiled code stopped, but nothing is wrong")
        except BaseException as error:  # noqa: BLE001 - as above
            return self._give_up(slot, error)

    def _spent(self, leader: int) -> int:
        """Too little fuel for the block at `leader`: run what is left of it instruction by instruction."""
        engine = self._engine
        slot = leader
        try:
            image, state = self._image(), engine.state
            regs = [*state[Slot.REGS : Slot.REGS + MAX_BPF_REG], *[0] * (REGISTERS - MAX_BPF_REG)]
            for _ in range(state[Slot.FUEL]):
                slot = bind(engine, image, slot)(regs)
            raise Unsupported("instruction limit of this run reached")
        except BaseException as error:  # noqa: BLE001 - as above
            return self._give_up(slot, error)
