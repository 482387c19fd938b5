# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A watcher of the walk, for tools and tests that ask what the verifier believed at some point.

Without one nothing is paid: it is put between the walk and the abstract functions before the walk starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpfvm.isa.insn import Insn
from bpfvm.isa.table import Op

if TYPE_CHECKING:
    from verifier.env import Env
    from verifier.steps.transfer import Transfer


class Observer:
    """Called with the state before each instruction that is looked at.

    follows_all_paths: no path is cut short because an earlier one covers it. A covered path need not lie within what
    was recorded (only within what matters later), so whoever compares with real runs wants all of them; programs with
    endless loops are then refused at the limit of instructions.
    """

    follows_all_paths = False

    def before(self, env: Env) -> None:
        """The instruction is `env.insn_idx`, the state `env.state`; registers and stack slots in it are immutable."""
        raise NotImplementedError


def observed(observer: Observer, transfer: Transfer) -> Transfer:
    """The abstract function, with the observer called first."""

    def step(env: Env, insn: Insn, op: Op) -> int:
        observer.before(env)
        return transfer(env, insn, op)

    return step
