# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""struct __sk_buff of a test run (net/bpf/test_run.c bpf_prog_test_run_skb, net/ethernet/eth.c eth_type_trans;
6.18)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.errors import SyscallError
from bpfvm.runtime.test_run.packet import ETH_HLEN, POINTERS, SHADOW, Packet

if TYPE_CHECKING:
    from bpfvm.memory import Memory
    from bpfvm.runtime.runtime import Runtime

SIZE: Final = 192
"""sizeof(struct __sk_buff)"""
FIELDS: Final = {
    "len": 0, "pkt_type": 4, "mark": 8, "protocol": 16, "vlan_present": 20, "vlan_tci": 24, "vlan_proto": 28,
    "priority": 32, "ingress_ifindex": 36, "ifindex": 40, "cb": 48, "hash": 68, "family": 88, "remote_ip4": 92,
    "local_ip4": 96, "remote_ip6": 100, "local_ip6": 116, "tstamp": 152, "wire_len": 160, "gso_segs": 164, "sk": 168,
    "gso_size": 176, "tstamp_type": 180, "hwtstamp": 184,
}  # fmt: skip
GIVEN: Final = {
    "mark": 4, "priority": 4, "ingress_ifindex": 4, "ifindex": 4, "cb": 20, "tstamp": 8, "wire_len": 4, "gso_segs": 4,
    "gso_size": 4, "hwtstamp": 8,
}  # fmt: skip
"""fields that the caller may set, and their sizes"""
L2_TYPES: Final = frozenset(("sched_cls", "sched_act"))
"""types that see the Ethernet header"""
HEADROOM: Final = 64
TAILROOM: Final = 320
MAX_FRAME: Final = 4096 - HEADROOM - TAILROOM
LOOPBACK: Final = 1
LOOPBACK_MTU: Final = 0x10000
ETH_P_802_2, ETH_P_802_3_MIN = 0x0004, 0x0600
ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD
IP_HEADER: Final = {ETH_P_IP: 20, ETH_P_IPV6: 40}
AF_INET, AF_INET6 = 2, 10
PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OTHERHOST = 1, 2, 3
GSO_MAX_SEGS, GSO_MAX_SIZE = 0xFFFF, 0x10000
TCP_CLOSE: Final = 7
BPF_SOCK_SIZE: Final = 80
SOCK_FIELDS: Final = {"bound_dev_if": 0, "family": 4, "src_ip4": 24, "src_ip6": 28, "dst_ip4": 52, "dst_ip6": 56,
                      "state": 72, "rx_queue_mapping": 76}  # fmt: skip
"""struct bpf_sock"""


def make(rt: Runtime, prog_type: str, frame: bytes, given: bytes) -> tuple[int, Packet]:
    """Context and packet for a frame that begins with its Ethernet header. Raises SyscallError(EINVAL, ENODEV)."""
    if not ETH_HLEN <= len(frame) <= MAX_FRAME:
        raise SyscallError(errno.EINVAL, f"a frame of {len(frame)} bytes (possible: {ETH_HLEN} to {MAX_FRAME})")
    memory = rt.memory
    is_given = bool(given)
    given = given.ljust(SIZE, b"\0")
    _check(given, frame, len(frame) - (0 if prog_type in L2_TYPES else ETH_HLEN))
    ctx = memory.alloc(SHADOW + 8 * len(POINTERS), what="context")
    memory.write(ctx, given[:SIZE])
    packet = Packet(memory, ctx, frame, HEADROOM, TAILROOM, FIELDS["len"])
    if prog_type not in L2_TYPES:
        packet.pull(ETH_HLEN)
        packet.meta = packet.data
        packet.show()
    packet.owned.append(_describe(rt, ctx, frame, is_given))
    return ctx, packet


def _field(block: bytes, name: str) -> int:
    return int.from_bytes(block[FIELDS[name] : FIELDS[name] + GIVEN[name]], "little")


