# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Calls between functions of the program: static ones are walked, global ones verified once by their BTF prototype.

Source: kernel/bpf/verifier.c check_func_call, prepare_func_exit, btf_check_func_arg_match; kernel/bpf/btf.c
btf_prepare_func_args (6.18).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from bpfvm.btf import types as t
from bpfvm.errors import BadInput
from bpfvm.isa.insn import Insn
from bpfvm.isa.table import Op
from verifier.backtrack import mark_chain_precision
from verifier.env import Env, Subprog
from verifier.helper_args import check_arg_off, check_helper_mem_access
from verifier.packet import clear_all_pkt_pointers
from verifier.reg import Pointee, RegState, pointer, unknown
from verifier.reg_type import (
    PTR_MAYBE_NULL,
    PTR_TO_CTX,
    PTR_TO_MEM,
    PTR_TO_STACK,
    SCALAR_VALUE,
)
from verifier.rejection import E2BIG, EACCES, EFAULT, EINVAL, Rejection
from verifier.stack import is_null
from verifier.state_print import state_text
from verifier.states import Frame
from verifier.widen import find_prev_entry, widen_imprecise

MAX_CALL_FRAMES: Final = 8
CTX_STRUCTS: Final = {
    "socket_filter": "__sk_buff",
    "xdp": "xdp_md",
    "kprobe": "bpf_user_pt_regs_t",
    "raw_tracepoint": "bpf_raw_tracepoint_args",
}


class ArgInfo(NamedTuple):
    """An argument of a function by its BTF: kind "scalar" | "ctx" | "mem"; bytes of mem; whether NULL may be passed."""

    kind: str
    size: int = 0
    nullable: bool = False


def _is_ctx(env: Env, pointee: t.BtfType) -> bool:
    return isinstance(pointee, t.Struct) and pointee.name == CTX_STRUCTS.get(env.program.prog_type, "")


def _reject_args(env: Env, sub: Subprog, errno: int, message: str) -> None:
    """The arguments can't be understood: fatal for a global function only."""
    if sub.is_global:
        env.reject(errno, message)
    raise BadInput(message)


def function_args(env: Env, index: int) -> tuple[ArgInfo, ...]:
    """The arguments of a function by its BTF. Raises Rejection for a global function that can't be checked, BadInput
    for a static one."""
    sub = env.subprogs[index]
    if sub.args is not None:
        return sub.args
    btf = env.program.btf
    if btf is None or not sub.type_id:
        _reject_args(env, sub, EFAULT, "Global functions need valid BTF")
    assert btf is not None
    func = btf.type(sub.type_id)
    proto = btf.type(func.type) if isinstance(func, t.Func) else None
    if not isinstance(proto, t.FuncProto):
        _reject_args(env, sub, EFAULT, f"Invalid type of function {sub.name}()")
    assert isinstance(proto, t.FuncProto)
    if len(proto.params) > 5:
        text = f"Global function {sub.name}() with {len(proto.params)} > 5 args. Buggy compiler."
        _reject_args(env, sub, EINVAL, text)
    if not isinstance(btf.resolve(proto.ret), (t.Int, t.Enum)):
        text = f"Global function {sub.name}() doesn't return scalar. Only those are supported."
        _reject_args(env, sub, EINVAL, text)
    tags = [(at, name) for at, name in btf.tags(sub.type_id) if name.startswith("arg:")]
    if tags:
        env.unsupported(f"tag {tags[0][1]} on argument {tags[0][0]} of {sub.name}()")
    sub.args = tuple(_arg(env, sub, i, param) for i, param in enumerate(proto.params))
    return sub.args


