# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Widening: numbers that differ between two rounds of a loop and don't matter are forgotten, so that the loop
converges.

Source: kernel/bpf/verifier.c find_prev_entry, widen_imprecise_scalars, maybe_widen_reg (6.18).
"""

from __future__ import annotations

from verifier.env import Env
from verifier.search.equal import IdMap, regs_exact
from verifier.search.prune import bucket
from verifier.state.reg import RegState, unknown
from verifier.state.reg_type import SCALAR_VALUE
from verifier.state.states import StackSlot, VerifierState, same_callsites


def find_prev_entry(env: Env, cur: VerifierState, insn: int) -> VerifierState | None:
    """The latest explored state at `insn` that `cur` descends from through a loop: same chain of calls, still open."""
    for entry in bucket(env, insn):
        state = entry.state
        if state.insn_idx == insn and state.branches and state.dfs_depth < cur.dfs_depth and same_callsites(state, cur):
            return state
    return None


def _widened(old: RegState, cur: RegState, ids: IdMap) -> RegState:
    if old.type != SCALAR_VALUE or cur.type != SCALAR_VALUE:
        return cur
    if old.precise or cur.precise or regs_exact(old, cur, ids):
        return cur
    return unknown()


def widen_imprecise(env: Env, old: VerifierState, cur: VerifierState) -> None:
    """Forget in `cur` the imprecise numbers that are not as they were in `old`."""
    ids = IdMap(env.id_gen)
    for frameno in range(len(old.frames) - 1, -1, -1):
        a, b = old.frames[frameno], cur.frames[frameno]
        for i in range(11):
            b.regs[i] = _widened(a.regs[i], b.regs[i], ids)
        for spi, slot in enumerate(a.stack[: len(b.stack)]):
            other = b.stack[spi]
            if slot.is_spilled() and other.is_spilled():
                new = _widened(slot.reg, other.reg, ids)
                if new is not other.reg:
                    b.stack[spi] = StackSlot(other.types, new)


def widen_before_next_round(env: Env, queued: VerifierState, insn: int) -> None:
    """`queued` is about to go through a may_goto or iterator loop once more."""
    parent = env.state.parent
    prev = find_prev_entry(env, parent, insn) if parent is not None else None
    if prev is not None:
        widen_imprecise(env, prev, queued)
