# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers on the tunnel that a packet takes or came through, and on IPsec (net/core/filter.c bpf_skb_*_tunnel_key,
bpf_skb_*_tunnel_opt, bpf_skb_get_xfrm_state; 6.18). No packet of a test run came through one; what a program says
about the way out can be read again."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.isa.word import u32
from bpfvm.runtime.helpers.table import Args, helper
from bpfvm.runtime.test_run.packet import Tunnel

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

KEY: Final = struct.Struct("<I16sBBHI16s")
"""struct bpf_tunnel_key: id, remote address, tos, ttl, flags, label, local address"""
OLD_SIZES: Final = (28, 24, 22)
"""of the structure before it had local addresses, a label, flags"""
OLDEST_SIZE: Final = 8
IPV6, ZERO_CSUM_TX, DONT_FRAGMENT, SEQ_NUMBER, NO_TUNNEL_KEY = 1, 2, 4, 8, 16
GIVE_FLAGS: Final = 16
"""BPF_F_TUNINFO_FLAGS"""
CSUM_BIT, KEY_BIT, SEQ_BIT, DONT_FRAGMENT_BIT, NOCACHE_BIT = 1 << 0, 1 << 2, 1 << 3, 1 << 8, 1 << 13
FLOWLABEL_MASK: Final = 0x000F_FFFF
MAX_OPTIONS: Final = 255


@helper("skb_set_tunnel_key")
def skb_set_tunnel_key(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, struct bpf_tunnel_key, its size, flags) → 0 or -EINVAL."""
    packet, size, flags = rt.packet_of(args[0], "bpf_skb_set_tunnel_key"), u32(args[2]), args[3]
    if flags & ~(IPV6 | ZERO_CSUM_TX | DONT_FRAGMENT | SEQ_NUMBER | NO_TUNNEL_KEY):
        return -errno.EINVAL
    if size not in (KEY.size, *OLD_SIZES, OLDEST_SIZE):
        return -errno.EINVAL
    given = rt.memory.read(args[1], size).ljust(KEY.size, b"\0")
    number, remote, tos, ttl, ext, label, local = KEY.unpack(given)
    if (label and not flags & IPV6) or ext:
        return -errno.EINVAL
    if not flags & IPV6:  # as numbers there, in the machine's order
        remote, local = remote[3::-1], local[3::-1]
    packet.tunnel = Tunnel(bool(flags & IPV6), number, tos, ttl, _bits(flags), label & FLOWLABEL_MASK, remote, local)
    return 0


def _bits(flags: int) -> int:
    bits = NOCACHE_BIT
    bits |= 0 if flags & ZERO_CSUM_TX else CSUM_BIT
    bits |= 0 if flags & NO_TUNNEL_KEY else KEY_BIT
    bits |= DONT_FRAGMENT_BIT if flags & DONT_FRAGMENT else 0
    return bits | (SEQ_BIT if flags & SEQ_NUMBER else 0)


@helper("skb_get_tunnel_key")
def skb_get_tunnel_key(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, to, size, flags) → 0, or an errno and zeros. Of an outgoing packet the local address is the remote one."""
    _, to, size, flags, _ = args
    tunnel, size = rt.packet_of(args[0], "bpf_skb_get_tunnel_key").tunnel, u32(size)
    code = _refuses_key(tunnel, size, flags)
    if tunnel is None or code:
        rt.memory.write(to, bytes(size))
        return code
    remote, local = (each if tunnel.ipv6 else each[::-1] for each in (tunnel.local, tunnel.remote))
    bits = int.from_bytes(tunnel.flags.to_bytes(2, "little"), "big") if flags & GIVE_FLAGS else 0
    whole = KEY.pack(tunnel.tunnel_id, remote, tunnel.tos, tunnel.ttl, bits, tunnel.label, local)
    rt.memory.write(to, whole[:size])
    return 0


def _refuses_key(tunnel: Tunnel | None, size: int, flags: int) -> int:
    if tunnel is None or flags & ~(IPV6 | GIVE_FLAGS):
        return -errno.EINVAL
    if tunnel.ipv6 != bool(flags & IPV6):
        return -errno.EPROTO
    fits = size in (KEY.size, *OLD_SIZES) or (size == OLDEST_SIZE and not tunnel.ipv6)
    return 0 if fits else -errno.EINVAL


@helper("skb_set_tunnel_opt")
def skb_set_tunnel_opt(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, from, size) → 0 or an errno; the key must have been set."""
    tunnel, size = rt.packet_of(args[0], "bpf_skb_set_tunnel_opt").tunnel, u32(args[2])
    if tunnel is None or size & 3:
        return -errno.EINVAL
    if size > MAX_OPTIONS:
        return -errno.ENOMEM
    tunnel.options = rt.memory.read(args[1], size)
    return 0


@helper("skb_get_tunnel_opt")
def skb_get_tunnel_opt(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, to, size) → bytes of options, or an errno and zeros."""
    tunnel, to, size = rt.packet_of(args[0], "bpf_skb_get_tunnel_opt").tunnel, args[1], u32(args[2])
    options = tunnel.options if tunnel is not None else None
    fits = options is not None and size >= len(options)
    rt.memory.write(to, (options or b"").ljust(size, b"\0") if fits else bytes(size))
    if options is None:
        return -errno.ENOENT
    return len(options) if fits else -errno.ENOMEM


@helper("skb_get_xfrm_state")
def skb_get_xfrm_state(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, index, to, size, flags): no packet of a test run came through IPsec, so -EINVAL and zeros."""
    rt.packet_of(args[0], "bpf_skb_get_xfrm_state")
    rt.memory.write(args[2], bytes(u32(args[3])))
    return -errno.EINVAL
