# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Names of context types, and which pointers by BTF are one: include/linux/bpf_types.h (type of each program type's
context); kernel/bpf/btf.c btf_is_prog_ctx_type, btf_validate_prog_ctx_type (6.18)."""

from __future__ import annotations

from typing import Final

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from verifier.program.attach_types import MODIFY_RETURN, TRACE_FENTRY, TRACE_FEXIT, TRACE_ITER, TRACE_RAW_TP

_ROWS: Final = """
socket_filter __sk_buff
sched_cls __sk_buff
sched_act __sk_buff
xdp xdp_md
cgroup_skb __sk_buff
cgroup_sock bpf_sock
cgroup_sock_addr bpf_sock_addr
lwt_in __sk_buff
lwt_out __sk_buff
lwt_xmit __sk_buff
lwt_seg6local __sk_buff
sock_ops bpf_sock_ops
sk_skb __sk_buff
sk_msg sk_msg_md
flow_dissector __sk_buff
kprobe bpf_user_pt_regs_t
perf_event bpf_perf_event_data
raw_tracepoint bpf_raw_tracepoint_args
raw_tracepoint_writable bpf_raw_tracepoint_args
cgroup_device bpf_cgroup_dev_ctx
cgroup_sysctl bpf_sysctl
cgroup_sockopt bpf_sockopt
sk_reuseport sk_reuseport_md
sk_lookup bpf_sk_lookup
netfilter bpf_nf_ctx
"""
PROG_CTX: Final[dict[str, str]] = {row.split()[0]: row.split()[1] for row in _ROWS.strip().splitlines()}
"""Program type → name of its context's struct as programs see it; types that are missing have an unnamed one."""
PROJECTIONS: Final = frozenset((("__sk_buff", "sk_buff"), ("xdp_md", "xdp_buff")))
PT_REGS: Final = "bpf_user_pt_regs_t"
_ANYTHING: Final = frozenset(("tracepoint", "syscall", "ext"))


def _is_regs_typedef(btf: Btf, type_id: int) -> bool:
    found = btf.type(type_id)
    while isinstance(found, (t.Const, t.Volatile, t.Restrict, t.TypeTag)):
        found = btf.type(found.type)
    return isinstance(found, t.Typedef) and found.name == PT_REGS


def is_ctx_pointer(btf: Btf, pointer: t.Ptr, prog_type: str) -> bool:
    """The pointer, by the type it points to, is to the context of programs of the type."""
    if prog_type == "kprobe" and _is_regs_typedef(btf, pointer.type):
        return True
    target = btf.resolve(pointer.type)
    wanted = PROG_CTX.get(prog_type, "")
    if not wanted or not isinstance(target, t.Struct) or not target.name:
        return False
    same = target.name == wanted or (wanted, target.name) in PROJECTIONS
    return same or (wanted == PT_REGS and target.name == "pt_regs")


def tagged_ctx_error(btf: Btf, pointer: t.Ptr, arg: int, prog_type: str, attach_type: int) -> str:
    """Why an argument tagged as the context can't be it; "" if it can."""
    if prog_type in ("kprobe", "perf_event") and _is_regs_typedef(btf, pointer.type):
        return ""
    target = btf.resolve(pointer.type)
    if isinstance(target, t.Void):
        return ""
    if not target.name:
        return f"arg#{arg} type doesn't have a name"
    is_struct = isinstance(target, t.Struct) and not target.is_union
    if prog_type in _ANYTHING or _special(target, is_struct, prog_type, attach_type):
        return ""
    wanted = PROG_CTX.get(prog_type, "")
    if not wanted:
        return f"arg#{arg} should be void pointer"
    if wanted == PT_REGS:
        wanted = "pt_regs"
    return "" if is_struct and target.name == wanted else f"arg#{arg} should be `struct {wanted} *`"


def _special(target: t.BtfType, is_struct: bool, prog_type: str, attach_type: int) -> bool:
    u64 = isinstance(target, t.Int) and target.size == 8
    if prog_type in ("kprobe", "perf_event"):
        return is_struct and target.name == "pt_regs"
    if prog_type == "tracing":
        if attach_type == TRACE_RAW_TP:
            return u64 or (is_struct and target.name == "bpf_raw_tracepoint_args")
        if attach_type == TRACE_ITER:
            return is_struct and target.name.startswith("bpf_iter__")
        return u64 and attach_type in (TRACE_FENTRY, TRACE_FEXIT, MODIFY_RETURN)
    return u64 and prog_type in ("raw_tracepoint", "raw_tracepoint_writable", "lsm", "struct_ops")
