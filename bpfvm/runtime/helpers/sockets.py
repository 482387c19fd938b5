# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers on sockets (net/core/filter.c, net/core/sock.c; 6.18).

The emulated machine has no sockets but the one that each test run's packet has: looking one up
finds nothing.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.engine.trap import Unsupported
from bpfvm.isa.word import s32, u32
from bpfvm.runtime.helpers.table import Args, helper

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

STATE_AT, PROTOCOL_AT = 72, 12
"""in struct bpf_sock"""
TCP_TIME_WAIT, TCP_NEW_SYN_RECV = 6, 12
IPPROTO_TCP: Final = 6
TCP_LISTEN: Final = 10
TCP_HEADER: Final = 20
SK_LOOKUP_FLAGS: Final = 3


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
    return _cgroup_id(rt, s32(args[1]))


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


def _cgroup_id(rt: Runtime, level: int) -> int:
    """Id of the running task's cgroup's ancestor at ``level``; 0 when there is none."""
    tasks = rt.need_tasks("bpf_sk_ancestor_cgroup_id")
    ancestor = tasks.cgroup_ancestor(tasks.cgroup_of(rt.current()), level) if level >= 0 else 0
    return tasks.cgroup_id_of(ancestor) if ancestor else 0


@helper("sk_cgroup_id")
def sk_cgroup_id(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(socket) → the cgroup of the task that runs the test, whose socket it is; 0 for half a socket."""
    return rt.cgroup_id() if _is_full(rt, args[0]) else 0


@helper("sk_ancestor_cgroup_id")
def sk_ancestor_cgroup_id(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(socket, level) → id of that cgroup's ancestor there; 0 when there is none."""
    return _cgroup_id(rt, s32(args[1])) if _is_full(rt, args[0]) else 0


@helper("sk_assign")
def sk_assign(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(ctx, socket, flags) → 0 or an errno. There is no socket that a lookup could choose, and a test run's packet is
    on no device's way in."""
    _, sock, flags, _, _ = args
    program = frame.image.program
    if program is None or program.prog_type != "sk_lookup":
        return -errno.EINVAL if not sock or flags else -errno.EOPNOTSUPP
    if flags & ~SK_LOOKUP_FLAGS:
        return -errno.EINVAL
    if sock:
        raise Unsupported("not emulated: bpf_sk_assign of a socket")
    return 0


@helper("tcp_check_syncookie")
def tcp_check_syncookie(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(socket, IP header, its size, TCP header, its size) → -EINVAL: the socket is none that listens."""
    if rt.memory.load(args[0] + STATE_AT, 4) == TCP_LISTEN and u32(args[4]) >= TCP_HEADER:
        raise Unsupported("not emulated: bpf_tcp_check_syncookie of a listening socket")
    return -errno.EINVAL


@helper("tcp_gen_syncookie")
def tcp_gen_syncookie(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(socket, IP header, its size, TCP header, its size) → -EINVAL: the socket is none that listens."""
    return tcp_check_syncookie(rt, args, frame)
