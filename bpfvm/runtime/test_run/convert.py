# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Loads of packet pointers: the context that programs are compiled against has 32-bit fields for them, and the kernel
rewrites such loads (net/core/filter.c bpf_convert_ctx_access, xdp_convert_ctx_access; 6.18). Here they become loads
of the 64-bit pointers that lie behind the context."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bpfvm.isa.opcodes import BPF_DW, BPF_LDX, BPF_MEM
from bpfvm.obj.model import VerifiedProgram
from bpfvm.runtime.test_run.packet import POINTERS, SHADOW

SKB_TYPES: Final = frozenset(
    (
        *("socket_filter", "sched_cls", "sched_act", "cgroup_skb", "flow_dissector"),
        *("lwt_in", "lwt_out", "lwt_xmit", "lwt_seg6local"),
    )
)
SKB_POINTERS: Final = {76: "data", 80: "data_end", 140: "data_meta"}
XDP_POINTERS: Final = {0: "data", 4: "data_end", 8: "data_meta"}
_CLASS, _MODE = 0x07, 0xE0


def pointer_fields(prog_type: str) -> dict[int, str]:
    """Offset in the context → pointer."""
    return XDP_POINTERS if prog_type == "xdp" else SKB_POINTERS if prog_type in SKB_TYPES else {}


def convert_ctx_access(verified: VerifiedProgram) -> VerifiedProgram:
    """The program with its loads of packet pointers rewritten; slots stay where they are."""
    fields = pointer_fields(verified.program.prog_type)
    if not fields:
        return verified
    out = list(verified.insns)
    for slot in verified.ctx_access:
        insn = out[slot]
        if insn.code & _CLASS == BPF_LDX and insn.code & _MODE == BPF_MEM and insn.off in fields:
            place = SHADOW + 8 * POINTERS.index(fields[insn.off])
            out[slot] = insn._replace(code=BPF_LDX | BPF_MEM | BPF_DW, off=place)
    return replace(verified, insns=tuple(out))
