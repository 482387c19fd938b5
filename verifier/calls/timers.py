# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Timers, work queues and task work in map values, and the functions they call later.

Such a function is walked as an entry of its own: nothing of the caller's state matters to it. Source:
kernel/bpf/verifier.c check_map_field_pointer, push_async_cb, set_timer_callback_state,
set_task_work_schedule_callback_state (6.18).
"""

from __future__ import annotations

from typing import Final

from bpfvm.isa.word import S32_MAX, S32_MIN
from bpfvm.obj.model import MapSpec
from verifier.calls.kfunc_state import KfuncCall
from verifier.env import Env, Pending
from verifier.memory.map_fields import map_record
from verifier.memory.special_fields import TASK_WORK, WQ
from verifier.rejection import E2BIG, EINVAL
from verifier.search.paths import COMPLEXITY_LIMIT_JMP_SEQ
from verifier.state.reg import Pointee, RegState, pointer
from verifier.state.reg_type import CONST_PTR_TO_MAP, PTR_TO_MAP_KEY, PTR_TO_MAP_VALUE
from verifier.state.states import MAIN_CALLSITE, Frame, VerifierState

WQ_SET_CALLBACK: Final = "bpf_wq_set_callback_impl"
TASK_WORK_KFUNCS: Final = frozenset(("bpf_task_work_schedule_signal_impl", "bpf_task_work_schedule_resume_impl"))
ASYNC_KFUNCS: Final = TASK_WORK_KFUNCS | {WQ_SET_CALLBACK}
"""kfuncs that have a function of the program called later."""


def check_map_field(env: Env, regno: int, kind: str) -> MapSpec:
    """The register points exactly at the one field of this kind in its map's value; returns the map."""
    reg = env.frame.regs[regno]
    map_ = reg.ptr.map
    assert map_ is not None
    if reg.num.var_off.mask:
        env.reject(EINVAL, f"R{regno} doesn't have constant offset. {kind} has to be at the constant offset")
    if map_.btf is None:
        env.reject(EINVAL, f"map '{map_.name}' has to have BTF in order to use {kind}")
    record = map_record(map_)
    if not record.has((kind,)):
        env.reject(EINVAL, f"map '{map_.name}' has no valid {kind}")
    off, have = reg.num.var_off.value + reg.off, record.offset_of(kind)
    if off != have:
        env.reject(EINVAL, f"off {off} doesn't point to 'struct {kind}' that is at {have}")
    return map_


def check_field_arg(env: Env, call: KfuncCall, i: int, reg: RegState, kind: str) -> None:
    """A `struct bpf_wq *` or `struct bpf_task_work *` argument of a kfunc."""
    if reg.type != PTR_TO_MAP_VALUE:
        env.reject(EINVAL, f"arg#{i} doesn't point to a map value")
    call.map = check_map_field(env, i + 1, kind)
    call.map_uid = reg.ptr.map_uid


def check_map_arg(env: Env, call: KfuncCall, i: int, reg: RegState) -> None:
    """A `void *p__map` argument: the map that the field passed before lives in."""
    regno, map_ = i + 1, reg.ptr.map
    if map_ is None:
        return  # a `struct bpf_map` of the kernel's
    record = map_record(map_)
    other = call.map is not map_ or call.map_uid != reg.ptr.map_uid
    if other and call.map is not None and record.has((WQ, TASK_WORK)):
        ids = f"map_uid={call.map_uid} doesn't match map pointer in R{regno} map_uid={reg.ptr.map_uid}"
        what = f"bpf_task_work pointer in R{i}" if record.has((TASK_WORK,)) else f"workqueue pointer in R{i}"
        env.reject(EINVAL, f"{what} {ids}")
    call.map, call.map_uid = map_, reg.ptr.map_uid


def push_async(env: Env, subprog: int, owner: RegState, *, sleepable: bool, any_result: bool = False) -> None:
    """Queue the function as an entry of its own: r1 is the map that `owner` belongs to, r2 a key, r3 the value."""
    sub = env.subprogs[subprog]
    sub.is_cb = sub.is_async_cb = True
    if len(env.pending) >= COMPLEXITY_LIMIT_JMP_SEQ:
        env.reject(E2BIG, f"The sequence of {len(env.pending) + 1} jumps is too complex for async cb.")
    frame = Frame(MAIN_CALLSITE, 0, subprog, env.read_marks)
    pointee = Pointee(map=owner.ptr.map, map_uid=owner.ptr.map_uid)
    kinds = (CONST_PTR_TO_MAP, PTR_TO_MAP_KEY, PTR_TO_MAP_VALUE)
    frame.regs[1:4] = [pointer(kind, ptr=pointee) for kind in kinds]
    frame.in_async_callback = True
    frame.callback_ret_range = (S32_MIN, S32_MAX) if any_result else (0, 0)
    frame.async_entry_cnt = env.frame.async_entry_cnt + 1
    state = VerifierState(frame, sub.start)
    state.first_insn_idx = 0
    state.in_sleepable = sleepable
    env.scratch_all()
    env.pending.append(Pending(state, sub.start, env.insn_idx, env.log.pos))


def push_kfunc_callback(env: Env, call: KfuncCall) -> None:
    """The function that a work queue or task work calls."""
    if call.kfunc.name == WQ_SET_CALLBACK:
        push_async(env, call.subprogno, env.frame.regs[1], sleepable=True)
    else:
        push_async(env, call.subprogno, env.frame.regs[3], sleepable=True, any_result=True)
