# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Explored states at prune points: is the current one covered, must it be remembered, does the program loop for ever?

Source: kernel/bpf/verifier.c is_state_visited, clean_live_states, propagate_precision, update_branch_counts (6.18).
"""

from __future__ import annotations

from typing import Final

from bpfvm.isa.word import umod64
from verifier.env import Env, StateEntry
from verifier.rejection import EINVAL
from verifier.search import scc
from verifier.search.backtrack import Backtrack, force_all_precise, forget_precision, walk_back
from verifier.search.equal import EXACT, NOT_EXACT, RANGE_WITHIN, states_equal
from verifier.search.loop_entries import enter_loop, in_open_loop, loop_entry
from verifier.state import read_marks
from verifier.state.reg import NOT_INITIALIZED
from verifier.state.reg_type import SCALAR_VALUE
from verifier.state.states import EMPTY_SLOT, STACK_ITER, VerifierState, same_callsites
from verifier.text.state_print import linfo, state_text

MAX_HISTORY: Final = 40
COMPLEXITY_LIMIT_STATES: Final = 64
"""Explored states per instruction of a program loaded without CAP_BPF."""
ITER_ACTIVE: Final = 1
MAY_GOTO: Final = 0xE5


def bucket(env: Env, insn: int) -> list[StateEntry]:
    """The explored states at an instruction (and those that share its hash)."""
    key = umod64(insn ^ env.frame.callsite, len(env.insns))
    found = env.explored.get(key)
    if found is None:
        found = env.explored[key] = []
    return found


def _clean(env: Env, state: VerifierState) -> None:
    """Forget what can't be read any more."""
    if env.read_marks:
        _clean_unread(state)
        return
    liveness = env.liveness
    assert liveness is not None
    liveness.ask_about(state)
    state.cleaned = True
    for frameno, frame in enumerate(state.frames):
        live = env.live_regs[state.frame_insn_idx(frameno)]
        for i in range(10):
            if not live >> i & 1:
                frame.regs[i] = NOT_INITIALIZED
        alive = liveness.alive(frameno)
        for spi in range(len(frame.stack)):
            if not alive >> spi & 1:
                frame.stack[spi] = EMPTY_SLOT


def _clean_unread(state: VerifierState) -> None:
    """The same up to 6.16: what no path from here read."""
    state.cleaned = True
    for frame in state.frames:
        marks = frame.marks
        assert marks is not None
        for i, mark in enumerate(marks.regs):
            if not mark.live & read_marks.READ:
                frame.regs[i] = NOT_INITIALIZED
            mark.live |= read_marks.DONE
        for spi in range(len(frame.stack)):
            if not marks.was_read(spi):
                frame.stack[spi] = EMPTY_SLOT
            marks.slot(spi).live |= read_marks.DONE


def _in_open_loop(env: Env, state: VerifierState) -> bool:
    """The state is part of a loop that is still being walked: its marks are not complete."""
    return in_open_loop(state) if env.read_marks else scc.incomplete(env, state)


def _clean_live_states(env: Env, entries: list[StateEntry], insn: int) -> None:
    for entry in entries:
        state = entry.state
        if state.branches or state.insn_idx != insn or state.cleaned:
            continue
        if same_callsites(state, env.state) and not _in_open_loop(env, state):
            _clean(env, state)


def propagate_precision(env: Env, old: VerifierState, cur: VerifierState) -> bool:
    """What was precise in the explored state `old` must be precise in the history of `cur`. True if a mark was made."""
    bt = Backtrack(len(cur.frames) - 1)
    verbose = env.log.level >= 2
    for frameno in range(len(old.frames) - 1, -1, -1):
        frame = old.frames[frameno]
        marks = frame.marks
        names = []
        for i in range(10):
            reg = frame.regs[i]
            if reg.precise and reg.type == SCALAR_VALUE and (marks is None or marks.regs[i].live & read_marks.READ):
                bt.regs[frameno] |= 1 << i
                names.append(f"r{i}")
        for spi, slot in enumerate(frame.stack):
            if slot.reg.precise and slot.is_spilled_scalar() and (marks is None or marks.was_read(spi)):
                bt.slots[frameno] |= 1 << spi
                names.append(f"fp{-(spi + 1) * 8}")
        if verbose and names:
            env.log.write(f"frame {frameno}: propagating {','.join(names)}\n")
    return walk_back(env, bt, cur)


