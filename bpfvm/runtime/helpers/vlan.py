# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers on VLAN tags (net/core/filter.c, net/core/skbuff.c skb_vlan_push, skb_vlan_pop; 6.18). The outermost tag is
kept beside the packet, as if the device had taken it off."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.runtime.helpers.packet_shape import protocol_of, set_protocol
from bpfvm.runtime.helpers.table import Args, helper
from bpfvm.runtime.test_run.packet import ETH_HLEN, Packet
from bpfvm.runtime.test_run.skb import ETH_P_802_2, ETH_P_802_3_MIN, FIELDS

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

VLAN_HLEN: Final = 4
MAC_ADDRESSES: Final = 12
ETH_P_8021Q, ETH_P_8021AD = 0x8100, 0x88A8


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
    set_protocol(rt, packet, int.from_bytes(protocol, "big"))


def _remove_tag(rt: Runtime, packet: Packet) -> int:
    """Take the first tag out of the packet; its tci."""
    head = rt.memory.read(packet.mac, MAC_ADDRESSES + VLAN_HLEN + 2)
    tci, inner = (int.from_bytes(head[at : at + 2], "big") for at in (MAC_ADDRESSES + 2, MAC_ADDRESSES + 4))
    packet.pull(VLAN_HLEN)
    packet.mac += VLAN_HLEN
    packet.meta = packet.data
    rt.memory.write(packet.mac, head[:MAC_ADDRESSES])
    set_protocol(rt, packet, inner if inner >= ETH_P_802_3_MIN else ETH_P_802_2)
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
    elif protocol_of(rt, packet) in tags:
        if len(packet) < ETH_HLEN + VLAN_HLEN:
            return -errno.ENOMEM
        _remove_tag(rt, packet)
    else:
        return 0
    if (outer := protocol_of(rt, packet)) in tags:
        if len(packet) < ETH_HLEN + VLAN_HLEN:
            return -errno.ENOMEM
        _set_tag(rt, packet, outer, _remove_tag(rt, packet))
    packet.show()
    return 0
