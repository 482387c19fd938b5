# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers that give packets more or less room: heads, tails, metadata, encapsulation (net/core/filter.c,
net/core/skbuff.c; 6.18)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.engine.trap import Unsupported
from bpfvm.isa.word import s32, u32
from bpfvm.runtime.helpers.table import Args, helper
from bpfvm.runtime.test_run.packet import ETH_HLEN, Packet
from bpfvm.runtime.test_run.skb import ETH_P_IP, ETH_P_IPV6, FIELDS
from bpfvm.runtime.test_run.xdp import bad_meta

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

ENOTSUPP: Final = 524
SKB_MAX_LEN: Final = 4 * 4096 - 320
"""SKB_MAX_ALLOC"""
XDP_FRAME_SIZE: Final = 40
"""sizeof(struct xdp_frame), which is kept at the start of the headroom"""
ADJ_ROOM_NET, ADJ_ROOM_MAC = 0, 1
FIXED_GSO, NO_CSUM_RESET = 1, 1 << 5
ADJ_ROOM_FLAGS: Final = (1 << 9) - 1
MAX_ROOM: Final = 0xFFF
BASE_LEN: Final = {ETH_P_IP: 20, ETH_P_IPV6: 40}


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


@helper("skb_adjust_room")
def skb_adjust_room(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, bytes more or fewer, before or behind the network header, flags) → 0 or an errno."""
    packet, more, mode, flags = rt.packet_of(args[0], "bpf_skb_adjust_room"), s32(args[1]), u32(args[2]), args[3]
    if flags & ~ADJ_ROOM_FLAGS:
        return -errno.EINVAL
    if abs(more) > MAX_ROOM:
        return -errno.EFAULT
    base = BASE_LEN.get(protocol_of(rt, packet), 0)
    if not base or mode not in (ADJ_ROOM_NET, ADJ_ROOM_MAC):
        return -ENOTSUPP
    if flags & ~(FIXED_GSO | NO_CSUM_RESET):
        raise Unsupported(f"not emulated: bpf_skb_adjust_room with flags {flags:#x}")
    where = packet.network - packet.mac + (base if mode == ADJ_ROOM_NET else 0)
    left = packet.end - packet.network + more
    if (more < 0 and left < max(base, 1)) or (more > 0 and len(packet) + more > SKB_MAX_LEN):
        return -ENOTSUPP
    _shift_head(packet, where, more)
    packet.network -= more
    if not flags & NO_CSUM_RESET:
        packet.csum_level = None
    packet.show()
    return 0


def _shift_head(packet: Packet, size: int, more: int) -> None:
    """Move the first ``size`` bytes away from what follows, or over it; new bytes in between are zero."""
    head = packet.memory.read(packet.data, size)
    if more > 0:
        packet.push(more)
    else:
        packet.pull(-more)
    packet.memory.write(packet.data, head + bytes(max(more, 0)))
    packet.mac -= more
    packet.meta = packet.data


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
