# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Paths that wait to be walked: kernel/bpf/verifier.c push_stack (6.18)."""

from __future__ import annotations

from typing import Final

from verifier.env import Env, Pending
from verifier.rejection import EFAULT
from verifier.state.states import VerifierState

COMPLEXITY_LIMIT_JMP_SEQ: Final = 8192


def push_path(env: Env, insn_idx: int, prev_insn_idx: int, *, speculative: bool = False) -> VerifierState:
    """Queue a copy of the current state to be continued at `insn_idx` later; returns the copy for changes.
    speculative: only a CPU that guesses wrong goes there; what starts on such a path is on such a path, too."""
    state = env.state.copy()
    state.speculative = state.speculative or speculative
    env.pending.append(Pending(state, insn_idx, prev_insn_idx, env.log.pos))
    if len(env.pending) > COMPLEXITY_LIMIT_JMP_SEQ:
        env.reject(EFAULT, f"The sequence of {len(env.pending)} jumps is too complex.")
    if state.parent is not None:
        state.parent.branches += 1
    return state
