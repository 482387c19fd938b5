# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers on sockets, routes and devices (net/core/filter.c, net/core/sock.c; 6.18).

The emulated machine has one device, lo, and no sockets but the one that each test run's packet has: looking one up
finds nothing.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.engine.trap import Unsupported
from bpfvm.isa.word import s32, u32
from bpfvm.runtime.helpers.table import Args, helper
from bpfvm.runtime.test_run.skb import LOOPBACK

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

EAFNOSUPPORT: Final = 97
STATE_AT, PROTOCOL_AT = 72, 12
"""in struct bpf_sock"""
TCP_TIME_WAIT, TCP_NEW_SYN_RECV = 6, 12
IPPROTO_TCP: Final = 6
AF_INET, AF_INET6 = 2, 10


FIB_PARAMS_SIZE: Final = 64
FIB_FLAGS: Final = 0x3F
FAMILY_AT, FIB_IFINDEX_AT = 0, 8
TC_ACT_SHOT, TC_ACT_REDIRECT = 2, 7
XDP_ABORTED, XDP_REDIRECT = 0, 4
F_INGRESS: Final = 1
NEIGH_SIZE: Final = 20
"""sizeof(struct bpf_redir_neigh)"""


ENODEV: Final = 19


@helper("sk_lookup_tcp", "sk_lookup_udp", "skc_lookup_tcp")
def sk_lookup(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(ctx, tuple, its size, netns, flags) → 0: there is no socket."""
    return 0


@helper("sk_release")
def sk_release(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(socket): a socket that was looked up; nothing counts its references."""
    return 0


def _is_full(rt: Runtime, sock: int) -> bool:
    return rt.memory.load(sock + STATE_AT, 4) not in (TCP_TIME_WAIT, TCP_NEW_SYN_RECV)


@helper("sk_fullsock")
def sk_fullsock(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(socket) → the socket, or 0 when it is only half of one."""
    return args[0] if _is_full(rt, args[0]) else 0


@helper("tcp_sock", "get_listener_sock")
def tcp_sock(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(socket) → 0: a test run's socket is no TCP socket."""
    if _is_full(rt, args[0]) and rt.memory.load(args[0] + PROTOCOL_AT, 4) == IPPROTO_TCP:
        raise Unsupported("not emulated: bpf_tcp_sock of a TCP socket")
    return 0


@helper(
    *("skc_to_tcp6_sock", "skc_to_tcp_sock", "skc_to_tcp_timewait_sock", "skc_to_tcp_request_sock", "skc_to_udp6_sock"),
    *("skc_to_unix_sock", "skc_to_mptcp_sock"),
)
def skc_to_sock(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(socket) → 0: it is of no such protocol."""
    return 0


@helper("skb_ancestor_cgroup_id")
def skb_ancestor_cgroup_id(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, level) → id of the running task's cgroup's ancestor there; 0 when there is none."""
    rt.packet_of(args[0], "bpf_skb_ancestor_cgroup_id")
    tasks, level = rt.need_tasks("bpf_skb_ancestor_cgroup_id"), s32(args[1])
    ancestor = tasks.cgroup_ancestor(tasks.cgroup_of(rt.current()), level) if level >= 0 else 0
    return tasks.cgroup_id_of(ancestor) if ancestor else 0


@helper("get_socket_uid")
def get_socket_uid(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb) → owner of the test run's socket, root."""
    rt.packet_of(args[0], "bpf_get_socket_uid")
    return 0


@helper("skb_cgroup_id")
def skb_cgroup_id(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb) → the cgroup of the task that runs the test, whose socket it is."""
    rt.packet_of(args[0], "bpf_skb_cgroup_id")
    return rt.cgroup_id()


@helper("fib_lookup")
def fib_lookup(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(ctx, params, their size, flags): checks, and -ENODEV for all devices but lo, whose routes are not emulated."""
    params, size, flags = args[1], s32(args[2]), u32(args[3])
    if size < FIB_PARAMS_SIZE or flags & ~FIB_FLAGS:
        return -errno.EINVAL
    if rt.memory.load(params + FAMILY_AT, 1) not in (AF_INET, AF_INET6):
        return -EAFNOSUPPORT
    if rt.memory.load(params + FIB_IFINDEX_AT, 4) != LOOPBACK:
        return -ENODEV
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
