# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Scalars that share an id are known to be equal, or to differ by a constant; what is learnt of one is learnt of all.

Source: kernel/bpf/verifier.c assign_scalar_id_before_mov, clear_scalar_id, collect_linked_regs, sync_linked_regs
(6.18).
"""

from __future__ import annotations

from typing import Final

from verifier.env import Env
from verifier.numbers import cnum, old_alu
from verifier.numbers.scalar_alu import add
from verifier.state.reg import ADD_CONST, ADD_CONST32, RegState
from verifier.state.reg_type import SCALAR_VALUE
from verifier.state.states import StackSlot, VerifierState

MAX_LINKED: Final = 6
ALL_REGS: Final = 0x3FF
Linked = list[tuple[int, bool, int]]
"""(frame, whether a register, its number or the stack slot's)."""


def clear_id(reg: RegState) -> RegState:
    """The scalar without its links."""
    return reg.with_(id=0, off=0) if reg.id or reg.off else reg


def with_id_before_mov(env: Env, regno: int) -> RegState:
    """The register, given an id if it is a scalar worth tracking, because a copy of it is about to be made."""
    reg = env.frame.regs[regno]
    if reg.type != SCALAR_VALUE:
        return reg
    if reg.id & ADD_CONST:
        reg = reg.with_(id=0, off=0)
        env.frame.regs[regno] = reg
    if not reg.id and reg.num.var_off.mask:
        reg = reg.with_(id=env.new_id())
        env.frame.regs[regno] = reg
    return reg


def collect_linked(env: Env, id_: int, linked: Linked) -> None:
    """Append every live scalar with the id, innermost frame first; those that don't fit lose their id."""
    id_ &= ~ADD_CONST
    frames = env.state.frames
    for frameno in range(len(frames) - 1, -1, -1):
        frame = frames[frameno]
        regs = frame.regs
        live = ALL_REGS if env.read_marks else env.live_regs[env.state.frame_insn_idx(frameno)]
        for i in range(10):
            reg = regs[i]
            if live >> i & 1 and reg.id & ~ADD_CONST == id_ and reg.type == SCALAR_VALUE:
                if len(linked) < MAX_LINKED:
                    linked.append((frameno, True, i))
                else:
                    regs[i] = clear_id(reg)
        for spi, slot in enumerate(frame.stack):
            reg = slot.reg
            if reg.id & ~ADD_CONST == id_ and reg.type == SCALAR_VALUE and slot.is_spilled():
                if len(linked) < MAX_LINKED:
                    linked.append((frameno, False, spi))
                else:
                    frame.stack[spi] = StackSlot(slot.types, clear_id(reg))


def sync_linked(state: VerifierState, known: RegState, linked: Linked, old: bool = False) -> None:
    """Tell the linked scalars of `state` what is known of one of them. old: with the arithmetic of 6.12, which leaves
    the sum as it is."""
    for frameno, is_reg, number in linked:
        frame = state.frames[frameno]
        reg = frame.regs[number] if is_reg else frame.stack[number].reg
        if reg.type != SCALAR_VALUE or reg is known:
            continue
        if reg.id & ~ADD_CONST != known.id & ~ADD_CONST:
            continue
        if (reg.id ^ known.id) & ADD_CONST == ADD_CONST:
            continue  # one constant was added in 32 bits, the other in 64
        new = _taught(reg, known, old)
        if is_reg:
            frame.regs[number] = new
        else:
            frame.stack[number] = StackSlot(frame.stack[number].types, new)


def _taught(reg: RegState, known: RegState, old: bool) -> RegState:
    if (not reg.id & ADD_CONST and not known.id & ADD_CONST) or reg.off == known.off:
        return known
    delta = cnum.const((reg.off if reg.id & ADD_CONST else 0) - (known.off if known.id & ADD_CONST else 0))
    if old:
        return known.with_(num=old_alu.add(known.num, delta, 64), id=reg.id, off=reg.off)
    num = add(known.num, delta, 64)
    narrow = reg.id & ADD_CONST32 or known.id & ADD_CONST32
    num = cnum.zext32(num) if narrow else cnum.resync(num)
    return known.with_(num=num, id=reg.id, off=reg.off)
