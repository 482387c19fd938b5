# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Calls and returns (RFC 9669 sections 4.3.1 and 4.3.2; tail calls: Linux 6.18 kernel/bpf/core.c ___bpf_prog_run).

r1 to r5 are arguments and r0 is the result. A called function of the program gets its own r6 to r9 and its own stack.
"""

from __future__ import annotations

from bpfvm.engine.step import EXIT, TAIL, Place, Regs, Step
from bpfvm.engine.trap import Unsupported
from bpfvm.isa.helper_ids import HELPER_ID
from bpfvm.isa.word import U32_MAX, U64_MAX


def call(place: Place) -> Step:
    """r0 = helper function imm; bpf_tail_call goes to another program instead."""
    func_id, machine, following = place.insn.imm, place.machine, place.next
    if func_id == HELPER_ID["tail_call"]:
        return _tail_call(place)

    def step(r: Regs) -> int:
        r[0] = machine.services.helper(func_id, (r[1], r[2], r[3], r[4], r[5]), machine.frame) & U64_MAX
        return following

    return step


def call_kfunc(place: Place) -> Step:
    """r0 = kernel function with BTF id imm."""
    btf_id, machine, following = place.insn.imm, place.machine, place.next

    def step(r: Regs) -> int:
        r[0] = machine.services.kfunc(btf_id, (r[1], r[2], r[3], r[4], r[5]), machine.frame) & U64_MAX
        return following

    return step


def call_local(place: Place) -> Step:
    """r0 = the function of this program at imm, in a frame of its own."""
    start, machine, following = place.target(place.insn.imm), place.machine, place.next

    def step(r: Regs) -> int:
        r[0] = machine.enter(machine.frame.image, start, (r[1], r[2], r[3], r[4], r[5]))
        return following

    return step


def exit(_: Place) -> Step:
    """Return r0 to the caller."""
    return lambda _: EXIT


def callx(place: Place) -> Step:
    """r0 = the helper function whose number is in the register; in raw programs only, as Linux has no callx."""
    if place.image.verified:
        raise Unsupported("callx (call of an address in a register) is not supported")
    dst, machine, following = place.insn.dst, place.machine, place.next

    def step(r: Regs) -> int:
        func_id = r[dst] & U32_MAX
        r[0] = machine.services.helper(func_id, (r[1], r[2], r[3], r[4], r[5]), machine.frame) & U64_MAX
        return following

    return step


def _tail_call(place: Place) -> Step:
    """Go on with program r3 of the program array r2 in this frame, with context r1; fall through if there is none."""
    machine, following = place.machine, place.next
    return lambda r: TAIL if machine.tail_call(r[2], r[3] & U32_MAX) else following
