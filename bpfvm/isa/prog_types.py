# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Program types by their kernel names (enum bpf_prog_type, include/uapi/linux/bpf.h, 6.18)."""

from __future__ import annotations

from typing import Final

_NAMES = [
    "unspec",
    "socket_filter",
    "kprobe",
    "sched_cls",
    "sched_act",
    "tracepoint",
    "xdp",
    "perf_event",
    "cgroup_skb",
    "cgroup_sock",
    "lwt_in",
    "lwt_out",
    "lwt_xmit",
    "sock_ops",
    "sk_skb",
    "cgroup_device",
    "sk_msg",
    "raw_tracepoint",
    "cgroup_sock_addr",
    "lwt_seg6local",
    "lirc_mode2",
    "sk_reuseport",
    "flow_dissector",
    "cgroup_sysctl",
    "raw_tracepoint_writable",
    "cgroup_sockopt",
    "tracing",
    "struct_ops",
    "ext",
    "lsm",
    "sk_lookup",
    "syscall",
    "netfilter",
]

PROG_TYPES: Final[dict[str, int]] = {name: number for number, name in enumerate(_NAMES)}
