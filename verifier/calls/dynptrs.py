# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Dynptrs on the stack: made, cloned, given back, overwritten. A dynptr takes two slots; what is known of it is a
register state in each of them, or in a register that points to one of the kernel's (CONST_PTR_TO_DYNPTR).

Source: kernel/bpf/verifier.c mark_stack_slots_dynptr, unmark_stack_slots_dynptr, invalidate_dynptr,
destroy_if_dynptr_stack_slot, is_dynptr_reg_valid_init (6.18); include/linux/bpf.h enum bpf_dynptr_type.
"""

from __future__ import annotations

from typing import Final

from verifier.env import Env
from verifier.rejection import EINVAL
from verifier.state.references import acquire_ref, each_reg, release_ref
from verifier.state.reg import Pointee, RegState, pointer
from verifier.state.reg_type import (
    CONST_PTR_TO_DYNPTR,
    DYNPTR_TYPE_LOCAL,
    DYNPTR_TYPE_RINGBUF,
    DYNPTR_TYPE_SKB,
    DYNPTR_TYPE_SKB_META,
    DYNPTR_TYPE_XDP,
    PTR_MAYBE_NULL,
    PTR_TO_MEM,
)
from verifier.state.stack_objects import clear_slots, note_write, object_spi
from verifier.state.states import STACK_DYNPTR, Frame, StackSlot
from verifier.steps.leaks import invalid_reg

SLOTS: Final = 2
LOCAL, RINGBUF, SKB, XDP, SKB_META = 1, 2, 3, 4, 5
FLAG_OF_KIND: Final = {
    LOCAL: DYNPTR_TYPE_LOCAL,
    RINGBUF: DYNPTR_TYPE_RINGBUF,
    SKB: DYNPTR_TYPE_SKB,
    XDP: DYNPTR_TYPE_XDP,
    SKB_META: DYNPTR_TYPE_SKB_META,
}
KIND_OF_FLAG: Final = {flag: kind for kind, flag in FLAG_OF_KIND.items()}
KIND_FLAGS: Final = DYNPTR_TYPE_LOCAL | DYNPTR_TYPE_RINGBUF | DYNPTR_TYPE_SKB | DYNPTR_TYPE_XDP | DYNPTR_TYPE_SKB_META
"""Kernel DYNPTR_TYPE_FLAG_MASK."""
_ALL_DYNPTR: Final = bytes((STACK_DYNPTR,)) * 8
_SLICES: Final = (PTR_TO_MEM, PTR_TO_MEM | PTR_MAYBE_NULL)


def kind_of(flags: int) -> int:
    """The kind that flags of a type name; 0 if they name none."""
    return KIND_OF_FLAG.get(flags & KIND_FLAGS, 0)


def dynptr_reg(kind: int, id_: int, *, first: bool = True, ref_obj_id: int = 0) -> RegState:
    """What is known of a dynptr: in its first or second slot, or of a pointer to it."""
    pointee = Pointee(dynptr_type=kind, first_slot=first)
    return pointer(CONST_PTR_TO_DYNPTR, id=id_, ref_obj_id=ref_obj_id, ptr=pointee)


def dynptr_spi(env: Env, reg: RegState) -> int:
    """Index of the slot of the dynptr's lower half, or negative (see object_spi)."""
    return object_spi(env, reg, "dynptr", SLOTS)


def state_of(env: Env, reg: RegState) -> RegState:
    """What is known of the initialised dynptr that the register points to."""
    if reg.type == CONST_PTR_TO_DYNPTR:
        return reg
    return env.state.frames[reg.frameno].stack[dynptr_spi(env, reg)].reg


def is_initialised(env: Env, reg: RegState) -> bool:
    """The register points to a dynptr's beginning."""
    if reg.type == CONST_PTR_TO_DYNPTR:
        return True
    spi = dynptr_spi(env, reg)
    if spi < 0:
        return False
    stack = env.state.frames[reg.frameno].stack
    return stack[spi].reg.ptr.first_slot and stack[spi].types == stack[spi - 1].types == _ALL_DYNPTR


def make_dynptr(env: Env, reg: RegState, kind: int, clone_ref: int) -> None:
    """There is a dynptr now where the stack pointer points; clone_ref: the reference it shares, if it is a clone."""
    spi = dynptr_spi(env, reg)
    if spi < 0 or not kind:
        env.reject(EINVAL, "")
    frame = env.state.frames[reg.frameno]
    destroy_dynptr(env, frame, spi)
    destroy_dynptr(env, frame, spi - 1)
    id_ = env.new_id()
    ref = (clone_ref or acquire_ref(env)) if kind == RINGBUF else 0
    frame.stack[spi] = StackSlot(_ALL_DYNPTR, dynptr_reg(kind, id_, first=True, ref_obj_id=ref))
    frame.stack[spi - 1] = StackSlot(_ALL_DYNPTR, dynptr_reg(kind, id_, first=False, ref_obj_id=ref))
    note_write(env, frame, spi, SLOTS)


def destroy_dynptr(env: Env, frame: Frame, spi: int) -> None:
    """Something is about to be written into the slot: if half of a dynptr is in it, the dynptr is gone, and so are
    its slices. One that holds a reference must not be lost like that."""
    slot = frame.stack[spi]
    if slot.types[0] != STACK_DYNPTR:
        return
    if not slot.reg.ptr.first_slot:
        spi += 1
    first = frame.stack[spi].reg
    if first.ptr.dynptr_type == RINGBUF:
        env.reject(EINVAL, "cannot overwrite referenced dynptr")
    env.scratched_slots |= 3 << (spi - 1)
    clear_slots(env, frame, spi, SLOTS)
    id_, gone = first.id, invalid_reg(env)

    def forget(reg: RegState) -> RegState:
        return gone if reg.type in _SLICES and reg.ptr.dynptr_id == id_ else reg

    each_reg(env.state, forget)


def release_dynptr(env: Env, reg: RegState) -> None:
    """The dynptr is given back, with all its clones and slices.

    Linux 6.18 forgets clones in other frames than the dynptr's own, which then point to memory that is no longer the
    program's.
    """
    spi = dynptr_spi(env, reg)
    if spi < 0:
        env.reject(EINVAL, "")
    frame = env.state.frames[reg.frameno]
    first = frame.stack[spi].reg
    if first.ptr.dynptr_type != RINGBUF:
        clear_slots(env, frame, spi, SLOTS)
        return
    release_ref(env, first.ref_obj_id)
    for other in env.state.frames:
        for i in range(1, len(other.stack)):
            reg = other.stack[i].reg
            if reg.ref_obj_id == first.ref_obj_id and reg.ptr.first_slot:
                clear_slots(env, other, i, SLOTS)