def _check(given: bytes, frame: bytes, length: int) -> None:
    """The look-up of the device, the frame's IP header, convert___skb_to_skb."""
    if _field(given, "ifindex") > LOOPBACK:
        raise SyscallError(errno.ENODEV, f"there is no network device {_field(given, 'ifindex')}, only 1 (lo)")
    if len(frame) < ETH_HLEN + IP_HEADER.get(protocol_of(frame), 0):
        raise SyscallError(errno.EINVAL, f"a frame of {len(frame)} bytes is too short for its IP header")
    rest = bytearray(given)
    for name, size in GIVEN.items():
        rest[FIELDS[name] : FIELDS[name] + size] = bytes(size)
    if any(rest):
        raise SyscallError(errno.EINVAL, f"the context may only set {', '.join(GIVEN)}")
    wire = _field(given, "wire_len")
    if (wire and not length <= wire <= GSO_MAX_SIZE) or _field(given, "gso_segs") > GSO_MAX_SEGS:
        raise SyscallError(errno.EINVAL, "wire_len or gso_segs out of range")


def protocol_of(frame: bytes) -> int:
    """The protocol as a big-endian number: the type, or that of an 802.3 frame, whose type field is a length."""
    kind = int.from_bytes(frame[12:14], "big")
    return kind if kind >= ETH_P_802_3_MIN else ETH_P_802_2


def _packet_type(frame: bytes) -> int:
    """Whom the frame is for, seen from the loopback device, whose address is zero."""
    target = frame[:6]
    if not any(target):
        return 0
    if target[0] & 1:
        return PACKET_MULTICAST
    return PACKET_OTHERHOST


def _describe(rt: Runtime, ctx: int, frame: bytes, is_given: bool) -> int:
    """The fields that the frame decides; the struct bpf_sock that belongs to it."""
    memory, protocol = rt.memory, protocol_of(frame)
    sock = rt.memory.alloc(BPF_SOCK_SIZE, what="struct bpf_sock")

    def put(name: str, value: bytes) -> None:
        memory.write(ctx + FIELDS[name], value)

    put("pkt_type", _packet_type(frame).to_bytes(4, "little"))
    put("protocol", protocol.to_bytes(2, "big") + bytes(2))
    put("ifindex", LOOPBACK.to_bytes(4, "little"))
    put("sk", sock.to_bytes(8, "little"))
    if is_given and not memory.load(ctx + FIELDS["wire_len"], 4):
        memory.store(ctx + FIELDS["wire_len"], 4, memory.load(ctx + FIELDS["len"], 4))
    memory.store(sock + SOCK_FIELDS["state"], 4, TCP_CLOSE)
    memory.store(sock + SOCK_FIELDS["rx_queue_mapping"], 4, -1)
    family, source, target = _addresses(protocol, frame[ETH_HLEN:])
    suffix = "ip6" if family == AF_INET6 else "ip4"
    memory.store(ctx + FIELDS["family"], 4, family)
    memory.store(sock + SOCK_FIELDS["family"], 4, family)
    put(f"local_{suffix}", source)
    put(f"remote_{suffix}", target)
    memory.write(sock + SOCK_FIELDS[f"src_{suffix}"], source)
    memory.write(sock + SOCK_FIELDS[f"dst_{suffix}"], target)
    return sock


def _addresses(protocol: int, packet: bytes) -> tuple[int, bytes, bytes]:
    """(family, source, destination) that the test run's socket takes from the packet."""
    if protocol == ETH_P_IP:
        return AF_INET, packet[12:16], packet[16:20]
    if protocol == ETH_P_IPV6:
        return AF_INET6, packet[8:24], packet[24:40]
    return 0, b"", b""


def data_out(packet: Packet, prog_type: str) -> bytes:
    """The packet with an Ethernet header, zeros for types that don't see it."""
    return packet.content() if prog_type in L2_TYPES else bytes(ETH_HLEN) + packet.content()


def ctx_out(memory: Memory, ctx: int) -> bytes:
    """The context with the fields that a caller may set, all others zero (convert_skb_to___skb)."""
    out = bytearray(SIZE)
    for name, size in GIVEN.items():
        out[FIELDS[name] : FIELDS[name] + size] = memory.read(ctx + FIELDS[name], size)
    return bytes(out)
