# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The states the verifier saw before each instruction when no path is cut short, and whether run-time values lie in
them.

With pruning, a path may end in a state that only covers what matters later; without, every concrete run must follow
some recorded path exactly. So this checks the abstract operators, and by the verdict that pruning hid nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from unittest import mock

from bpfvm.isa.insn import Insn
from bpfvm.isa.table import Op
from bpfvm.isa.word import U64_MAX
from tests.differential.verifier_oracle import environment
from tests.fuzz.verifier.judge import program
from tests.fuzz.verifier.sample import Sample
from tests.fuzz.verifier.tcp_ca import TcpCa
from verifier import Rejection, walk
from verifier.env import Env
from verifier.reg import RegState
from verifier.reg_type import PTR_TO_CTX, PTR_TO_STACK, SCALAR_VALUE
from verifier.rejection import E2BIG
from verifier.transfer import Transfer
from verifier.verify import check

LIMIT: Final = 3000
"""Instructions after which exploring without pruning is given up."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """states[slot]: (number of frames, registers) for each visit. rejection: what exploring everything found."""

    states: dict[int, list[tuple[int, tuple[RegState, ...]]]]
    rejection: Rejection | None


def record(sample: Sample) -> Recorded | None:
    """All states of an accepted program; None if there are too many."""
    states: dict[int, list[tuple[int, tuple[RegState, ...]]]] = {}
    plain = walk._transfer

    def recording(insn: Insn, op: Op | None) -> Transfer | None:
        transfer = plain(insn, op)
        if transfer is None:
            return None

        def step(env: Env, insn: Insn, op: Op) -> int:
            states.setdefault(env.insn_idx, []).append((len(env.state.frames), tuple(env.frame.regs)))
            return transfer(env, insn, op)

        return step

    env = replace(environment(), struct_ops=TcpCa(), strict_alignment=sample.strict)
    with (
        mock.patch.object(walk, "_transfer", recording),
        mock.patch.object(walk, "is_state_visited", lambda _env, _i: False),
        mock.patch.object(walk, "COMPLEXITY_LIMIT_INSNS", LIMIT),
    ):
        rejection, _ = check(program(sample), env, log_level=0)
    if rejection is not None and rejection.errno == E2BIG:
        return None
    return Recorded(states, rejection)


def _inside(reg: RegState, frames: int, value: int, fp: int, ctx: int) -> bool:
    if reg.type == SCALAR_VALUE:
        return reg.num.contains(value)
    if reg.type == PTR_TO_STACK and reg.frameno == frames - 1:
        return reg.num.contains((value - fp - reg.off) & U64_MAX)
    if reg.type == PTR_TO_CTX:
        return reg.num.contains((value - ctx - reg.off) & U64_MAX)
    return True


def outside(recorded: Recorded, slot: int, values: Sequence[int], ctx: int) -> str:
    """ "" if some recorded state of the slot has room for these registers, else what is wrong."""
    visits = recorded.states.get(slot)
    if visits is None:
        return f"insn {slot} runs, but the verifier never saw it"
    for frames, regs in visits:
        if all(_inside(reg, frames, values[i], values[10], ctx) for i, reg in enumerate(regs)):
            return ""
    _, regs = visits[-1]
    wrong = [
        f"r{i}={values[i]:#x} ({reg.fmt()})" for i, reg in enumerate(regs) if not _inside(reg, 0, values[i], 0, ctx)
    ]
    return f"insn {slot}: none of {len(visits)} states has room for " + ", ".join(wrong)
