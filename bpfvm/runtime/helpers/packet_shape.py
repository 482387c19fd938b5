# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers that give packets more or less room: heads, tails, metadata (net/core/filter.c,
net/core/skbuff.c; 6.18)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.isa.word import s32, u32
from bpfvm.runtime.helpers.table import Args, helper
from bpfvm.runtime.test_run.packet import ETH_HLEN, Packet
from bpfvm.runtime.test_run.skb import FIELDS
from bpfvm.runtime.test_run.xdp import bad_meta

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

SKB_MAX_LEN: Final = 4 * 4096 - 320
"""SKB_MAX_ALLOC"""
XDP_FRAME_SIZE: Final = 40
"""sizeof(struct xdp_frame), which is kept at the start of the headroom"""


@helper("skb_change_tail")
def skb_change_tail(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, new size, 0) → 0 or -EINVAL; the network header stays."""
    packet, size = rt.packet_of(args[0], "bpf_skb_change_tail"), u32(args[1])
    if args[2] or size > SKB_MAX_LEN or size < max(packet.network - packet.data, 0):
        return -errno.EINVAL
    packet.resize(size)
    packet.show()
    return 0


@helper("skb_change_head")
def skb_change_head(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, bytes more, 0) → 0 or -EINVAL; the new bytes are zero and begin with the link header."""
    packet, more = rt.packet_of(args[0], "bpf_skb_change_head"), u32(args[1])
    if args[2] or len(packet) + more > SKB_MAX_LEN:
        return -errno.EINVAL
    packet.push(more)
    rt.memory.write(packet.data, bytes(more))
    packet.mac = packet.data
    packet.meta = packet.data
    packet.show()
    return 0


def protocol_of(rt: Runtime, packet: Packet) -> int:
    """The protocol that the context shows."""
    return int.from_bytes(rt.memory.read(packet.ctx + FIELDS["protocol"], 2), "big")


def set_protocol(rt: Runtime, packet: Packet, protocol: int) -> None:
    """Show another one."""
    rt.memory.write(packet.ctx + FIELDS["protocol"], protocol.to_bytes(2, "big"))


# --- XDP ------------------------------------------------------------------------------------------------------------
@helper("xdp_adjust_head")
def xdp_adjust_head(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(xdp, bytes to move the start by) → 0 or -EINVAL; metadata move along."""
    packet, by = rt.packet_of(args[0], "bpf_xdp_adjust_head"), s32(args[1])
    size = packet.data - packet.meta
    if not packet.start + XDP_FRAME_SIZE + size <= packet.data + by <= packet.end - ETH_HLEN:
        return -errno.EINVAL
    held = rt.memory.read(packet.meta, size)
    packet.data += by
    packet.meta += by
    rt.memory.write(packet.meta, held)
    packet.show()
    return 0


@helper("xdp_adjust_tail")
def xdp_adjust_tail(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(xdp, bytes more or fewer) → 0 or -EINVAL; new bytes are zero."""
    packet, by = rt.packet_of(args[0], "bpf_xdp_adjust_tail"), s32(args[1])
    if not packet.data + ETH_HLEN <= packet.end + by <= packet.limit:
        return -errno.EINVAL
    packet.resize(len(packet) + by)
    packet.show()
    return 0


@helper("xdp_adjust_meta")
def xdp_adjust_meta(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(xdp, bytes to move the metadata's start by) → 0 or an errno."""
    packet = rt.packet_of(args[0], "bpf_xdp_adjust_meta")
    meta = packet.meta + s32(args[1])
    if not packet.start + XDP_FRAME_SIZE <= meta <= packet.data:
        return -errno.EINVAL
    if bad_meta(packet.data - meta):
        return -errno.EACCES
    packet.meta = meta
    packet.show()
    return 0
