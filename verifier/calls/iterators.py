# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Open-coded iterators: `bpf_iter_<type>` objects on the stack and the kfuncs that make, advance and destroy them.

Source: kernel/bpf/verifier.c process_iter_arg, process_iter_next_call, mark_stack_slots_iter, is_iter_reg_valid_init,
check_css_task_iter_allowlist (6.18).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bpfvm.btf import types as t
from verifier.calls.kfunc_state import KfuncCall
from verifier.env import Env
from verifier.memory.access import check_mem_access
from verifier.program.attach_types import TRACE_ITER
from verifier.rejection import EFAULT, EINVAL, EPROTO
from verifier.search.paths import push_path
from verifier.search.widen import widen_before_next_round
from verifier.state.references import acquire_ref, release_ref
from verifier.state.reg import Pointee, RegState, const, pointer
from verifier.state.reg_type import MEM_RCU, PTR_MAYBE_NULL, PTR_TO_STACK, PTR_TRUSTED, PTR_UNTRUSTED
from verifier.state.stack_objects import BAD_PLACE, clear_slots, is_outside, note_read, note_write, object_spi
from verifier.state.states import STACK_ITER, StackSlot, VerifierState

ITER_ACTIVE, ITER_DRAINED = 1, 2
PREFIX: Final = "bpf_iter_"
CSS_TASK_NEW: Final = "bpf_iter_css_task_new"
_ALL_ITER: Final = bytes((STACK_ITER,)) * 8


def is_iter_arg(call: KfuncCall, i: int) -> bool:
    """Argument `i` is an iterator: the first of an iterator's own kfuncs, or one named `…__iter`."""
    if call.kfunc.is_iter:
        return i == 0
    return call.kfunc.proto.params[i].name.endswith("__iter")


def _iter_type(env: Env, param: t.Param) -> tuple[int, t.Struct] | None:
    btf = env.kernel_btf
    kind = btf.resolve(param.type)
    if not isinstance(kind, t.Ptr):
        return None
    type_id = btf.skip_mods(kind.type)
    found = btf.type(type_id)
    return (type_id, found) if isinstance(found, t.Struct) and found.name.startswith(PREFIX) else None


def check_iter_arg(env: Env, call: KfuncCall, i: int) -> None:
    """Argument `i` of a kfunc is an iterator; make it or destroy it if that is what the kfunc does."""
    reg = env.frame.regs[i + 1]
    meta = call.kfunc
    if meta.name == CSS_TASK_NEW and not _may_walk_css_tasks(env):
        env.reject(EINVAL, "css_task_iter is only allowed in bpf_lsm, bpf_iter and sleepable progs")
    if reg.type != PTR_TO_STACK:
        env.reject(EINVAL, f"arg#{i} expected pointer to an iterator on stack")
    found = _iter_type(env, meta.proto.params[i])
    if found is None:
        env.reject(EINVAL, f"expected valid iter pointer as arg #{i}")
    type_id, struct = found
    count, name = struct.size >> 3, struct.name.removeprefix(PREFIX)
    if meta.has("ITER_NEW"):
        if not _is_free(env, reg, count):
            env.reject(EINVAL, f"expected uninitialized iter_{name} as arg #{i}")
        for k in range(count):
            check_mem_access(env, i + 1, 8 * k, 8, True, -1)
        _make(env, call, reg, type_id, count)
        return
    spi = _initialised(env, call, i, reg, type_id, count, name)
    frame = env.state.frames[reg.frameno]
    note_read(env, frame, spi, count)
    call.iter_spi, call.iter_frame = spi, reg.frameno
    call.ref_obj_id = frame.stack[spi].reg.ref_obj_id
    if meta.has("ITER_DESTROY"):
        release_ref(env, call.ref_obj_id)
        clear_slots(env, frame, spi, count)


def _may_walk_css_tasks(env: Env) -> bool:
    """Elsewhere css_set_lock could be held already."""
    prog_type = env.program.prog_type
    if prog_type == "lsm" or (prog_type == "tracing" and env.attach_type == TRACE_ITER):
        return True
    return env.in_sleepable()


def _is_free(env: Env, reg: RegState, count: int) -> bool:
    spi = object_spi(env, reg, "iter", count)
    if spi < 0:
        return spi != BAD_PLACE
    stack = env.state.frames[reg.frameno].stack
    return not any(STACK_ITER in stack[spi - k].types for k in range(count))


