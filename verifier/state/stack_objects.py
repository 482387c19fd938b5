# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Objects of the kernel that live on the program's stack (dynptrs, iterators): where they stand, and what looking at
them and making or destroying them means for liveness and log.

Source: kernel/bpf/verifier.c stack_slot_obj_get_spi, mark_stack_slot_obj_read (6.18).
"""

from __future__ import annotations

from typing import Final

from bpfvm.isa.word import U32_MAX, s32
from verifier.env import Env
from verifier.state.reg import RegState
from verifier.state.states import EMPTY_SLOT, Frame

BAD_PLACE: Final = -1
"""No object can stand there (the log says why)."""
NO_STACK: Final = -2
"""The stack doesn't reach that far yet."""


def object_spi(env: Env, reg: RegState, what: str, count: int) -> int:
    """Index of the slot at the lowest address of an object of `count` slots that a stack pointer names; BAD_PLACE or
    NO_STACK if there can't be one. what: as the log calls it.

    An object of one slot at fp+0, outside of the stack, is looked for in slot 0, as Linux does; see is_outside."""
    var_off = reg.num.var_off
    if var_off.mask:
        env.report(f"{what} has to be at a constant offset")
        return BAD_PLACE
    off = s32((reg.off + var_off.value) & U32_MAX)
    spi = 0 if off == 0 else (-off - 1) >> 3  # C divides towards 0
    if off & 7 or spi + 1 < count:
        env.report(f"cannot pass in {what} at an offset={off}")
        return BAD_PLACE
    return spi if spi < len(env.state.frames[reg.frameno].stack) else NO_STACK


def is_outside(reg: RegState) -> bool:
    """The pointer stands above the frame's stack, where no object can be."""
    return s32((reg.off + reg.num.var_off.value) & U32_MAX) >= 0


def slot_mask(spi: int, count: int) -> int:
    """One bit for each slot of the object."""
    return ((1 << count) - 1) << (spi - count + 1)


def note_read(env: Env, frame: Frame, spi: int, count: int) -> None:
    """The current instruction looks at the object."""
    mask = slot_mask(spi, count)
    env.scratched_slots |= mask
    if env.liveness is not None:
        env.liveness.mark_read(env, frame.frameno, env.insn_idx, mask)


def note_write(env: Env, frame: Frame, spi: int, count: int) -> None:
    """The current instruction makes or destroys the object."""
    if env.liveness is not None:
        env.liveness.mark_write(frame.frameno, slot_mask(spi, count))


def clear_slots(env: Env, frame: Frame, spi: int, count: int) -> None:
    """The object is gone; its slots are as if never written."""
    for i in range(count):
        frame.stack[spi - i] = EMPTY_SLOT
    note_write(env, frame, spi, count)
