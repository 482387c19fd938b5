# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Calls between functions of the program: static ones are walked, global ones verified once by their BTF prototype.

Source: kernel/bpf/verifier.c check_func_call, prepare_func_exit (6.18); arguments: func_args.py.
"""

from __future__ import annotations

from typing import Final

from bpfvm.errors import BadInput
from bpfvm.isa.insn import Insn
from bpfvm.isa.table import Op
from verifier.env import Env, Subprog
from verifier.memory.packet import clear_all_pkt_pointers
from verifier.program.func_args import check_passed, function_args, match_static_args
from verifier.rejection import E2BIG, EACCES, EINVAL, Rejection
from verifier.search.backtrack import mark_chain_precision
from verifier.search.widen import find_prev_entry, widen_imprecise
from verifier.state.reg import RegState, unknown
from verifier.state.reg_type import PTR_TO_STACK, SCALAR_VALUE
from verifier.state.states import Frame
from verifier.text.state_print import state_text

MAX_CALL_FRAMES: Final = 8


def main_is_reliable(env: Env) -> None:
    """Look at the main program's own prototype, as the kernel does (its log lines matter, its result does not)."""
    sub = env.subprogs[0]
    if env.program.func_info:
        try:
            sub.unreliable = [arg.kind for arg in function_args(env, 0)] != ["ctx"]
        except (BadInput, Rejection):
            sub.unreliable = True


def check_call_local(env: Env, insn: Insn, op: Op) -> int:
    """A call of another function of the program."""
    del op
    env.jmps_processed += 1
    target = env.insn_idx + insn.imm + 1
    index = env.subprog_at[target]
    sub = env.subprogs[index]
    if sub.is_global:
        return _call_global(env, index, sub)
    match_static_args(env, index)
    caller_no = len(env.state.frames) - 1
    if caller_no + 1 >= MAX_CALL_FRAMES:
        env.reject(E2BIG, f"the call stack of {caller_no + 2} frames is too deep")
    callee = Frame(env.insn_idx, caller_no + 1, index, env.read_marks)
    callee.regs[1:6] = env.frame.regs[1:6]
    if callee.marks is not None:
        for i in range(1, 6):
            callee.marks.take(i, env.marks().regs[i])
    env.clear_caller_saved()
    if env.liveness is not None:
        env.liveness.cur = None
    env.state.frames.append(callee)
    env.frame = callee
    env.scratch_all()
    if env.log.level:
        env.log.write("caller:\n" + state_text(env, env.state, caller_no, True))
        env.log.write("callee:\n" + state_text(env, env.state, caller_no + 1, True))
    env.scratched_regs |= 1
    return target


def _call_global(env: Env, index: int, sub: Subprog) -> int:
    state = env.state
    if state.active_locks:
        env.report("global function calls are not allowed while holding a lock,")
        env.reject(EINVAL, "use static function instead")
    if env.profile.old_texts and state.active_preempt_locks:
        env.report("global function calls are not allowed with preemption disabled,")
        env.reject(EINVAL, "use static function instead")
    if sub.might_sleep and env.profile.sleep_follows_calls:
        inside = state.active_rcu_lock or state.active_preempt_locks or state.active_irq_id
        if inside or not env.in_sleepable():
            env.report("global functions that may sleep are not allowed in non-sleepable context,")
            env.reject(EINVAL, "i.e., in a RCU/IRQ/preempt-disabled section, or in")
    try:
        check_passed(env, index)
    except Rejection as found:
        text = f"Caller passes invalid args into func#{index} ('{sub.name}')"
        env.report(text)
        raise Rejection(
            found.message, found.errno, insn=found.insn, state=found.state, unsupported=found.unsupported
        ) from None
    env.report(f"Func#{index} ('{sub.name}') is global and assumed valid.")
    if sub.changes_pkt_data:
        clear_all_pkt_pointers(env)
    sub.called = True
    env.clear_caller_saved()
    env.frame.regs[0] = unknown()
    env.scratched_regs |= 1
    return env.insn_idx + 1


def leave_function(env: Env) -> int:
    """exit of an inner function: back to the caller. Returns where to go on."""
    state = env.state
    if env.liveness is not None:
        env.liveness.update()
    callee = env.frame
    r0 = callee.regs[0]
    if r0.type == PTR_TO_STACK:
        env.reject(EINVAL, "cannot return stack pointer to the caller")
    caller = state.frames[-2]
    if callee.in_callback:
        _check_callback_result(env, callee, r0)
        target = callee.callsite
    else:
        caller.regs[0] = r0
        if caller.marks is not None:
            caller.marks.take(0, env.marks().regs[0])
        target = callee.callsite + 1
    if env.log.level:
        inner = len(state.frames) - 1
        env.log.write("returning from callee:\n" + state_text(env, state, inner, True))
        env.log.write(f"to caller at {target}:\n" + state_text(env, state, inner - 1, True))
    state.frames.pop()
    env.frame = caller
    if callee.in_callback:
        prev = find_prev_entry(env, state, target)
        if prev is not None:
            widen_imprecise(env, prev, state)
    return target


def _check_callback_result(env: Env, callee: Frame, r0: RegState) -> None:
    if r0.type != SCALAR_VALUE:
        env.reject(EACCES, "R0 not a scalar value")
    if env.read_marks:
        env.note_read(0)
    mark_chain_precision(env, 0)
    low, high = callee.callback_ret_range
    num = callee.regs[0].num
    if not (low <= num.smin and num.smax <= high):
        refuse_range(env, callee.regs[0], low, high, "At callback return", "R0")


def refuse_range(env: Env, reg: RegState, low: int, high: int, where: str, name: str) -> None:
    """A number outside of the range asked for."""
    text = f"{where} the register {name} has"
    known = False
    if reg.num.smin > -(1 << 63):
        text, known = f"{text} smin={reg.num.smin}", True
    if reg.num.smax < (1 << 63) - 1:
        text, known = f"{text} smax={reg.num.smax}", True
    if not known:
        text += " unknown scalar value"
    env.reject(EINVAL, f"{text} should have been in [{low}, {high}]")
