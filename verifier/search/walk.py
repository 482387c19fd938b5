# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The walk over all paths: kernel/bpf/verifier.c do_check, do_check_common, push_stack, pop_stack (6.18)."""

from __future__ import annotations

from typing import Final

from bpfvm.isa.insn import Insn
from bpfvm.isa.table import Op
from verifier.env import Env
from verifier.program.func_args import entry_registers, function_args
from verifier.program.insn_check import is_well_formed, refuse_reserved
from verifier.program.subprogs import main_is_reliable
from verifier.rejection import E2BIG, Rejection
from verifier.search.observe import observed
from verifier.search.prune import close_path, is_state_visited
from verifier.state.reg import pointer
from verifier.state.reg_type import PTR_TO_CTX
from verifier.state.states import MAIN_CALLSITE, Frame, VerifierState
from verifier.steps.exceptions import check_exception_args
from verifier.steps.sanitize import with_barrier
from verifier.steps.transfer import EXIT, RETURNED, TRANSFER, Transfer
from verifier.text.state_print import print_insn, print_insn_state, state_text

SPECULATIVE: Final = " (speculative execution)"


def check_function(env: Env, subprog: int) -> None:
    """Walk all paths of the main program (0) or of a global function. Raises Rejection."""
    sub = env.subprogs[subprog]
    frame = Frame(MAIN_CALLSITE, 0, subprog, env.read_marks)
    state = VerifierState(frame, sub.start)
    env.walking = True
    env.insn_idx = sub.start
    env.prev_insn_idx = -1
    env.prev_line = None
    env.set_state(state)
    env.scratch_all()
    if subprog or env.replaces:
        env.report(f"Validating {sub.name}() func#{subprog}...")
        if sub.is_exception_cb:
            frame.in_exception_callback = True
            check_exception_args(env, function_args(env, subprog))
        entry_registers(env, subprog)
    else:
        main_is_reliable(env)
        frame.regs[1] = pointer(PTR_TO_CTX)
    _walk(env)
    if env.log.level < 2:
        env.log.reset(0)
    env.explored.clear()
    env.scc_visits.clear()
    env.parked.clear()
    env.walking = False


def _transfer(insn: Insn, op: Op | None) -> Transfer | None:
    return TRANSFER[op.name] if op is not None and is_well_formed(insn, op) else None


def _step(env: Env, transfer: Transfer | None, op: Op | None) -> int:
    """The effect of the current instruction."""
    i = env.insn_idx
    insn, liveness = env.insns[i], env.liveness
    if transfer is None or op is None:
        refuse_reserved(env, insn, op)
    if not env.is_store[i] or liveness is None:
        return transfer(env, insn, op)
    liveness.begin_insn()
    following = transfer(env, insn, op)
    liveness.commit_insn(i)
    return following


def _mispredicted(env: Env, transfer: Transfer | None, op: Op | None) -> int:
    """The same on a path that only speculation takes: it ends at a barrier."""
    i = env.insn_idx
    if env.nospec[i]:
        return EXIT
    try:
        following = _step(env, transfer, op)
    except Rejection as found:
        with_barrier(env, i, found)
        if env.is_store[i] and env.liveness is not None:
            env.liveness.commit_insn(i)
        return EXIT
    return EXIT if env.profile.barriers and env.nospec_result[i] else following


def _walk(env: Env) -> None:
    program = [_transfer(insn, op) for insn, op in zip(env.insns, env.ops, strict=True)]
    prune_points, jmp_points, is_store = env.prune_points, env.jmp_points, env.is_store
    observer = env.observer
    if observer is not None:
        program = [observed(observer, transfer) if transfer is not None else None for transfer in program]
        if observer.follows_all_paths:
            prune_points = bytearray(len(prune_points))
    limit = env.complexity_limit
    insns, ops, log, seen = env.insns, env.ops, env.log, env.seen
    liveness = env.liveness
    assert liveness is not None
    level = log.level
    print_state = False
    prev = -1
    while True:
        env.cur_history = None
        env.prev_insn_idx = prev
        i = env.insn_idx
        env.insn_processed += 1
        if env.insn_processed > limit:
            env.reject(E2BIG, f"BPF program is too large. Processed {env.insn_processed} insn")
        state = env.state
        state.last_insn_idx = prev
        state.insn_idx = i
        following = EXIT
        if not prune_points[i] or not is_state_visited(env, i):
            if jmp_points[i]:
                env.push_history()
            if level:
                if level >= 2 and print_state:
                    how = SPECULATIVE if state.speculative else ""
                    log.write(f"\nfrom {prev} to {i}{how}:{state_text(env, state, len(state.frames) - 1, True)}")
                    print_state = False
                if env.scratched_regs or env.scratched_slots:
                    print_insn_state(env, state)
                print_insn(env)
            prev = i
            transfer, op = program[i], ops[i]
            if state.speculative:
                following = _mispredicted(env, transfer, op)
            elif transfer is None or op is None or is_store[i]:
                following = _step(env, transfer, op)
                seen[i] = 1
            else:
                following = transfer(env, insns[i], op)
                seen[i] = 1
            if following >= 0:
                env.insn_idx = following
                continue
            if following == RETURNED:
                print_state = True
                continue
        elif level:
            how = SPECULATIVE if state.speculative else ""
            log.write(f"\nfrom {prev} to {i}{how}: safe\n" if print_state else f"{i}: safe\n")
        env.scratch_all()
        close_path(env)
        liveness.update()
        if not env.pending:
            return
        item = env.pending.pop()
        env.set_state(item.state)
        if level < 2:
            log.reset(item.log_pos)
        env.insn_idx, prev = item.insn_idx, item.prev_insn_idx
        print_state = True
