# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the one who loads a program may do, and what follows from it for the verification.

Source: include/linux/bpf.h bpf_allow_ptr_leaks, bpf_allow_uninit_stack, bpf_bypass_spec_v1, bpf_bypass_spec_v4;
kernel/bpf/syscall.c bpf_prog_load, map_create, is_net_admin_prog_type, is_perfmon_prog_type (6.12, 6.18).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from bpfvm.errors import UsageError

BPF_MAXINSNS: Final = 4096
"""Most instructions of a program loaded without CAP_BPF."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The capabilities that bpf(2) asks about; CAP_SYS_ADMIN is all of them. mitigations: the CPU is protected against
    speculation (not booted with mitigations=off), so that programs without CAP_PERFMON are looked at on mispredicted
    paths, too. The kernel's switch that takes bpf(2) from everybody without CAP_BPF
    (kernel.unprivileged_bpf_disabled) counts as off."""

    bpf: bool = True
    perfmon: bool = True
    net_admin: bool = True
    mitigations: bool = True

    @property
    def allow_ptr_leaks(self) -> bool:
        """Kernel addresses may get out."""
        return self.perfmon

    @property
    def allow_uninit_stack(self) -> bool:
        """Stack may be read before it is written."""
        return self.perfmon

    @property
    def bypass_spec(self) -> bool:
        """Neither bounds checks nor stores that a CPU speculates past matter (bypass_spec_v1, bypass_spec_v4)."""
        return self.perfmon or not self.mitigations


ALL_CAPS: Final = Capabilities()
NO_CAPS: Final = Capabilities(bpf=False, perfmon=False, net_admin=False)
NAMES: Final = ("bpf", "perfmon", "net_admin")

UNPRIVILEGED_TYPES: Final = frozenset(("socket_filter", "cgroup_skb"))
_NET_ADMIN_TEXT: Final = """
sched_cls sched_act xdp lwt_in lwt_out lwt_xmit lwt_seg6local sk_skb sk_msg flow_dissector cgroup_device cgroup_sock
cgroup_sock_addr cgroup_sockopt cgroup_sysctl sock_ops ext netfilter
"""
NET_ADMIN_TYPES: Final = frozenset(_NET_ADMIN_TEXT.split())
_PERFMON_TEXT: Final = """
kprobe tracepoint perf_event raw_tracepoint raw_tracepoint_writable tracing lsm struct_ops ext
"""
PERFMON_TYPES: Final = frozenset(_PERFMON_TEXT.split())

_BPF_MAPS_TEXT: Final = """
sk_storage inode_storage task_storage cgrp_storage bloom_filter lpm_trie reuseport_sockarray stack_trace queue stack
lru_hash lru_percpu_hash struct_ops cpumap arena
"""
BPF_MAPS: Final = frozenset(_BPF_MAPS_TEXT.split())
NET_ADMIN_MAPS: Final = frozenset(("sockmap", "sockhash", "devmap", "devmap_hash", "xskmap"))
BPF_F_ZERO_SEED: Final = 1 << 6
"""map_flags of hash tables without a random seed: for CAP_SYS_ADMIN (kernel/bpf/hashtab.c htab_map_alloc_check)."""


def parse_caps(text: str) -> Capabilities:
    """Capabilities from their names: "bpf,net_admin", with or without CAP_, in any case; "" is none at all, "all" and
    "sys_admin" are all. Raises UsageError for another name."""
    names = [name.strip().lower().removeprefix("cap_") for name in text.split(",") if name.strip()]
    if "all" in names or "sys_admin" in names:
        return ALL_CAPS
    for name in names:
        if name not in NAMES:
            known = ", ".join((*NAMES, "sys_admin"))
            raise UsageError(f"no capability {name!r} that bpf(2) asks about; there are {known}")
    return Capabilities(bpf="bpf" in names, perfmon="perfmon" in names, net_admin="net_admin" in names)


def missing_for_type(caps: Capabilities, prog_type: str) -> str:
    """The capability that loading a program of this type lacks; "" if none."""
    if prog_type not in UNPRIVILEGED_TYPES and not caps.bpf:
        return "CAP_BPF"
    if prog_type in NET_ADMIN_TYPES and not caps.net_admin:
        return "CAP_NET_ADMIN"
    return "CAP_PERFMON" if prog_type in PERFMON_TYPES and not caps.perfmon else ""


def missing_for_map(caps: Capabilities, map_type: str, map_flags: int = 0) -> str:
    """The capability that creating a map of this type lacks; "" if none."""
    if map_flags & BPF_F_ZERO_SEED and caps != replace(ALL_CAPS, mitigations=caps.mitigations):
        return "CAP_SYS_ADMIN"
    if map_type in BPF_MAPS and not caps.bpf:
        return "CAP_BPF"
    return "CAP_NET_ADMIN" if map_type in NET_ADMIN_MAPS and not caps.net_admin else ""
