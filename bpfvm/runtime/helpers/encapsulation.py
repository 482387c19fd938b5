# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers that put headers around a packet's network header, take them away, or make room for another kind of it
(net/core/filter.c bpf_skb_adjust_room, bpf_skb_change_proto; 6.18)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.errors import ENOTSUPP
from bpfvm.isa.word import s32, u32
from bpfvm.runtime.helpers.packet_shape import SKB_MAX_LEN, protocol_of, set_protocol
from bpfvm.runtime.helpers.table import Args, helper
from bpfvm.runtime.test_run.packet import ETH_HLEN, Packet
from bpfvm.runtime.test_run.skb import ETH_P_IP, ETH_P_IPV6, FIELDS, IP_HEADER

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

ROOM_NET, ROOM_MAC = 0, 1
FIXED_GSO, ENCAP_IPV4, ENCAP_IPV6, ENCAP_GRE, ENCAP_UDP, NO_CSUM_RESET, ENCAP_ETH, DECAP_IPV4, DECAP_IPV6 = (
    1 << bit for bit in range(9)
)
INNER_MAC_SHIFT: Final = 56
FLAGS: Final = (1 << 9) - 1 | 0xFF << INNER_MAC_SHIFT
MAX_ROOM: Final = 0xFFF
DECAP_LEN: Final = {0: 0, DECAP_IPV4: 20, DECAP_IPV6: 40}


def _is_gso(rt: Runtime, packet: Packet) -> bool:
    """Is it to be cut? A test run never says that it is TCP."""
    return bool(rt.memory.load(packet.ctx + FIELDS["gso_size"], 4))


def _move_head(packet: Packet, size: int, more: int) -> None:
    """Move the first ``size`` bytes, the headers among them, away from what follows, or over it; new bytes in between
    are zero (bpf_skb_net_hdr_push, bpf_skb_net_hdr_pop)."""
    head = packet.memory.read(packet.data, size)
    if more > 0:
        packet.push(more)
    else:
        packet.pull(-more)
    packet.memory.write(packet.data, head + bytes(max(more, 0)))
    packet.mac -= more
    packet.network -= more
    packet.meta = packet.data


@helper("skb_change_proto")
def skb_change_proto(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, protocol in network order, 0) → 0 or an errno: room for the other IP version's header."""
    packet = rt.packet_of(args[0], "bpf_skb_change_proto")
    wanted = int.from_bytes(args[1].to_bytes(8, "little")[:2], "big")
    now = protocol_of(rt, packet)
    if args[2]:
        return -errno.EINVAL
    if {now, wanted} != {ETH_P_IP, ETH_P_IPV6}:
        return -ENOTSUPP
    more, size = IP_HEADER[wanted] - IP_HEADER[now], packet.network - packet.mac
    if more < 0 and len(packet) < size - more:
        return -errno.ENOMEM
    _move_head(packet, size, more)
    set_protocol(rt, packet, wanted)
    rt.memory.store(packet.ctx + FIELDS["hash"], 4, 0)
    packet.show()
    return 0


@helper("skb_adjust_room")
def skb_adjust_room(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, bytes more or fewer, before or behind the network header, flags) → 0 or an errno."""
    packet, more, mode, flags = rt.packet_of(args[0], "bpf_skb_adjust_room"), s32(args[1]), u32(args[2]), args[3]
    if flags & ~FLAGS:
        return -errno.EINVAL
    if abs(more) > MAX_ROOM:
        return -errno.EFAULT
    base = IP_HEADER.get(protocol_of(rt, packet), 0)
    if not base or mode not in (ROOM_NET, ROOM_MAC):
        return -ENOTSUPP
    decap = flags & (DECAP_IPV4 | DECAP_IPV6)
    if decap and (more >= 0 or decap not in DECAP_LEN):
        return -errno.EINVAL
    if code := _refuses(rt, packet, more, DECAP_LEN[decap] or base):
        return code
    where = packet.network - packet.mac + (base if mode == ROOM_NET else 0)
    code = _shrink(rt, packet, where, more, flags) if more < 0 else _grow(rt, packet, where, more, flags)
    if not code and not flags & NO_CSUM_RESET:
        packet.csum_level = None
    packet.show()
    return code


def _refuses(rt: Runtime, packet: Packet, more: int, least: int) -> int:
    """The errno for a packet that would be too short or too long."""
    left = packet.end - packet.network + more
    if more < 0:
        return -ENOTSUPP if left < max(least, 1) else 0
    return -ENOTSUPP if len(packet) + more > SKB_MAX_LEN and not _is_gso(rt, packet) else 0


def _shrink(rt: Runtime, packet: Packet, where: int, more: int, flags: int) -> int:
    if flags & ~(FIXED_GSO | DECAP_IPV4 | DECAP_IPV6 | NO_CSUM_RESET):
        return -errno.EINVAL
    if _is_gso(rt, packet):
        return -ENOTSUPP
    if len(packet) < where - more:
        return -errno.ENOMEM
    _move_head(packet, where, more)
    _match_protocol(rt, packet, flags, DECAP_IPV4, DECAP_IPV6)
    return 0


def _grow(rt: Runtime, packet: Packet, where: int, more: int, flags: int) -> int:
    encap = flags & (ENCAP_IPV4 | ENCAP_IPV6)
    inner_mac = flags >> INNER_MAC_SHIFT
    if _is_gso(rt, packet):
        return -ENOTSUPP
    if encap:
        both = encap == ENCAP_IPV4 | ENCAP_IPV6 or flags & (ENCAP_GRE | ENCAP_UDP) == ENCAP_GRE | ENCAP_UDP
        if both or (flags & ENCAP_ETH and inner_mac < ETH_HLEN):
            return -errno.EINVAL
        if packet.encapsulated:
            return -errno.EALREADY
        if inner_mac > more:
            return -errno.EINVAL
    _move_head(packet, where, more)
    if encap:
        packet.encapsulated = True
        _match_protocol(rt, packet, flags, ENCAP_IPV4, ENCAP_IPV6)
    return 0


def _match_protocol(rt: Runtime, packet: Packet, flags: int, ipv4: int, ipv6: int) -> None:
    """The protocol becomes that of the header which is the outermost now, when the flags say so."""
    now = protocol_of(rt, packet)
    if now == ETH_P_IP and flags & ipv6:
        set_protocol(rt, packet, ETH_P_IPV6)
    elif now == ETH_P_IPV6 and flags & ipv4:
        set_protocol(rt, packet, ETH_P_IP)
