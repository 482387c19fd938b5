# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers that call a function of the program: kernel/bpf/verifier.c push_callback_call, set_loop_callback_state,
set_map_elem_callback_state, set_find_vma_callback_state, set_user_ringbuf_callback_state (6.18)."""

from __future__ import annotations

from typing import Final

from bpfvm.btf import types as t
from bpfvm.isa.insn import Insn
from verifier.calls.dynptrs import LOCAL, dynptr_reg
from verifier.calls.helper_state import CallMeta
from verifier.env import Env
from verifier.memory.stack import is_null
from verifier.program.func_args import match_static_args
from verifier.rejection import E2BIG, ENOTSUPP
from verifier.search.backtrack import mark_chain_precision
from verifier.search.paths import push_path
from verifier.state.reg import NOT_INITIALIZED, Pointee, RegState, pointer, unknown
from verifier.state.reg_type import CONST_PTR_TO_MAP, PTR_TO_BTF_ID, PTR_TO_MAP_KEY, PTR_TO_MAP_VALUE
from verifier.state.states import Frame

FOR_EACH_MAPS: Final = frozenset(
    ("hash", "lru_hash", "percpu_hash", "lru_percpu_hash", "array", "percpu_array", "arena")
)
MAX_CALL_FRAMES: Final = 8


def push_callback(env: Env, insn: Insn, subprog: int, args: list[RegState], ctx: tuple[int, int] = (0, 0)) -> None:
    """Queue a path through the callback, with these r1..r5; the current path goes on as if it were not called
    (again). ctx: (register of the callee, register of the caller it is a copy of)."""
    del insn
    match_static_args(env, subprog)
    env.subprogs[subprog].is_cb = True
    start = env.subprogs[subprog].start
    state = push_path(env, start, env.insn_idx)
    if len(state.frames) >= MAX_CALL_FRAMES:
        env.reject(E2BIG, f"the call stack of {len(state.frames) + 1} frames is too deep")
    callee = Frame(env.insn_idx, len(state.frames), subprog, env.read_marks)
    callee.regs[1 : 1 + len(args)] = args
    if callee.marks is not None and ctx[0]:
        callee.marks.take(ctx[0], env.marks().regs[ctx[1]])
    callee.in_callback = True
    callee.callback_ret_range = (0, 1)
    state.frames.append(callee)
    env.scratch_all()
    state.callback_unroll_depth += 1
    state.frames[-2].callback_depth += 1
    env.frame.callback_depth = 0


def check_loop(env: Env, insn: Insn, subprog: int) -> None:
    """bpf_loop(): the callback gets the round's number and the context."""
    _note_inlining(env, subprog)
    mark_chain_precision(env, 1)
    regs, frame = env.frame.regs, env.frame
    if frame.callback_depth < regs[1].num.umax:
        push_callback(env, insn, subprog, [unknown(), regs[3], *[NOT_INITIALIZED] * 3], (2, 3))
        return
    frame.callback_depth = 0
    if env.log.level >= 2:
        env.log.write(f"frame{len(env.state.frames) - 1} bpf_loop iteration limit reached\n")


def _note_inlining(env: Env, subprog: int) -> None:
    """The kernel will put the loop in place of the call if its flags are always 0 and its callback is always the same;
    that the flags are 0 then matters."""
    before = env.loop_calls.get(env.insn_idx, subprog)
    if before < 0:
        return
    plain = is_null(env.frame.regs[4])
    if plain:
        mark_chain_precision(env, 4)
    env.loop_calls[env.insn_idx] = subprog if plain and before == subprog else -1


def check_for_each(env: Env, insn: Insn, meta: CallMeta) -> None:
    """bpf_for_each_map_elem(): the callback gets map, key, value and context."""
    map_ = meta.map
    assert map_ is not None
    if map_.map_type not in FOR_EACH_MAPS or map_.map_type == "arena":
        env.reject(ENOTSUPP, "callback function not allowed for map")
    pointee = Pointee(map=map_, map_uid=meta.map_uid)
    args = [
        pointer(CONST_PTR_TO_MAP, ptr=pointee),
        pointer(PTR_TO_MAP_KEY, ptr=pointee),
        pointer(PTR_TO_MAP_VALUE, ptr=pointee),
        env.frame.regs[3],
        NOT_INITIALIZED,
    ]
    push_callback(env, insn, meta.subprogno, args, (4, 3))


def check_find_vma(env: Env, insn: Insn, meta: CallMeta) -> None:
    """bpf_find_vma(): the callback gets the task, the memory area and the context."""
    regs, btf = env.frame.regs, env.kernel_btf
    area = pointer(PTR_TO_BTF_ID, ptr=Pointee(btf=btf, btf_id=btf.find("vm_area_struct", t.Struct)))
    push_callback(env, insn, meta.subprogno, [regs[1], area, regs[4], NOT_INITIALIZED, NOT_INITIALIZED], (3, 4))


def check_drain(env: Env, insn: Insn, meta: CallMeta) -> None:
    """bpf_user_ringbuf_drain(): the callback gets a dynptr of the kernel's, and the context."""
    args = [dynptr_reg(LOCAL, env.new_id()), env.frame.regs[3], *[NOT_INITIALIZED] * 3]
    push_callback(env, insn, meta.subprogno, args, (2, 3))
