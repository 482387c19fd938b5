# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How many instructions a run of a verified program can take.

A run follows the walk that accepted the program. Where the walk stopped at a state seen before, the run goes on along
the older state's paths, which were walked to their ends by then; so it never comes to a walked instruction twice, and
takes no more than were walked. Not so where the walk stops although its own path isn't finished: in loops of may_goto,
open-coded iterators and callbacks. Global functions are walked once however often they are called, and a tail call
goes on in a program that isn't known.
"""

from __future__ import annotations

from typing import Final

from bpfvm.isa.helper_ids import HELPER_ID
from bpfvm.isa.insn import Insn
from verifier.env import Env

CALL: Final = 0x85
MAY_GOTO: Final = 0xE5


def longest_run(run: Env) -> int:
    """Most instructions that one run can take; 0 when that isn't known."""
    if any(run.iter_next) or any(run.calls_callback) or any(map(_unbounded, run.insns)):
        return 0
    if any(sub.is_global and not sub.is_exception_cb for sub in run.subprogs[1:]):
        return 0
    return run.insn_processed


def _unbounded(insn: Insn) -> bool:
    tail_call = insn.code == CALL and not insn.src and insn.imm == HELPER_ID["tail_call"]
    return tail_call or insn.code == MAY_GOTO
