# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Interrupt flags on the stack: bpf_local_irq_save() and bpf_res_spin_lock_irqsave() put them there, their
counterparts take them back, last one first.

Source: kernel/bpf/verifier.c process_irq_flag, mark_stack_slot_irq_flag, unmark_stack_slot_irq_flag,
acquire_irq_state, release_irq_state (6.18).
"""

from __future__ import annotations

from typing import Final

from verifier.calls.kfunc_state import KfuncCall
from verifier.env import Env
from verifier.memory.access import NO_VALUE, check_mem_access
from verifier.rejection import EACCES, EINVAL
from verifier.state.reg import Pointee, RegState, pointer
from verifier.state.reg_type import PTR_TO_STACK
from verifier.state.stack_objects import BAD_PLACE, NO_STACK, clear_slots, note_read, note_write, object_spi
from verifier.state.states import REF_IRQ, STACK_IRQ_FLAG, Frame, Ref, StackSlot

NATIVE, LOCK = 1, 2
CLASS_NAMES: Final = {NATIVE: "native", LOCK: "lock"}
SAVES: Final = {"bpf_local_irq_save": NATIVE, "bpf_res_spin_lock_irqsave": LOCK}
RESTORES: Final = {"bpf_local_irq_restore": NATIVE, "bpf_res_spin_unlock_irqrestore": LOCK}
"""kfunc → which family its flags belong to."""
KIND: Final = "irq_flag"
_ALL: Final = bytes((STACK_IRQ_FLAG,)) * 8


def check_irq_flag(env: Env, call: KfuncCall, i: int, reg: RegState) -> None:
    """An `unsigned long *flags__irq_flag` argument."""
    name = call.kfunc.name
    if reg.type != PTR_TO_STACK:
        env.reject(EINVAL, f"arg#{i} doesn't point to an irq flag on stack")
    if name in SAVES:
        _save(env, i, reg, SAVES[name])
    elif name in RESTORES:
        _restore(env, i, reg, RESTORES[name])
    else:
        env.unsupported(f"an interrupt flag given to kernel function {name}")


def _save(env: Env, i: int, reg: RegState, class_: int) -> None:
    frame = env.state.frames[reg.frameno]
    spi = object_spi(env, reg, KIND, 1)
    taken = spi >= 0 and STACK_IRQ_FLAG in frame.stack[spi].types
    if spi == BAD_PLACE or taken:
        env.reject(EINVAL, f"expected uninitialized irq flag as arg#{i}")
    check_mem_access(env, i + 1, 0, 8, True, NO_VALUE)
    spi = object_spi(env, reg, KIND, 1)
    state = env.state
    id_ = env.new_id()
    state.refs = (*state.refs, Ref(REF_IRQ, id_, env.insn_idx))
    state.active_irq_id = id_
    note_write(env, frame, spi, 1)
    flag = pointer(PTR_TO_STACK, ref_obj_id=id_, ptr=Pointee(irq_class=class_))
    frame.stack[spi] = StackSlot(_ALL, flag)
    env.scratch_slot(spi)


def _restore(env: Env, i: int, reg: RegState, class_: int) -> None:
    frame = env.state.frames[reg.frameno]
    spi = object_spi(env, reg, KIND, 1)
    if spi in (BAD_PLACE, NO_STACK) or frame.stack[spi].types != _ALL:
        env.reject(EINVAL, f"expected an initialized irq flag as arg#{i}")
    note_read(env, frame, spi, 1)
    _forget(env, frame, spi, class_)


def _forget(env: Env, frame: Frame, spi: int, class_: int) -> None:
    flag = frame.stack[spi].reg
    have = flag.ptr.irq_class
    if have != class_:
        how = f"acquired by {CLASS_NAMES[have]} kfuncs cannot be restored with {CLASS_NAMES[class_]} kfuncs"
        env.reject(EINVAL, f"irq flag {how}")
    state = env.state
    if flag.ref_obj_id != state.active_irq_id:
        active = state.active_irq_id
        insn = next((ref.insn for ref in state.refs if ref.id == active), 0)
        order = f"expected id={active} acquired at insn_idx={insn}"
        env.reject(EACCES, f"cannot restore irq state out of order, {order}")
    before = [ref.id for ref in state.refs if ref.kind == REF_IRQ and ref.id != flag.ref_obj_id]
    state.refs = tuple(ref for ref in state.refs if ref.kind != REF_IRQ or ref.id != flag.ref_obj_id)
    state.active_irq_id = before[-1] if before else 0
    clear_slots(env, frame, spi, 1)
    env.scratch_slot(spi)
