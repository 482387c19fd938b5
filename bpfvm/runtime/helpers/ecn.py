# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""bpf_skb_ecn_set_ce: say in the IP header that there is congestion (net/core/filter.c, include/net/inet_ecn.h;
6.18)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.runtime import checksum
from bpfvm.runtime.helpers.packet_shape import protocol_of
from bpfvm.runtime.helpers.table import Args, helper
from bpfvm.runtime.helpers.vlan import ETH_P_8021AD, ETH_P_8021Q, VLAN_HLEN
from bpfvm.runtime.test_run.packet import ETH_HLEN, Packet
from bpfvm.runtime.test_run.skb import ETH_P_IP, IP_HEADER

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

MASK: Final = 3
NOT_ECT, CE = 0, 3
TOS_AT, CHECK_AT = 1, 10
MAX_TAGS: Final = 8
"""VLAN_MAX_DEPTH"""


@helper("skb_ecn_set_ce")
def skb_ecn_set_ce(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb) → 1 if the header says so now, 0 if it is none that could."""
    packet = rt.packet_of(args[0], "bpf_skb_ecn_set_ce")
    size = IP_HEADER.get(protocol := _inner_protocol(rt, packet), 0)
    if not size or len(packet) < size or packet.network + size > packet.end:
        return 0
    return _mark_ipv4(packet) if protocol == ETH_P_IP else _mark_ipv6(packet)


def _inner_protocol(rt: Runtime, packet: Packet) -> int:
    """The protocol behind all VLAN tags, 0 when they don't end (vlan_get_protocol)."""
    protocol, at = protocol_of(rt, packet), ETH_HLEN
    for _ in range(MAX_TAGS):
        if protocol not in (ETH_P_8021Q, ETH_P_8021AD):
            return protocol
        found = packet.load(at + 2, 2)
        if found is None:
            return 0
        protocol, at = int.from_bytes(found, "big"), at + VLAN_HLEN
    return 0


def _mark_ipv4(packet: Packet) -> int:
    memory, at = packet.memory, packet.network
    tos = memory.load(at + TOS_AT, 1)
    if tos & MASK in (NOT_ECT, CE):
        return int(tos & MASK == CE)
    held = int.from_bytes(memory.read(at + CHECK_AT, 2), "little")
    more = int.from_bytes((0xFFFB + ((tos + 1) & MASK)).to_bytes(2, "big"), "little")
    memory.store(at + CHECK_AT, 2, checksum.fold(held + more))
    memory.store(at + TOS_AT, 1, tos | CE)
    return 1


def _mark_ipv6(packet: Packet) -> int:
    """The traffic class lies across the first two bytes."""
    memory, at = packet.memory, packet.network
    second = memory.load(at + 1, 1)
    if second >> 4 & MASK == NOT_ECT:
        return 0
    memory.store(at + 1, 1, second | CE << 4)
    return 1
