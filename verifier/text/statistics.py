# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The log's last lines: how much work it was, and how much stack every function will need.

Source: kernel/bpf/verifier.c print_verification_stats, optimize_bpf_loop, do_misc_fixups (6.12, 6.18). The line with
the time the kernel took is left out: the same program gives the same log here.
"""

from __future__ import annotations

from typing import Final

from bpfvm.isa.opcodes import BPF_COMPLEXITY_LIMIT_INSNS
from verifier.env import Env
from verifier.program.cfg import subprog_end
from verifier.steps.exceptions import THROW

MAY_GOTO: Final = 0xE5
LOOP_SLOTS: Final = 3 * 8
"""Registers that the kernel saves around a loop it puts in place of bpf_loop()."""


def note_rewrites(env: Env) -> None:
    """After the walk: stack that the kernel's rewrites will add to the functions (Subprog.added_stack)."""
    for index, sub in enumerate(env.subprogs):
        slots = range(sub.start, subprog_end(env, index))
        reached = [i for i in slots if env.seen[i]]
        if any(env.loop_calls.get(i, -1) >= 0 for i in reached):
            sub.added_stack += LOOP_SLOTS + (-sub.stack_depth & 7)
        if any(env.insns[i].code == MAY_GOTO for i in reached):
            sub.added_stack += env.profile.may_goto_bytes


def _stack_depths(env: Env, accepted: bool) -> list[int]:
    """Of an accepted program functions that are never reached are gone, and one that handles exceptions may be new."""
    subs = env.subprogs
    if not accepted:
        return [sub.stack_depth for sub in subs]
    depths = [
        sub.stack_depth + sub.added_stack
        for index, sub in enumerate(subs)
        if any(env.seen[sub.start : subprog_end(env, index)])
    ]
    throws = any(meta.name == THROW for meta in env.kfuncs.values())
    return [*depths, 0] if throws and not env.exception_callback else depths


def write_statistics(env: Env, *, accepted: bool) -> None:
    """Append the lines, whatever the log level."""
    if env.log.stats:
        env.log.always(f"stack depth {'+'.join(map(str, _stack_depths(env, accepted)))}\n")
    env.log.always(
        f"processed {env.insn_processed} insns (limit {BPF_COMPLEXITY_LIMIT_INSNS}) "
        f"max_states_per_insn {env.max_states_per_insn} total_states {env.total_states} "
        f"peak_states {env.peak_states} mark_read {env.longest_mark_walk}\n"
    )
