# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Functions that no path enters, and addresses taken of them: kernel/bpf/verifier.c opt_hard_wire_dead_code_branches,
opt_remove_dead_code, opt_remove_nops, jit_subprogs; kernel/bpf/core.c bpf_adj_delta_to_imm (6.18)."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from verifier.env import Env
from verifier.program.cfg import is_func_ref
from verifier.rejection import EFAULT
from verifier.steps.exceptions import THROW

HANDLER_SIZE: Final = 2
CALL: Final = 0x85
LD_IMM64: Final = 0x18
GOTO: Final = 0x05
MAY_GOTO: Final = 0xE5
UNCONDITIONAL: Final = frozenset((0x05, 0x06, 0x85, 0x8D, 0x95))
"""goto, gotol, calls, exit"""


def check_taken_addresses(env: Env) -> None:
    """The kernel removes what was never reached. The address of a function that is gone then means an instruction
    behind it; where that doesn't begin a function, there is nothing to compile for it, which the kernel takes for a bug
    of its own. It numbers what is left, and what it put in place of calls and loads, which isn't counted here."""
    entered = [subprog.start for subprog in env.subprogs if env.seen[subprog.start]]
    handler = _handler(env)
    if len(entered) < 2 and not handler:
        return  # a single function is compiled without looking for others
    taken = [i + insn.imm + 1 for i, insn in enumerate(env.insns) if is_func_ref(insn) and env.seen[i]]
    if all(env.seen[target] for target in taken):
        return
    reached = _reached(env)
    regions = _unreached(reached)
    nops = _nops(env, reached)
    starts = {_without_nops(_behind(start, regions), nops) for start in entered}
    for target in dict.fromkeys(taken):
        place = _without_nops(_behind(target, regions), nops)
        if place not in starts:
            place += handler if place >= sum(reached) - len(nops) else 0
            text = f"verifier bug: No program to jit at insn {place} (subprog < 0)"
            env.reject(EFAULT, "" if env.profile.old_texts else text)


def _handler(env: Env) -> int:
    """How many instructions the kernel puts behind a program that throws and doesn't catch."""
    throws = [number for number, meta in env.kfuncs.items() if meta.name == THROW]
    if not throws or env.exception_callback:
        return 0
    calls = (i for i, insn in enumerate(env.insns) if insn.code == CALL and insn.src == 2 and insn.imm in throws)
    return HANDLER_SIZE if any(env.seen[i] for i in calls) else 0


def _reached(env: Env) -> bytearray:
    """By slot: it stays."""
    reached = bytearray(env.seen)
    for i, insn in enumerate(env.insns):
        if insn.code == LD_IMM64 and reached[i]:
            reached[i + 1] = 1
    return reached


def _unreached(reached: bytearray) -> list[tuple[int, int]]:
    """First slot and length of each run of slots that go."""
    found: list[tuple[int, int]] = []
    start = 0
    for i in range(len(reached) + 1):
        if i == len(reached) or reached[i]:
            if i > start:
                found.append((start, i - start))
            start = i + 1
    return found


def _behind(target: int, regions: list[tuple[int, int]]) -> int:
    """The number that a jump or call to slot `target` names when the regions are gone, one after the other. What named
    the inside of a region goes on naming the same number, wherever that is now."""
    removed = 0
    for start, count in regions:
        if target >= start - removed + count:
            target -= count
        removed += count
    return target


def _nops(env: Env, reached: bytearray) -> list[int]:
    """What is left and jumps to what comes next, by its new number; a branch never taken, or always, is such a jump."""
    found: list[int] = []
    before = 0
    place = []
    for flag in reached:
        place.append(before)
        before += flag
    for i, insn in enumerate(env.insns):
        if not reached[i] or insn.code & 7 not in (5, 6) or (insn.code in UNCONDITIONAL and insn.code != GOTO):
            continue
        target = i + insn.off + 1
        never = not reached[target]
        always = insn.code == GOTO or insn.code == MAY_GOTO or not reached[i + 1]
        if never or (always and target > i and place[target] == place[i] + 1):
            found.append(place[i])
    return found


def _without_nops(target: int, nops: list[int]) -> int:
    """The number when those are gone, too."""
    return target - bisect_left(nops, target)
