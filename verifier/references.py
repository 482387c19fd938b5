# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Acquired references: taken, given back, and all given back in the end. kernel/bpf/verifier.c acquire_reference,
release_reference, check_resource_leak (6.18)."""

from __future__ import annotations

from collections.abc import Callable

from verifier.env import Env
from verifier.reg import RegState, unknown
from verifier.rejection import EINVAL
from verifier.states import REF_PTR, Ref, StackSlot, VerifierState


def acquire_ref(env: Env) -> int:
    """A new reference, taken by the current instruction; returns its id."""
    id_ = env.new_id()
    env.state.refs = (*env.state.refs, Ref(REF_PTR, id_, env.insn_idx))
    return id_


def drop_ref(state: VerifierState, id_: int) -> bool:
    """Forget the reference. False if there is none with this id."""
    kept = tuple(ref for ref in state.refs if ref.id != id_ or ref.kind != REF_PTR)
    found = len(kept) != len(state.refs)
    state.refs = kept
    return found


def each_reg(state: VerifierState, change: Callable[[RegState], RegState]) -> None:
    """Replace every register and spilled register by what `change` makes of it."""
    for frame in state.frames:
        for i, reg in enumerate(frame.regs):
            new = change(reg)
            if new is not reg:
                frame.regs[i] = new
        for spi, slot in enumerate(frame.stack):
            if slot.is_spilled():
                new = change(slot.reg)
                if new is not slot.reg:
                    frame.stack[spi] = StackSlot(slot.types, new)


def release_ref(env: Env, ref_obj_id: int) -> bool:
    """Give the reference back: nothing that holds it can be used any more. False if it isn't held."""
    if not drop_ref(env.state, ref_obj_id):
        return False
    each_reg(env.state, lambda reg: unknown() if reg.ref_obj_id == ref_obj_id else reg)
    return True


def check_leak(env: Env, *, exception: bool, check_lock: bool, prefix: str) -> None:
    """Nothing is held where nothing may be."""
    state = env.state
    if check_lock and state.active_locks:
        env.reject(EINVAL, f"{prefix} cannot be used inside bpf_spin_lock-ed region")
    if exception or not env.frame.frameno:
        _check_references(env, exception, prefix)
    if check_lock and state.active_irq_id:
        env.reject(EINVAL, f"{prefix} cannot be used inside bpf_local_irq_save-ed region")
    if check_lock and state.active_rcu_lock:
        env.reject(EINVAL, f"{prefix} cannot be used inside bpf_rcu_read_lock-ed region")
    if check_lock and state.active_preempt_locks:
        env.reject(EINVAL, f"{prefix} cannot be used inside bpf_preempt_disable-ed region")


def _check_references(env: Env, exception: bool, prefix: str) -> None:
    """A struct_ops program may hand the reference in r0 back to the kernel."""
    may_return = env.program.prog_type == "struct_ops" and not exception
    returned = env.frame.regs[0].ref_obj_id if may_return else 0
    lines = [
        f"Unreleased reference id={ref.id} alloc_insn={ref.insn}"
        for ref in env.state.refs
        if ref.kind == REF_PTR and ref.id != returned
    ]
    if lines:
        for line in lines:
            env.report(line)
        env.report(f"{prefix} would lead to reference leak")
        env.reject_quietly(EINVAL, lines[-1])