def _make(env: Env, call: KfuncCall, reg: RegState, type_id: int, count: int) -> None:
    spi = object_spi(env, reg, "iter", count)
    if spi < 0:
        env.reject(EINVAL, "")
    frame = env.state.frames[reg.frameno]
    type_ = PTR_TO_STACK  # there is no type of its own
    if call.kfunc.has("RCU_PROTECTED"):
        type_ |= MEM_RCU if env.in_rcu() else PTR_UNTRUSTED
    id_ = acquire_ref(env)
    pointee = Pointee(btf=env.kernel_btf, btf_id=type_id, iter_state=ITER_ACTIVE)
    for k in range(count):
        state = pointer(type_, ref_obj_id=0 if k else id_, ptr=pointee)
        frame.stack[spi - k] = StackSlot(_ALL_ITER, state)
        env.scratched_slots |= 1 << (spi - k)
    note_write(env, frame, spi, count)


def _initialised(env: Env, call: KfuncCall, i: int, reg: RegState, type_id: int, count: int, name: str) -> int:
    """Index of the first slot of the iterator, which must be there."""
    spi = object_spi(env, reg, "iter", count)
    stack = env.state.frames[reg.frameno].stack
    for k in range(count):
        slot = stack[spi - k] if spi >= 0 else None
        if slot is not None and slot.reg.type & PTR_UNTRUSTED:
            env.reject(EPROTO, f"expected an RCU CS when using {call.kfunc.name}")
        if (
            slot is None
            or is_outside(reg)  # Linux 6.18 takes it for the iterator at fp-8, and reads above the stack
            or bool(slot.reg.ref_obj_id) != (k == 0)
            or slot.reg.ptr.btf is not env.kernel_btf
            or slot.reg.ptr.btf_id != type_id
            or slot.types != _ALL_ITER
        ):
            env.reject(EINVAL, f"expected an initialized iter_{name} as arg #{i}")
    return spi


def iter_state(state: VerifierState, call: KfuncCall) -> RegState:
    """What `state` knows of the iterator that was passed."""
    return state.frames[call.iter_frame].stack[call.iter_spi].reg


def element_flags(env: Env, call: KfuncCall) -> int:
    """How far an object that the iterator gives can be trusted."""
    return MEM_RCU if iter_state(env.state, call).type & MEM_RCU else PTR_TRUSTED


def _set(state: VerifierState, call: KfuncCall, new_state: int, depth: int) -> None:
    stack = state.frames[call.iter_frame].stack
    slot = stack[call.iter_spi]
    pointee = replace(slot.reg.ptr, iter_state=new_state, iter_depth=depth)
    stack[call.iter_spi] = StackSlot(slot.types, slot.reg.with_(ptr=pointee))


def next_outcomes(env: Env, call: KfuncCall) -> None:
    """After a `…_next()`: queue the path on which there was one more element; here there was none."""
    now = iter_state(env.state, call).ptr
    if now.iter_state == ITER_ACTIVE:
        parent = env.state.parent
        if parent is None or parent.insn_idx != env.insn_idx:
            env.reject(EFAULT, "verifier bug: bad parent state for iter next call")
        queued = push_path(env, env.insn_idx + 1, env.insn_idx)
        _set(queued, call, ITER_ACTIVE, now.iter_depth + 1)
        widen_before_next_round(env, queued, env.insn_idx)
        regs = queued.frames[-1].regs
        regs[0] = regs[0].with_(type=regs[0].type & ~PTR_MAYBE_NULL)
    _set(env.state, call, ITER_DRAINED, now.iter_depth)
    env.frame.regs[0] = const(0)


def untrust_iterators(state: VerifierState) -> None:
    """An RCU read-side section ended: what was protected by it can't be advanced any more."""
    for frame in state.frames:
        for spi, slot in enumerate(frame.stack):
            if slot.types[7] == STACK_ITER and slot.reg.type & MEM_RCU:
                reg = slot.reg.with_(type=slot.reg.type & ~(MEM_RCU | PTR_MAYBE_NULL) | PTR_UNTRUSTED)
                frame.stack[spi] = StackSlot(slot.types, reg)
