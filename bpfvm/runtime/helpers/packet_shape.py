# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers that give packets more or less room: heads, tails, metadata, VLAN tags, encapsulation (net/core/filter.c,
net/core/skbuff.c; 6.18)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.engine.trap import Unsupported
from bpfvm.isa.word import s32, u32
from bpfvm.runtime.helpers.table import Args, helper
from bpfvm.runtime.test_run.packet import ETH_HLEN, Packet
from bpfvm.runtime.test_run.skb import ETH_P_802_2, ETH_P_802_3_MIN, ETH_P_IP, ETH_P_IPV6, FIELDS
from bpfvm.runtime.test_run.xdp import bad_meta

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

ENOTSUPP: Final = 524
SKB_MAX_LEN: Final = 4 * 4096 - 320
"""SKB_MAX_ALLOC"""
XDP_FRAME_SIZE: Final = 40
"""sizeof(struct xdp_frame), which is kept at the start of the headroom"""
VLAN_HLEN: Final = 4
MAC_ADDRESSES: Final = 12
ETH_P_8021Q, ETH_P_8021AD = 0x8100, 0x88A8
VLAN_PRESENT: Final = 1
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


def _protocol(rt: Runtime, packet: Packet) -> int:
    return int.from_bytes(rt.memory.read(packet.ctx + FIELDS["protocol"], 2), "big")


def _set_protocol(rt: Runtime, packet: Packet, protocol: int) -> None:
    rt.memory.write(packet.ctx + FIELDS["protocol"], protocol.to_bytes(2, "big"))


@helper("skb_adjust_room")
def skb_adjust_room(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, bytes more or fewer, before or behind the network header, flags) → 0 or an errno."""
    packet, more, mode, flags = rt.packet_of(args[0], "bpf_skb_adjust_room"), s32(args[1]), u32(args[2]), args[3]
    if flags & ~ADJ_ROOM_FLAGS:
        return -errno.EINVAL
    if abs(more) > MAX_ROOM:
        return -errno.EFAULT
    base = BASE_LEN.get(_protocol(rt, packet), 0)
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


# --- VLAN tags ------------------------------------------------------------------------------------------------------
def _set_tag(rt: Runtime, packet: Packet, protocol: int, tci: int) -> None:
    """The tag beside the packet, as if the device had taken it off; protocol 0 for none."""
    rt.memory.store(packet.ctx + FIELDS["vlan_present"], 4, int(bool(protocol)))
    rt.memory.store(packet.ctx + FIELDS["vlan_tci"], 4, tci)
    rt.memory.write(packet.ctx + FIELDS["vlan_proto"], protocol.to_bytes(2, "big") + bytes(2))


def _insert_tag(rt: Runtime, packet: Packet) -> None:
    """Put the tag that is beside the packet into it."""
    protocol = rt.memory.read(packet.ctx + FIELDS["vlan_proto"], 2)
    tci = rt.memory.load(packet.ctx + FIELDS["vlan_tci"], 4) & 0xFFFF
    addresses = rt.memory.read(packet.mac, MAC_ADDRESSES)
    packet.push(VLAN_HLEN)
    packet.mac -= VLAN_HLEN
    packet.meta = packet.data
    rt.memory.write(packet.mac, addresses + protocol + tci.to_bytes(2, "big"))
    _set_protocol(rt, packet, int.from_bytes(protocol, "big"))


def _remove_tag(rt: Runtime, packet: Packet) -> int:
    """Take the first tag out of the packet; its tci."""
    head = rt.memory.read(packet.mac, MAC_ADDRESSES + VLAN_HLEN + 2)
    tci, inner = (int.from_bytes(head[at : at + 2], "big") for at in (MAC_ADDRESSES + 2, MAC_ADDRESSES + 4))
    packet.pull(VLAN_HLEN)
    packet.mac += VLAN_HLEN
    packet.meta = packet.data
    rt.memory.write(packet.mac, head[:MAC_ADDRESSES])
    _set_protocol(rt, packet, inner if inner >= ETH_P_802_3_MIN else ETH_P_802_2)
    packet.network = packet.mac + ETH_HLEN
    return tci


@helper("skb_vlan_push")
def skb_vlan_push(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, protocol in network order, tci) → 0; a tag that is there already goes into the packet."""
    packet = rt.packet_of(args[0], "bpf_skb_vlan_push")
    protocol = int.from_bytes((args[1] & 0xFFFF).to_bytes(2, "little"), "big")
    if protocol not in (ETH_P_8021Q, ETH_P_8021AD):
        protocol = ETH_P_8021Q
    if rt.memory.load(packet.ctx + FIELDS["vlan_present"], 4):
        _insert_tag(rt, packet)
    _set_tag(rt, packet, protocol, args[2] & 0xFFFF)
    packet.show()
    return 0


@helper("skb_vlan_pop")
def skb_vlan_pop(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb) → 0 or an errno; the next tag of the packet, if any, takes the place of the one that went."""
    packet = rt.packet_of(args[0], "bpf_skb_vlan_pop")
    tags = (ETH_P_8021Q, ETH_P_8021AD)
    if rt.memory.load(packet.ctx + FIELDS["vlan_present"], 4):
        _set_tag(rt, packet, 0, 0)
    elif _protocol(rt, packet) in tags:
        if len(packet) < ETH_HLEN + VLAN_HLEN:
            return -errno.ENOMEM
        _remove_tag(rt, packet)
    else:
        return 0
    if (outer := _protocol(rt, packet)) in tags:
        if len(packet) < ETH_HLEN + VLAN_HLEN:
            return -errno.ENOMEM
        _set_tag(rt, packet, outer, _remove_tag(rt, packet))
    packet.show()
    return 0


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
