# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The states the verifier saw before each instruction when no path is cut short.

With pruning, a path may end in a state that only covers what matters later; without, every concrete run must follow
some recorded path exactly. So this checks the abstract operators, and by the verdict that pruning hid nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from tests.differential.verifier_oracle import environment
from tests.fuzz.verifier.judge import program
from tests.fuzz.verifier.sample import Sample
from tests.fuzz.verifier.tcp_ca import TcpCa
from tests.fuzz.verifier.world import World
from verifier import Rejection
from verifier.env import Env
from verifier.rejection import E2BIG
from verifier.search.observe import Observer
from verifier.state.reg import RegState
from verifier.state.states import StackSlot
from verifier.verify import check

LIMIT: Final = 3000
"""Instructions after which exploring without pruning is given up."""

Visit = tuple[tuple[RegState, ...], tuple[tuple[StackSlot, ...], ...]]
"""Registers of the innermost frame, stack of each frame from the outermost on."""


@dataclass(slots=True)
class Recorded(Observer):
    """visits[slot]: each time the instruction was looked at. rejection: what exploring everything found."""

    visits: dict[int, list[Visit]] = field(default_factory=dict)
    rejection: Rejection | None = None
    follows_all_paths = True

    def before(self, env: Env) -> None:
        stacks = tuple(tuple(frame.stack) for frame in env.state.frames)
        self.visits.setdefault(env.insn_idx, []).append((tuple(env.frame.regs), stacks))


def record(sample: Sample) -> Recorded | None:
    """All states of an accepted program; None if there are too many, as always with open-coded iterators: without
    pruning the verifier never leaves their loops."""
    seen = Recorded()
    env = replace(
        environment(), struct_ops=TcpCa(), strict_alignment=sample.strict, complexity_limit=LIMIT, observer=seen
    )
    seen.rejection, run = check(program(sample), env, log_level=0)
    too_many = seen.rejection is not None and seen.rejection.errno == E2BIG
    if too_many or any(run.iter_next):
        return None
    return seen


def outside(recorded: Recorded, slot: int, world: World) -> str:
    """ "" if some recorded state of the slot has room for what the machine holds now, else what is wrong."""
    visits = recorded.visits.get(slot)
    if visits is None:
        return f"insn {slot} runs, but the verifier never saw it"
    wrong = ""
    for regs, stacks in visits:
        if len(stacks) != world.depth:
            continue
        wrong = world.wrong_register(regs) or world.wrong_stack(stacks)
        if not wrong:
            return ""
    return f"insn {slot}: none of {len(visits)} states has room; the last one says {wrong or 'another call depth'}"
