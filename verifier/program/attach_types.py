# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Expected attach types: which a program type may be loaded with, and what each one changes in the helpers it may call.

Source: include/uapi/linux/bpf.h enum bpf_attach_type; kernel/bpf/syscall.c bpf_prog_load_check_attach,
bpf_prog_load_fixup_attach_type; kernel/bpf/cgroup.c cgroup_common_func_proto (6.18).
"""

from __future__ import annotations

from typing import Final

from verifier.calls.helper_sets import (
    BIND_HELPERS,
    COOKIE_HELPERS,
    ITER_HELPERS,
    LSM_CGROUP_HELPERS,
    RETVAL_HELPERS,
    SOCKOPT_HELPERS,
    TRAMPOLINE_HELPERS,
)

CGROUP_INET_INGRESS, CGROUP_INET_EGRESS, CGROUP_INET_SOCK_CREATE, CGROUP_SOCK_OPS = 0, 1, 2, 3
INET4_BIND, INET6_BIND, INET4_CONNECT, INET6_CONNECT = 8, 9, 10, 11
TRACE_RAW_TP, TRACE_FENTRY, TRACE_FEXIT, MODIFY_RETURN, LSM_MAC, TRACE_ITER = 23, 24, 25, 26, 27, 28
CGROUP_SETSOCKOPT: Final = 22
SK_LOOKUP: Final = 36
LSM_CGROUP: Final = 43
NETFILTER: Final = 45
KPROBE_MULTI, UPROBE_MULTI, KPROBE_SESSION, UPROBE_SESSION = 42, 48, 56, 57
MULTI_PROBES: Final = frozenset((KPROBE_MULTI, UPROBE_MULTI, KPROBE_SESSION, UPROBE_SESSION))
SK_REUSEPORT_SELECT: Final = 39
RECVMSG_OR_NAME: Final = frozenset((19, 20, 52, 29, 30, 53, 31, 32, 51))
"""recvmsg, getpeername and getsockname of IPv4, IPv6 and Unix: nothing to deny any more."""

ALLOWED: Final[dict[str, frozenset[int]]] = {
    "cgroup_sock": frozenset((2, 12, 13, 34)),
    "cgroup_sock_addr": frozenset((8, 9, 10, 11, 14, 15, 19, 20, 29, 30, 31, 32, 49, 50, 51, 52, 53)),
    "cgroup_skb": frozenset((CGROUP_INET_INGRESS, CGROUP_INET_EGRESS)),
    "cgroup_sockopt": frozenset((21, 22)),
    "sk_lookup": frozenset((SK_LOOKUP,)),
    "sk_reuseport": frozenset((39, 40)),
    "netfilter": frozenset((NETFILTER,)),
    "syscall": frozenset((0,)),
    "ext": frozenset((0,)),
}
"""Types that are loaded with these attach types only (after `effective`); any other type takes any."""
_DEFAULT: Final = {"cgroup_sock": CGROUP_INET_SOCK_CREATE, "sk_reuseport": SK_REUSEPORT_SELECT}
_NO_RETVAL: Final = RECVMSG_OR_NAME | {CGROUP_INET_INGRESS, CGROUP_INET_EGRESS, CGROUP_SOCK_OPS}
_RETVAL_TYPES_TEXT: Final = """
cgroup_skb cgroup_sock cgroup_sock_addr cgroup_device cgroup_sysctl cgroup_sockopt sock_ops
"""
_RETVAL_TYPES: Final = frozenset(_RETVAL_TYPES_TEXT.split())


def effective(prog_type: str, attach_type: int) -> int:
    """The attach type that 0 stands for."""
    return attach_type or _DEFAULT.get(prog_type, 0)


def may_load(prog_type: str, attach_type: int) -> bool:
    """The program type goes with this (effective) attach type."""
    allowed = ALLOWED.get(prog_type)
    return allowed is None or attach_type in allowed


def attach_helpers(prog_type: str, attach_type: int) -> frozenset[str]:
    """Helpers that a program has because of its attach type."""
    out: frozenset[str] = frozenset()
    if prog_type in _RETVAL_TYPES and attach_type not in _NO_RETVAL:
        out |= RETVAL_HELPERS
    if prog_type == "cgroup_sock_addr" and attach_type in (INET4_CONNECT, INET6_CONNECT):
        out |= BIND_HELPERS
    if prog_type == "cgroup_sockopt" and attach_type == CGROUP_SETSOCKOPT:
        out |= SOCKOPT_HELPERS
    if prog_type == "tracing":
        out |= _tracing_helpers(attach_type)
    if prog_type == "lsm":
        out |= LSM_CGROUP_HELPERS if attach_type == LSM_CGROUP else TRAMPOLINE_HELPERS
    return out


def _tracing_helpers(attach_type: int) -> frozenset[str]:
    if attach_type == TRACE_ITER:
        return ITER_HELPERS
    if attach_type == TRACE_RAW_TP:
        return COOKIE_HELPERS
    return TRAMPOLINE_HELPERS
