# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Direct packet access: kernel/bpf/verifier.c check_packet_access, find_good_pkt_pointers, try_match_pkt_pointers
(6.18)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeAlias

from verifier.env import Env
from verifier.memory.region import check_span
from verifier.rejection import EACCES, EINVAL
from verifier.state.reg import RegState
from verifier.state.reg_type import (
    BASE_TYPE_MASK,
    DYNPTR_TYPE_SKB,
    DYNPTR_TYPE_SKB_META,
    DYNPTR_TYPE_XDP,
    PTR_TO_MEM,
    PTR_TO_PACKET,
    PTR_TO_PACKET_END,
    PTR_TO_PACKET_META,
    is_pkt_pointer,
)
from verifier.state.states import StackSlot, VerifierState
from verifier.steps.leaks import invalid_reg

Change: TypeAlias = Callable[[RegState], RegState]
PACKET_SLICES: Final = DYNPTR_TYPE_SKB | DYNPTR_TYPE_XDP | DYNPTR_TYPE_SKB_META
AT_PKT_END: Final = -1
BEYOND_PKT_END: Final = -2
MAX_PACKET_OFF: Final = 0xFFFF
READ_TYPES: Final = frozenset(("lwt_in", "lwt_out", "lwt_seg6local", "sk_reuseport", "flow_dissector", "cgroup_skb"))
WRITE_TYPES: Final = frozenset(("sched_cls", "sched_act", "xdp", "lwt_xmit", "sk_skb", "sk_msg", "cgroup_sockopt"))


def may_access_packet(env: Env, *, write: bool) -> bool:
    """The program type may look at (or change) packet bytes directly (may_access_direct_pkt_data)."""
    type_ = env.program.prog_type
    return type_ in WRITE_TYPES or (not write and type_ in READ_TYPES)


def check_packet_access(env: Env, regno: int, off: int, size: int, zero_ok: bool = False) -> None:
    """The bytes were compared against the packet's end before."""
    reg = env.frame.regs[regno]
    if reg.num.smin < 0:
        env.reject(EACCES, f"R{regno} min value is negative, either use unsigned index or do a if (index >=0) check.")
    outside = f"R{regno} offset is outside of the packet"
    if reg.ptr.range < 0:
        env.reject(EINVAL, outside)
    check_span(env, regno, off, size, reg.ptr.range, zero_ok, outside)


def _each(state: VerifierState, change: Change) -> None:
    for frame in state.frames:
        for i, reg in enumerate(frame.regs):
            new = change(reg)
            if new is not reg:
                frame.regs[i] = new
        for spi, slot in enumerate(frame.stack):
            if slot.is_spilled():
                new = change(slot.reg)
                if new is not slot.reg:
                    frame.stack[spi] = StackSlot(slot.types, new)


def clear_all_pkt_pointers(env: Env) -> None:
    """The packet may have moved: no pointer into it is valid any more."""
    gone = invalid_reg(env)

    def change(reg: RegState) -> RegState:
        slice_of_packet = reg.type & BASE_TYPE_MASK == PTR_TO_MEM and reg.type & PACKET_SLICES
        if is_pkt_pointer(reg.type) or reg.type == PTR_TO_PACKET_END or slice_of_packet:
            return gone
        return reg

    _each(env.state, change)


def _found(state: VerifierState, dst: RegState, right_open: bool) -> None:
    """Everything that shares dst's id can be read up to where dst points."""
    if dst.off < 0 or (dst.off == 0 and right_open):
        return
    if dst.num.umax > MAX_PACKET_OFF or dst.num.umax + dst.off > MAX_PACKET_OFF:
        return
    span = dst.off + (1 if right_open else 0)

    def change(reg: RegState) -> RegState:
        if reg.type == dst.type and reg.id == dst.id and reg.ptr.range < span:
            return reg.with_(ptr=replace(reg.ptr, range=span))
        return reg

    _each(state, change)


def _mark_end(state: VerifierState, regno: int, right_open: bool) -> None:
    regs = state.frames[-1].regs
    reg = regs[regno]
    if reg.type == PTR_TO_PACKET:
        regs[regno] = reg.with_(ptr=replace(reg.ptr, range=BEYOND_PKT_END if right_open else AT_PKT_END))


def _is_start(reg: RegState) -> bool:
    return (
        reg.type == PTR_TO_PACKET and not reg.id and not reg.off and reg.num.var_off.value == reg.num.var_off.mask == 0
    )


_SIDES: Final = {
    # op: (pkt op end: found in the taken branch?, right open found, right open of the end mark), (end op pkt: ...)
    "jgt": ((False, False, True), (True, True, False)),
    "jlt": ((True, True, False), (False, False, True)),
    "jge": ((False, True, False), (True, False, True)),
    "jle": ((True, False, True), (False, True, False)),
}


def match_packet_compare(
    op: str, dst_no: int, src_no: int, dst: RegState, src: RegState, not_taken: VerifierState, taken: VerifierState
) -> bool:
    """A comparison of a packet pointer with the packet's end (or of metadata with the packet): note how far one may
    read. False if it is something else."""
    sides = _SIDES.get(op)
    if sides is None:
        return False
    if (dst.type == PTR_TO_PACKET and src.type == PTR_TO_PACKET_END) or (
        dst.type == PTR_TO_PACKET_META and _is_start(src)
    ):
        (in_taken, open_found, open_end), reg, regno = sides[0], dst, dst_no
    elif (dst.type == PTR_TO_PACKET_END and src.type == PTR_TO_PACKET) or (
        _is_start(dst) and src.type == PTR_TO_PACKET_META
    ):
        (in_taken, open_found, open_end), reg, regno = sides[1], src, src_no
    else:
        return False
    good, bad = (taken, not_taken) if in_taken else (not_taken, taken)
    _found(good, reg, open_found)
    _mark_end(bad, regno, open_end)
    return True


FLIPPED: Final = {"jlt": "jgt", "jgt": "jlt", "jle": "jge", "jge": "jle"}


def packet_branch_taken(op: str, dst: RegState, src: RegState) -> int:
    """1, 0 or -1: what an earlier comparison with the packet's end says about this one."""
    if src.type == PTR_TO_PACKET_END:
        pkt = dst
    elif dst.type == PTR_TO_PACKET_END:
        pkt = src
        op = FLIPPED.get(op, op)
    else:
        return -1
    span = pkt.ptr.range
    if span >= 0:
        return -1
    if op in ("jle", "jgt") and span == BEYOND_PKT_END:
        return 1 if op == "jgt" else 0
    if op in ("jlt", "jge"):
        return 1 if op == "jge" else 0
    return -1