def _arg(env: Env, sub: Subprog, i: int, param: t.Param) -> ArgInfo:
    btf = env.program.btf
    assert btf is not None
    found = btf.resolve(param.type)
    if isinstance(found, (t.Int, t.Enum)):
        return ArgInfo("scalar")
    if isinstance(found, t.Ptr):
        target_id = btf.skip_mods(found.type)
        target = btf.type(target_id)
        if _is_ctx(env, target):
            return ArgInfo("ctx")
        if isinstance(target, t.Struct) and target.name == "bpf_dynptr":
            env.unsupported(f"a dynptr argument of {sub.name}()")
        if sub.is_global:
            try:
                return ArgInfo("mem", btf.size_of(target_id), True)
            except BadInput:
                what = "'UNKNOWN '" if isinstance(target, t.Void) else f"'{target.kind_name} {target.name}'"
                _reject_args(env, sub, EINVAL, f"arg#{i} reference type({what}) size cannot be determined: -22")
    _reject_args(env, sub, EINVAL, f"Arg#{i} type {found.kind_name} in {sub.name}() is not supported yet.")
    return ArgInfo("scalar")


def main_is_reliable(env: Env) -> None:
    """Look at the main program's own prototype, as the kernel does (its log lines matter, its result does not)."""
    sub = env.subprogs[0]
    if env.program.func_info:
        try:
            sub.unreliable = [arg.kind for arg in function_args(env, 0)] != ["ctx"]
        except (BadInput, Rejection):
            sub.unreliable = True


def entry_registers(env: Env, index: int) -> None:
    """r1..r5 at the start of a global function, as its BTF promises."""
    regs = env.frame.regs
    for i, arg in enumerate(function_args(env, index), 1):
        if arg.kind == "ctx":
            regs[i] = pointer(PTR_TO_CTX)
        elif arg.kind == "scalar":
            regs[i] = unknown()
        else:
            type_ = PTR_TO_MEM | (PTR_MAYBE_NULL if arg.nullable else 0)
            regs[i] = pointer(type_, id=env.new_id(), ptr=Pointee(mem_size=arg.size))


def _check_passed(env: Env, index: int) -> None:
    """What is passed to a global function fits its BTF."""
    for i, arg in enumerate(function_args(env, index)):
        regno = i + 1
        reg = env.frame.regs[regno]
        if arg.kind == "scalar":
            if reg.type != SCALAR_VALUE:
                env.reject(EINVAL, f"R{regno} is not a scalar")
        elif arg.kind == "ctx":
            check_arg_off(env, reg, regno, release=False)
            if reg.type != PTR_TO_CTX:
                env.reject(EINVAL, f"arg#{i} expects pointer to ctx")
        else:
            check_arg_off(env, reg, regno, release=False)
            check_mem_arg(env, regno, arg.size)


def check_mem_arg(env: Env, regno: int, size: int) -> None:
    """The pointer can be read and written for `size` bytes, or is NULL."""
    reg = env.frame.regs[regno]
    if is_null(reg):
        return
    if reg.type & PTR_MAYBE_NULL:
        env.frame.regs[regno] = reg.with_(type=reg.type & ~PTR_MAYBE_NULL)
    check_helper_mem_access(env, regno, size, False, True, None)
    check_helper_mem_access(env, regno, size, True, True, None)
    env.frame.regs[regno] = reg


def check_call_local(env: Env, insn: Insn, op: Op) -> int:
    """A call of another function of the program."""
    del op
    env.jmps_processed += 1
    target = env.insn_idx + insn.imm + 1
    index = env.subprog_at[target]
    sub = env.subprogs[index]
    if sub.is_global:
        return _call_global(env, index, sub)
    caller_no = len(env.state.frames) - 1
    if caller_no + 1 >= MAX_CALL_FRAMES:
        env.reject(E2BIG, f"the call stack of {caller_no + 2} frames is too deep")
    callee = Frame(env.insn_idx, caller_no + 1, index)
    callee.regs[1:6] = env.frame.regs[1:6]
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
    if sub.might_sleep:
        inside = state.active_rcu_lock or state.active_preempt_locks or state.active_irq_id
        if inside or not env.in_sleepable():
            env.report("global functions that may sleep are not allowed in non-sleepable context,")
            env.reject(EINVAL, "i.e., in a RCU/IRQ/preempt-disabled section, or in")
    try:
        _check_passed(env, index)
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
