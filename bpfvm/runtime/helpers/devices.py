# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers on network devices and routes (net/core/filter.c, kernel/bpf/{devmap,cpumap}.c, net/xdp/xskmap.c; 6.18).

The emulated machine has one device, lo, and no routes. Maps of devices, CPUs and AF_XDP sockets are empty.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.engine.trap import Unsupported
from bpfvm.isa.word import s32, u32
from bpfvm.runtime.helpers.table import Args, helper
from bpfvm.runtime.test_run.packet import ETH_HLEN
from bpfvm.runtime.test_run.skb import FIELDS, LOOPBACK, LOOPBACK_MTU

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

AF_INET, AF_INET6 = 2, 10
FIB_PARAMS_SIZE: Final = 64
FIB_FLAGS: Final = 0x3F
FAMILY_AT, FIB_IFINDEX_AT = 0, 8
TC_ACT_SHOT, TC_ACT_REDIRECT = 2, 7
XDP_ABORTED, XDP_REDIRECT = 0, 4
F_INGRESS: Final = 1
NEIGH_SIZE: Final = 20
"""sizeof(struct bpf_redir_neigh)"""
CHK_SEGS: Final = 1
FRAG_NEEDED: Final = 1
"""BPF_MTU_CHK_RET_FRAG_NEEDED"""
XDP_ACTIONS: Final = 3
F_BROADCAST, F_EXCLUDE_INGRESS = 1 << 3, 1 << 4
MAP_FLAGS: Final = {"devmap": F_BROADCAST | F_EXCLUDE_INGRESS, "devmap_hash": F_BROADCAST | F_EXCLUDE_INGRESS}


@helper("fib_lookup")
def fib_lookup(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(ctx, params, their size, flags): checks, and -ENODEV for all devices but lo, whose routes are not emulated."""
    params, size, flags = args[1], s32(args[2]), u32(args[3])
    if size < FIB_PARAMS_SIZE or flags & ~FIB_FLAGS:
        return -errno.EINVAL
    if rt.memory.load(params + FAMILY_AT, 1) not in (AF_INET, AF_INET6):
        return -errno.EAFNOSUPPORT
    if rt.memory.load(params + FIB_IFINDEX_AT, 4) != LOOPBACK:
        return -errno.ENODEV
    raise Unsupported("not emulated: bpf_fib_lookup of routes")


def _is_xdp(frame: CallFrame) -> bool:
    program = frame.image.program
    return program is not None and program.prog_type == "xdp"


@helper("redirect")
def redirect(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(device, flags) → what the program is to return; the packet's way ends with the test run."""
    if _is_xdp(frame):
        return XDP_ABORTED if args[1] else XDP_REDIRECT
    return TC_ACT_SHOT if args[1] & ~F_INGRESS else TC_ACT_REDIRECT


@helper("redirect_peer")
def redirect_peer(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(device, flags) → what the program is to return."""
    return TC_ACT_SHOT if args[1] else TC_ACT_REDIRECT


@helper("redirect_neigh")
def redirect_neigh(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(device, params, their size, flags) → what the program is to return."""
    size = s32(args[2])
    return TC_ACT_SHOT if (size and size < NEIGH_SIZE) or args[3] else TC_ACT_REDIRECT


@helper("redirect_map")
def redirect_map(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map, key, flags) → what the program is to return: the flags' action, as the map has no such element."""
    known = MAP_FLAGS.get(rt.map_at(args[0]).spec.map_type, 0)
    if args[2] & ~(XDP_ACTIONS | known):
        return XDP_ABORTED
    return XDP_REDIRECT if args[2] & F_BROADCAST else args[2] & XDP_ACTIONS


@helper("clone_redirect")
def clone_redirect(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, device, flags) → an errno: only lo is there, and what would become of a packet on it isn't emulated."""
    rt.packet_of(args[0], "bpf_clone_redirect")
    if args[2] & ~F_INGRESS or u32(args[1]) != LOOPBACK:
        return -errno.EINVAL
    raise Unsupported("not emulated: bpf_clone_redirect to lo")


@helper("check_mtu")
def check_mtu(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(ctx, device or 0, length, bytes more, flags) → 0, FRAG_NEEDED or an errno; the length becomes the device's MTU.

    A length of 0 asks about the packet."""
    packet, at, flags = rt.packet_of(args[0], "bpf_check_mtu"), args[2], args[4]
    device, more = u32(args[1]), s32(args[3])
    length, is_xdp = rt.memory.load(at, 4), _is_xdp(frame)
    if flags & ~(0 if is_xdp else CHK_SEGS) or (flags and (more or length)):
        return -errno.EINVAL
    if device not in (0, LOOPBACK):
        return -errno.ENODEV
    size = (s32(length + ETH_HLEN) if length else len(packet)) + more
    is_gso = not is_xdp and rt.memory.load(packet.ctx + FIELDS["gso_size"], 4)
    rt.memory.store(at, 4, LOOPBACK_MTU)
    return FRAG_NEEDED if s32(size) > LOOPBACK_MTU + ETH_HLEN and not is_gso else 0
