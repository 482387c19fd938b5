# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Acquired references: taken, given back, and all given back in the end. kernel/bpf/verifier.c acquire_reference,
release_reference, check_resource_leak (6.18)."""

from __future__ import annotations

from collections.abc import Callable

from verifier.env import Env
from verifier.rejection import EINVAL
from verifier.state.reg import RegState
from verifier.state.states import REF_PTR, Ref, StackSlot, VerifierState
from verifier.steps.leaks import invalid_reg


def acquire_ref(env: Env) -> int:
    """A new reference, taken by the current instruction; returns its id."""
    id_ = env.new_id()
    owner = env.frame.frameno if env.frame.in_callback else 0
    env.state.refs = (*env.state.refs, Ref(REF_PTR, id_, env.insn_idx, frameno=owner))
    return id_


def drop_ref(state: VerifierState, id_: int) -> bool:
    """Forget the reference. False if there is none with this id."""
    kept = tuple(ref for ref in state.refs if ref.id != id_ or ref.kind != REF_PTR)
    found = len(kept) != len(state.refs)
    state.refs = kept
    return found


def give_back(env: Env, id_: int) -> bool:
    """Forget the reference, if it is the program's to give back here. False if it isn't.

    Up to 6.12 a callback may not give back what its caller acquired (release_reference_state).
    """
    frame = env.frame
    own_only = env.profile.old_texts and frame.in_callback
    if own_only and any(ref.id == id_ and ref.frameno != frame.frameno for ref in env.state.refs):
        return False
    return drop_ref(env.state, id_)


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
    if not give_back(env, ref_obj_id):
        return False
    gone = invalid_reg(env)
    each_reg(env.state, lambda reg: gone if reg.ref_obj_id == ref_obj_id else reg)
    return True


def check_leak(env: Env, *, exception: bool, check_lock: bool, prefix: str) -> None:
    """Nothing is held where nothing may be."""
    state = env.state
    if env.profile.old_texts:
        _check_leak_6_12(env, exception, check_lock, prefix)
        return
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


def _check_leak_6_12(env: Env, exception: bool, check_lock: bool, prefix: str) -> None:
    """The same in the order and the words of 6.12 (do_check, check_ld_abs, check_helper_call)."""
    state = env.state
    is_exit = prefix.startswith("BPF_EXIT")
    if prefix.startswith("BPF_LD_"):
        _check_references_6_12(env, exception, f"{prefix} cannot be mixed with socket references")
    if check_lock and state.active_locks:
        env.reject(EINVAL, "bpf_spin_unlock is missing" if is_exit else _inside(prefix, "bpf_spin_lock"))
    if prefix == "tail_call":
        _check_references_6_12(env, exception, f"{prefix} would lead to reference leak")
    if check_lock and state.active_rcu_lock:
        env.reject(EINVAL, "bpf_rcu_read_unlock is missing" if is_exit else _inside(prefix, "bpf_rcu_read_lock"))
    if check_lock and state.active_preempt_locks:
        count = state.active_preempt_locks
        missing = f"{count} bpf_preempt_enable{' is' if count == 1 else '(s) are'} missing"
        env.reject(EINVAL, missing if is_exit else _inside(prefix, "bpf_preempt_disable"))
    _check_references_6_12(env, exception, "")


def _inside(prefix: str, region: str) -> str:
    return f"{prefix} cannot be used inside {region}-ed region"


def _check_references_6_12(env: Env, exception: bool, note: str) -> None:
    """A callback may not keep what it acquired. note: a line after the refusal."""
    frame = env.frame
    if frame.frameno and not exception and not frame.in_callback:
        return
    own_only = frame.in_callback and not exception
    lines = [
        f"Unreleased reference id={ref.id} alloc_insn={ref.insn}"
        for ref in env.state.refs
        if ref.kind == REF_PTR and (not own_only or ref.frameno == frame.frameno)
    ]
    if lines:
        for line in lines:
            env.report(line)
        if note:
            env.report(note)
        env.reject_quietly(EINVAL, lines[-1])


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
