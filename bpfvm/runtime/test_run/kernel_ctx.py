# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The kernel's own contexts of a test run, struct xdp_buff and struct sk_buff (net/bpf/test_run.c, include/net/xdp.h,
include/linux/skbuff.h; 6.18), laid out by the kernel's BTF and filled as far as test runs decide it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from bpfvm.btf import types as t
from bpfvm.engine.trap import Unsupported
from bpfvm.memory.views import View
from bpfvm.runtime.test_run.convert import SKB_TYPES
from bpfvm.runtime.test_run.packet import ETH_HLEN, Packet
from bpfvm.runtime.test_run.skb import FIELDS, LOOPBACK, LOOPBACK_MTU, TAILROOM

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

KERNEL_CTX: Final = frozenset(("xdp", *SKB_TYPES)) - {"flow_dissector"}
"""types whose context in the kernel is one of these"""
FRAME_SIZE: Final = 4096
NO_HEADER: Final = 0xFFFF
SAME: Final = {
    "mark": "mark", "priority": "priority", "hash": "hash", "skb_iif": "ingress_ifindex", "pkt_type": "pkt_type",
    "protocol": "protocol", "vlan_proto": "vlan_proto", "vlan_tci": "vlan_tci",
}  # fmt: skip
"""member of struct sk_buff → field of struct __sk_buff"""


def kernel_ctx(rt: Runtime, packet: Packet, prog_type: str) -> int:
    """The address of the packet's own description in the kernel. It follows the packet from now on; of the device it
    came in by there are number, name, MTU and header size. Raises Unsupported on a kernel without these types."""
    if not packet.kernel_ctx:
        device = _object(rt, packet, "net_device")
        device.ifindex, device.mtu, device.hard_header_len = LOOPBACK, LOOPBACK_MTU, ETH_HLEN
        rt.memory.write(device.addr_of("name"), b"lo")
        packet.kernel_ctx, packet.mirror = (_xdp_buff if prog_type == "xdp" else _sk_buff)(rt, packet, device.addr)
        packet.mirror()
    return packet.kernel_ctx


def _xdp_buff(rt: Runtime, packet: Packet, device: int) -> tuple[int, Callable[[], None]]:
    queue, buff = _object(rt, packet, "xdp_rxq_info"), _object(rt, packet, "xdp_buff")
    queue.dev = device
    queue.frag_size = buff.frame_sz = FRAME_SIZE
    buff.rxq = queue.addr

    def mirror() -> None:
        buff.data, buff.data_end, buff.data_meta = packet.data, packet.end, packet.meta
        buff.data_hard_start = packet.start

    return buff.addr, mirror


def _sk_buff(rt: Runtime, packet: Packet, device: int) -> tuple[int, Callable[[], None]]:
    skb = _object(rt, packet, "sk_buff")
    skb.dev, skb.transport_header = device, NO_HEADER

    def mirror() -> None:
        start = packet.start
        skb.head, skb.data, skb.len = start, packet.data, len(packet)
        skb.tail, skb.end = packet.end - start, max(packet.limit - TAILROOM, packet.end) - start
        skb.mac_header, skb.network_header = packet.mac - start, packet.network - start
        skb.tstamp = rt.memory.load(packet.ctx + FIELDS["tstamp"], 8)
        for member, field in SAME.items():
            skb[member] = rt.memory.load(packet.ctx + FIELDS[field], 4)

    return skb.addr, mirror


def _object(rt: Runtime, packet: Packet, name: str) -> View:
    type_id = rt.btf.find(name, t.Struct) if rt.btf is not None else 0
    if rt.btf is None or not type_id:
        raise Unsupported(f"not emulated: bpf_cast_to_kern_ctx on a kernel without struct {name}")
    addr = rt.memory.alloc(rt.btf.size_of(type_id), what=name)
    packet.owned.append(addr)
    return View(rt.memory, rt.btf, type_id, addr)