def _maybe_looping(old: VerifierState, cur: VerifierState) -> bool:
    """Cheap test before the exact comparison: the registers of the innermost frame are alike, dead ones and references
    included, so a loop that acquires and releases repeats itself only where its registers were cleaned."""
    if len(old.frames) != len(cur.frames):
        return False
    for a, b in zip(old.frames[-1].regs, cur.frames[-1].regs, strict=True):
        if a is b:
            continue
        if a.type != b.type or a.id != b.id or a.ref_obj_id != b.ref_obj_id or a.off != b.off or not a.num.same(b.num):
            return False
        if a.ptr is not b.ptr and a.ptr != b.ptr:
            return False
    return True


def _iter_depths_differ(old: VerifierState, cur: VerifierState) -> bool:
    for frameno, frame in enumerate(old.frames):
        for spi, slot in enumerate(frame.stack):
            if slot.types[0] != STACK_ITER or slot.reg.ptr.iter_state != ITER_ACTIVE:
                continue
            if cur.frames[frameno].stack[spi].reg.ptr.iter_depth != slot.reg.ptr.iter_depth:
                return True
    return False


def _refuse_loop(env: Env, old: VerifierState, insn: int) -> None:
    linfo(env, insn, "; ")
    env.report(f"infinite loop detected at insn {insn}")
    last = len(env.state.frames) - 1
    if env.log.enabled:
        env.log.write("cur state:" + state_text(env, env.state, last, True))
        env.log.write("old state:" + state_text(env, old, last, True))
    message = f"infinite loop detected at insn {insn}"
    env.reject_quietly(EINVAL, message)


def _open_state_hit(env: Env, old: VerifierState, insn: int) -> tuple[bool, bool, bool]:
    """An explored state from which paths are still open. (it covers the current one, through a loop, skip the loop
    test)."""
    cur = env.state
    frame = old.frames[-1]
    if frame.in_async_callback and frame.async_entry_cnt != cur.frames[-1].async_entry_cnt:
        return False, False, True
    if env.iter_next[insn]:
        if states_equal(env, old, cur, RANGE_WITHIN):
            reg = cur.frames[-1].regs[1]
            spi = (-(reg.off + reg.num.var_off.value) - 1) >> 3
            slot = cur.frames[reg.frameno].stack[spi]
            if slot.reg.ptr.iter_state == ITER_ACTIVE:
                return True, True, True
        return False, False, True
    again = env.insns[insn].code == MAY_GOTO and old.may_goto_depth != cur.may_goto_depth
    if again and states_equal(env, old, cur, RANGE_WITHIN):
        return True, True, True
    if env.calls_callback[insn]:
        return states_equal(env, old, cur, RANGE_WITHIN), False, True
    return False, False, False


