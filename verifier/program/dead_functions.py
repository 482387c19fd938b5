# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Functions that no path enters: kernel/bpf/verifier.c opt_remove_dead_code, jit_subprogs (6.18)."""

from __future__ import annotations

from verifier.env import Env
from verifier.program.cfg import is_func_ref
from verifier.rejection import EFAULT


def check_taken_addresses(env: Env) -> None:
    """The kernel removes functions that were never entered. An address taken of one then means what comes next, and
    if nothing does, there is nothing to compile for it, which the kernel takes for a bug of its own."""
    entered = [subprog.start for subprog in env.subprogs if env.seen[subprog.start]]
    if len(entered) < 2:
        return  # a single function is compiled without looking for others
    for i, insn in enumerate(env.insns):
        target = i + insn.imm + 1
        if is_func_ref(insn) and env.seen[i] and target > entered[-1]:
            left = sum(1 + (env.insns[at].code == 0x18) for at in range(target) if env.seen[at])
            text = f"verifier bug: No program to jit at insn {left} (subprog < 0)"
            env.reject(EFAULT, "" if env.profile.old_texts else text)
