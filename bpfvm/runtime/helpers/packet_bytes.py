# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers that copy bytes of packets and describe them (net/core/filter.c, 6.18). Packets are those of test runs."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.isa.word import u32
from bpfvm.runtime.helpers.table import Args, helper
from bpfvm.runtime.jhash import jhash
from bpfvm.runtime.test_run.packet import Packet
from bpfvm.runtime.test_run.skb import ETH_P_IP, ETH_P_IPV6, FIELDS

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

INT_MAX: Final = 0x7FFF_FFFF
MAX_OFFSET: Final = 0xFFFF
RECOMPUTE_CSUM, INVALIDATE_HASH = 1, 2
HDR_START_MAC, HDR_START_NET = 0, 1
PACKET_OTHERHOST: Final = 3
MAX_CLOCK: Final = 2
"""BPF_SKB_CLOCK_TAI; only the first, REALTIME, may be without a time stamp"""


@helper("skb_load_bytes")
def skb_load_bytes(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, offset, to, size) → 0, or -EFAULT and zeros."""
    packet, offset, size = rt.packet_of(args[0], "bpf_skb_load_bytes"), u32(args[1]), u32(args[3])
    found = packet.load(offset, size) if offset <= INT_MAX else None
    rt.memory.write(args[2], bytes(size) if found is None else found)
    return -errno.EFAULT if found is None else 0


@helper("skb_load_bytes_relative")
def skb_load_bytes_relative(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, offset, to, size, which header) → 0, or -EFAULT and zeros."""
    packet, offset, size = rt.packet_of(args[0], "bpf_skb_load_bytes_relative"), u32(args[1]), u32(args[3])
    start = {HDR_START_MAC: packet.mac, HDR_START_NET: packet.network}.get(u32(args[4]))
    if offset > MAX_OFFSET or start is None or start + offset + size > packet.end:
        rt.memory.write(args[2], bytes(size))
        return -errno.EFAULT
    rt.memory.write(args[2], rt.memory.read(start + offset, size))
    return 0


@helper("skb_store_bytes")
def skb_store_bytes(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, offset, from, size, flags) → 0 or an errno."""
    packet, offset, size, flags = rt.packet_of(args[0], "bpf_skb_store_bytes"), u32(args[1]), u32(args[3]), args[4]
    if flags & ~(RECOMPUTE_CSUM | INVALIDATE_HASH):
        return -errno.EINVAL
    if offset > INT_MAX or not packet.store(offset, rt.memory.read(args[2], size)):
        return -errno.EFAULT
    if flags & INVALIDATE_HASH:
        _set_hash(rt, packet, 0)
    return 0


@helper("skb_pull_data")
def skb_pull_data(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, size): packets are in one piece, so 0, or -ENOMEM when there are fewer bytes."""
    return -errno.ENOMEM if u32(args[1]) > len(rt.packet_of(args[0], "bpf_skb_pull_data")) else 0


@helper("xdp_get_buff_len")
def xdp_get_buff_len(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(xdp) → size of the packet."""
    return len(rt.packet_of(args[0], "bpf_xdp_get_buff_len"))


@helper("xdp_load_bytes")
def xdp_load_bytes(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(xdp, offset, to, size) → 0 or an errno."""
    packet, offset, size = rt.packet_of(args[0], "bpf_xdp_load_bytes"), u32(args[1]), u32(args[3])
    if offset > MAX_OFFSET or size > MAX_OFFSET:
        return -errno.EFAULT
    found = packet.load(offset, size)
    if found is None:
        return -errno.EINVAL
    rt.memory.write(args[2], found)
    return 0


@helper("xdp_store_bytes")
def xdp_store_bytes(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(xdp, offset, from, size) → 0 or an errno."""
    packet, offset, size = rt.packet_of(args[0], "bpf_xdp_store_bytes"), u32(args[1]), u32(args[3])
    if offset > MAX_OFFSET or size > MAX_OFFSET:
        return -errno.EFAULT
    return 0 if packet.store(offset, rt.memory.read(args[2], size)) else -errno.EINVAL


def _set_hash(rt: Runtime, packet: Packet, value: int) -> None:
    rt.memory.store(packet.ctx + FIELDS["hash"], 4, value)
    packet.show()


@helper("get_hash_recalc")
def get_hash_recalc(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb) → its flow hash, never 0. The kernel's depends on a random key; this one on the headers alone."""
    packet = rt.packet_of(args[0], "bpf_get_hash_recalc")
    at = packet.ctx + FIELDS["hash"]
    if not rt.memory.load(at, 4):
        _set_hash(rt, packet, jhash(packet.content()[:64], 0) or 1)
    return rt.memory.load(at, 4)


@helper("set_hash_invalid")
def set_hash_invalid(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb): forget the hash."""
    _set_hash(rt, rt.packet_of(args[0], "bpf_set_hash_invalid"), 0)
    return 0


@helper("set_hash")
def set_hash(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, hash): set it."""
    _set_hash(rt, rt.packet_of(args[0], "bpf_set_hash"), u32(args[1]))
    return 0


@helper("skb_change_type")
def skb_change_type(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, whom it is for) → 0 or -EINVAL."""
    packet, wanted = rt.packet_of(args[0], "bpf_skb_change_type"), u32(args[1])
    at = packet.ctx + FIELDS["pkt_type"]
    if rt.memory.load(at, 4) > PACKET_OTHERHOST or wanted > PACKET_OTHERHOST:
        return -errno.EINVAL
    rt.memory.store(at, 4, wanted)
    packet.show()
    return 0


@helper("skb_set_tstamp")
def skb_set_tstamp(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, nanoseconds, which clock) → 0 or an errno."""
    packet, stamp, clock = rt.packet_of(args[0], "bpf_skb_set_tstamp"), args[1], u32(args[2])
    if int.from_bytes(rt.memory.read(packet.ctx + FIELDS["protocol"], 2), "big") not in (ETH_P_IP, ETH_P_IPV6):
        return -errno.EOPNOTSUPP
    if clock > MAX_CLOCK or (clock and not stamp):
        return -errno.EINVAL
    rt.memory.store(packet.ctx + FIELDS["tstamp"], 8, stamp)
    rt.memory.store(packet.ctx + FIELDS["tstamp_type"], 1, clock)
    packet.show()
    return 0


@helper("get_route_realm", "skb_cgroup_classid")
def get_route_realm(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb): 0, as packets of a test run were not routed and their socket has no class."""
    rt.packet_of(args[0], "bpf_get_route_realm")
    return 0


@helper("get_cgroup_classid")
def get_cgroup_classid(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """The current task's net_cls class: no cgroup has one."""
    return 0
