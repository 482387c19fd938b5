# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A program of any type, attached to anything, given to the running kernel's verifier and to ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from bpfvm.btf import types as t
from bpfvm.isa.insn import Insn, encode
from bpfvm.obj.model import MapSpec, Program
from tests import kernel_oracle as ko
from tests.differential.verifier_oracle import Both, environment, kernel_btf, kernel_specs
from verifier.verify import check

KINDS: Final = {"struct": t.Struct, "func": t.Func, "typedef": t.Typedef}


class Hook(NamedTuple):
    """A program type with its expected attach type and flags, and the kernel type it is attached to ("kind name")."""

    prog_type: str
    attach_type: int = 0
    flags: int = 0
    target: str = ""

    def attach_id(self) -> int:
        """BTF id of the target."""
        if not self.target:
            return 0
        kind, name = self.target.split()
        return kernel_btf().find(name, KINDS[kind])

    def __str__(self) -> str:
        return " ".join([self.prog_type, str(self.attach_type), "sleepable" * bool(self.flags), self.target]).strip()


HOOKS: Final = (
    *(
        Hook(name)
        for name in [
            "socket_filter",
            "kprobe",
            "sched_cls",
            "sched_act",
            "tracepoint",
            "xdp",
            "perf_event",
            "cgroup_skb",
        ]
    ),
    *(Hook("cgroup_skb", 1), Hook("kprobe", 0, ko.F_SLEEPABLE), Hook("kprobe", 56), Hook("xdp", 33)),
    *(Hook("cgroup_sock", at) for at in (2, 12, 13, 34)),
    *(
        Hook(name)
        for name in ["lwt_in", "lwt_out", "lwt_xmit", "lwt_seg6local", "sock_ops", "sk_skb", "cgroup_device", "sk_msg"]
    ),
    *(Hook("cgroup_sock_addr", at) for at in (8, 9, 10, 11, 14, 15, 19, 20, 29, 30, 31, 32, 49, 50, 51, 52, 53)),
    *(Hook("sk_reuseport", 39), Hook("sk_reuseport", 40), Hook("cgroup_sysctl", 18), Hook("cgroup_device", 6)),
    *(Hook("flow_dissector"), Hook("raw_tracepoint"), Hook("raw_tracepoint_writable"), Hook("sk_lookup", 36)),
    *(Hook("cgroup_sockopt", 21), Hook("cgroup_sockopt", 22), Hook("netfilter", 45)),
    *(Hook("syscall", 0, ko.F_SLEEPABLE), Hook("struct_ops", 6, 0, "struct tcp_congestion_ops")),
    *(Hook("tracing", 28, 0, "func bpf_iter_task"), Hook("tracing", 28, ko.F_SLEEPABLE, "func bpf_iter_task")),
    *(Hook("tracing", 28, 0, "func bpf_iter_tcp"), Hook("tracing", 23, 0, "typedef btf_trace_sched_switch")),
)
"""Every program type that a host without special rights may load, with the attach types that make a difference."""


def kernel_verdict(
    insns: Sequence[Insn], hook: Hook, maps: Sequence[MapSpec] = (), *, level: int = 1, license: str = "GPL"
) -> ko.Verified:
    """What the kernel says."""
    specs = kernel_specs(maps)
    return ko.verify(
        encode(tuple(insns)),
        hook.prog_type,
        hook.attach_type,
        hook.flags,
        level,
        specs,
        license=license.encode(),
        attach_btf_id=hook.attach_id(),
    )


def program(insns: Sequence[Insn], hook: Hook, maps: Sequence[MapSpec] = (), *, license: str = "GPL") -> Program:
    """The same program for our verifier."""
    return Program(
        "oracle",
        hook.prog_type,
        tuple(insns),
        license,
        tuple(maps),
        hook.attach_id(),
        hook.attach_type,
        bool(hook.flags & ko.F_SLEEPABLE),
    )


def both_hooked(
    insns: Sequence[Insn], hook: Hook, maps: Sequence[MapSpec] = (), *, level: int = 1, license: str = "GPL"
) -> Both:
    """Load into the kernel, and verify."""
    kernel = kernel_verdict(insns, hook, maps, level=level, license=license)
    rejection, run = check(program(insns, hook, maps, license=license), environment(), log_level=level)
    return Both(kernel.ok, kernel.errno, kernel.log, rejection, run.log.text())