def is_state_visited(env: Env, insn: int) -> bool:
    """True if an explored state covers the current one, which then need not be walked; else it may be remembered."""
    cur = env.state
    force = bool(env.test_state_freq or env.force_checkpoints[insn] or len(cur.history) > MAX_HISTORY)
    since_jump = env.jmps_processed - env.prev_jmps_processed
    since_insn = env.insn_processed - env.prev_insn_processed
    add = force or (since_jump >= 2 and since_insn >= 8)
    entries = bucket(env, insn)
    if not entries and not add:
        return False
    _clean_live_states(env, entries, insn)
    count = 0
    loop = False
    for entry in entries[:]:
        count += 1
        old = entry.state
        if old.insn_idx != insn:
            continue
        if old.branches:
            hit, through, skip = _open_state_hit(env, old, insn)
            # where a callback returns, 6.18 doesn't say, and so goes by the explored state it looked at before
            loop = through or (loop and not env.read_marks)
            if not hit and not skip and _loops(env, old):
                _refuse_loop(env, old, insn)
            if not hit and not force and since_jump < 20 and since_insn < 100:
                add = False
        else:
            loop = _in_open_loop(env, old)
            hit = states_equal(env, old, cur, RANGE_WITHIN if loop else NOT_EXACT)
        if hit:
            _hit(env, entry, insn, loop)
            return True
        if add:
            entry.misses += 1
        n = 64 if env.force_checkpoints[insn] and old.branches > 0 else 3
        if entry.misses > entry.hits * n + n:
            entries.remove(entry)
            _evict(env, old)
    env.max_states_per_insn = max(env.max_states_per_insn, count)
    if add and (env.bpf_capable or count <= COMPLEXITY_LIMIT_STATES):
        _remember(env, entries, insn)
    return False


def _evict(env: Env, old: VerifierState) -> None:
    """The state is no longer compared with; it is kept while something may still refer to it."""
    env.explored_count -= 1
    if env.read_marks:
        env.peak_states -= old.cleaned and not old.used_as_loop_entry
    elif old.branches or scc.incomplete(env, old):
        env.free_count += 1
        env.parked.append(old)


def _loops(env: Env, old: VerifierState) -> bool:
    cur = env.state
    return (
        _maybe_looping(old, cur)
        and states_equal(env, old, cur, EXACT)
        and not _iter_depths_differ(old, cur)
        and old.may_goto_depth == cur.may_goto_depth
        and old.callback_unroll_depth == cur.callback_unroll_depth
    )


def _hit(env: Env, entry: StateEntry, insn: int, loop: bool) -> None:
    cur = env.state
    entry.hits += 1
    if env.read_marks:
        if loop:
            enter_loop(cur, entry.state if entry.state.branches else loop_entry(entry.state) or entry.state)
        env.longest_mark_walk = max(env.longest_mark_walk, read_marks.propagate(entry.state, cur))
    if env.jmp_points[insn]:
        env.push_history()
    propagate_precision(env, entry.state, cur)
    if loop and not env.read_marks:
        edge = cur.copy()
        edge.equal_state = entry.state
        edge.insn_idx = insn
        scc.add_backedge(env, entry.state, edge)


def _remember(env: Env, entries: list[StateEntry], insn: int) -> None:
    cur = env.state
    env.total_states += 1
    env.explored_count += 1
    if env.read_marks:
        env.peak_states += 1
    else:
        scc.update_peak(env)
    env.prev_jmps_processed = env.jmps_processed
    env.prev_insn_processed = env.insn_processed
    forget_precision(cur)
    new = cur.copy()
    new.insn_idx = insn
    if env.read_marks:
        read_marks.link(cur, new)
    else:
        scc.enter(env, new)
    cur.parent = new
    cur.first_insn_idx = insn
    cur.dfs_depth = new.dfs_depth + 1
    cur.history = []
    entries.insert(0, StateEntry(new))


def close_path(env: Env) -> None:
    """The current path ended: count down the open branches of its ancestors, completing loops that are done."""
    state: VerifierState | None = env.state
    while state is not None:
        state.branches -= 1
        if env.read_marks and not state.branches and state.parent is not None and state.loop_entry is not None:
            enter_loop(state.parent, state.loop_entry)
        if state.branches:
            return
        if env.read_marks:
            state = state.parent
            continue
        scc.leave(env, state, propagate_precision, force_all_precise)
        if env.parked and state in env.parked and not scc.incomplete(env, state):
            env.parked.remove(state)
            env.free_count -= 1
        state = state.parent
