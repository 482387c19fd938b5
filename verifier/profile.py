# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Kernel profiles as data: what differs between kernels in what a program may use, and in a few texts.

Helper lists for 6.18 were read off a running 6.18 kernel (which helpers its verifier says a program of a type cannot
use); for 6.12 from kernel/bpf/helpers.c bpf_base_func_proto and the program types' own functions. Allow-lists:
kernel/bpf/verifier.c BTF_TYPE_SAFE_*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from bpfvm.errors import UsageError
from bpfvm.isa.helper_ids import HELPERS
from bpfvm.isa.map_types import MAP_TYPES
from bpfvm.obj.model import MapSpec
from verifier.arg_kinds import HelperProto
from verifier.helper_protos import HELPER_PROTOS
from verifier.kfunc_table import KFUNC_FLAGS, KFUNCS_BY_TYPE, SINCE_6_18

FieldName = tuple[str, str]
"""(struct, field)."""


@dataclass(frozen=True, slots=True)
class SafeFields:
    """Pointer fields whose target is known to live: fully trusted, or trusted under RCU; `_or_null` may be NULL."""

    trusted: frozenset[FieldName] = frozenset()
    trusted_or_null: frozenset[FieldName] = frozenset()
    rcu: frozenset[FieldName] = frozenset()
    rcu_or_null: frozenset[FieldName] = frozenset()


@dataclass(frozen=True, slots=True)
class KernelProfile:
    """One kernel. helpers: names per program type; kfuncs: name → flags; null_elision: array lookups with a constant
    key in range are not NULL; indirect_stack_texts: the stack memory of helpers is always taken as written, and has
    texts of its own (up to 6.14); untrusted_mem: a loaded pointer to something that is not a struct may be followed
    (since 6.17); cpus: possible CPUs, the bound of bpf_get_smp_processor_id()."""

    name: str
    helpers: Mapping[str, frozenset[str]]
    kfuncs: Mapping[str, frozenset[str]]
    kfunc_sets: Mapping[str, frozenset[str]]
    safe_fields: SafeFields
    null_elision: bool = True
    indirect_stack_texts: bool = False
    untrusted_mem: bool = True
    cpus: int = 2
    map_structs: Mapping[str, str] = field(default_factory=dict)
    ctx_arg_types: Mapping[tuple[str, str], str] = field(default_factory=dict)
    unknown_helper_text: str = "program of this type cannot use helper"

    def may_call(self, prog_type: str, helper: int) -> bool:
        """The kernel offers the helper to programs of the type."""
        return HELPERS.get(helper, "") in self.helpers.get(prog_type, frozenset())

    def helper(self, prog_type: str, helper: int) -> HelperProto | None:
        """Its prototype, if the kernel offers it and this verifier knows it."""
        return HELPER_PROTOS.get(HELPERS[helper]) if self.may_call(prog_type, helper) else None

    def map_type(self, map_: MapSpec) -> int:
        """The kernel's number of the map's type."""
        return MAP_TYPES[map_.map_type]


_ALWAYS: Final = frozenset(
    [
        "map_lookup_elem",
        "map_update_elem",
        "map_delete_elem",
        "map_push_elem",
        "map_pop_elem",
        "map_peek_elem",
        "map_lookup_percpu_elem",
        "get_prandom_u32",
        "get_smp_processor_id",
        "get_numa_node_id",
        "tail_call",
        "ktime_get_ns",
        "ktime_get_boot_ns",
        "ktime_get_tai_ns",
        "ringbuf_output",
        "ringbuf_reserve",
        "ringbuf_submit",
        "ringbuf_discard",
        "ringbuf_query",
        "strncmp",
        "strtol",
        "strtoul",
        "get_current_pid_tgid",
        "get_ns_current_pid_tgid",
    ]
)
_CAP_BPF: Final = frozenset(
    [
        "spin_lock",
        "spin_unlock",
        "jiffies64",
        "per_cpu_ptr",
        "this_cpu_ptr",
        "timer_init",
        "timer_set_callback",
        "timer_start",
        "timer_cancel",
        "kptr_xchg",
        "for_each_map_elem",
        "loop",
        "user_ringbuf_drain",
        "ringbuf_reserve_dynptr",
        "ringbuf_submit_dynptr",
        "ringbuf_discard_dynptr",
        "dynptr_from_mem",
        "dynptr_read",
        "dynptr_write",
        "dynptr_data",
        "cgrp_storage_get",
        "cgrp_storage_delete",
        "get_current_cgroup_id",
        "get_current_ancestor_cgroup_id",
    ]
)
_CAP_PERFMON: Final = frozenset(
    [
        "trace_printk",
        "trace_vprintk",
        "get_current_task",
        "get_current_task_btf",
        "probe_read_user",
        "probe_read_user_str",
        "probe_read_kernel",
        "probe_read_kernel_str",
        "snprintf",
        "snprintf_btf",
        "task_pt_regs",
    ]
)
_SINCE_6_16: Final = frozenset(
    [
        "get_current_uid_gid",
        "get_cgroup_classid",
        "current_task_under_cgroup",
        "task_storage_get",
        "task_storage_delete",
        "get_current_comm",
        "copy_from_user",
        "copy_from_user_task",
        "find_vma",
        "get_branch_snapshot",
        "get_task_stack",
        "perf_event_read",
        "perf_event_read_value",
        "send_signal",
        "send_signal_thread",
    ]
)
"""What moved from tracing programs to all: "bpf: Allow some trace helpers for all prog types"."""
BASE_6_12: Final = _ALWAYS | _CAP_BPF | _CAP_PERFMON
BASE_6_18: Final = BASE_6_12 | _SINCE_6_16

_SK_CASTS: Final = frozenset(
    [
        "skc_to_mptcp_sock",
        "skc_to_tcp6_sock",
        "skc_to_tcp_request_sock",
        "skc_to_tcp_sock",
        "skc_to_tcp_timewait_sock",
        "skc_to_udp6_sock",
        "skc_to_unix_sock",
        "ktime_get_coarse_ns",
    ]
)
_TRACING: Final = frozenset(
    ["get_stack", "get_stackid", "perf_event_output", "probe_read", "probe_read_str", "get_func_ip"]
)
_EXTRAS: Final[dict[str, frozenset[str]]] = {
    "struct_ops": frozenset(),
    "socket_filter": _SK_CASTS
    | frozenset(
        [
            "get_netns_cookie",
            "get_socket_cookie",
            "get_socket_uid",
            "perf_event_output",
            "skb_load_bytes",
            "skb_load_bytes_relative",
        ]
    ),
    "xdp": _SK_CASTS
    | frozenset(
        [
            "check_mtu",
            "csum_diff",
            "fib_lookup",
            "perf_event_output",
            "redirect",
            "redirect_map",
            "sk_lookup_tcp",
            "sk_lookup_udp",
            "sk_release",
            "skc_lookup_tcp",
            "tcp_check_syncookie",
            "tcp_gen_syncookie",
            "tcp_raw_check_syncookie_ipv4",
            "tcp_raw_check_syncookie_ipv6",
            "tcp_raw_gen_syncookie_ipv4",
            "tcp_raw_gen_syncookie_ipv6",
            "xdp_adjust_head",
            "xdp_adjust_meta",
            "xdp_adjust_tail",
            "xdp_get_buff_len",
            "xdp_load_bytes",
            "xdp_store_bytes",
        ]
    ),
    "syscall": (_SK_CASTS - {"ktime_get_coarse_ns"})
    | _TRACING
    | frozenset(
        [
            "btf_find_by_name_kind",
            "d_path",
            "get_socket_cookie",
            "kallsyms_lookup_name",
            "sk_storage_delete",
            "sk_storage_get",
            "skb_output",
            "sock_from_file",
            "sys_bpf",
            "sys_close",
            "xdp_get_buff_len",
            "xdp_output",
        ]
    ),
    "raw_tracepoint": _TRACING | {"get_attach_cookie"},
    "kprobe": _TRACING | {"get_attach_cookie"},
    "tracepoint": _TRACING | {"get_attach_cookie"},
}
TCP_CA_HELPERS: Final = frozenset(
    ["tcp_send_ack", "sk_storage_get", "sk_storage_delete", "setsockopt", "getsockopt", "ktime_get_coarse_ns"]
)
"""What struct_ops programs of tcp_congestion_ops have beyond the base set."""
_TRACING_TYPES: Final = frozenset(("syscall", "raw_tracepoint", "kprobe", "tracepoint"))


def _helpers(base: frozenset[str], tracing: frozenset[str]) -> dict[str, frozenset[str]]:
    return {
        type_: base | extra | (tracing if type_ in _TRACING_TYPES else frozenset()) for type_, extra in _EXTRAS.items()
    }


def _fields(text: str) -> frozenset[FieldName]:
    out = set()
    for item in text.split():
        struct, _, name = item.partition(".")
        out.add((struct, name))
    return frozenset(out)


_SAFE: Final = SafeFields(
    trusted=_fields("bpf_iter_meta.seq bpf_iter__task.meta bpf_iter__task.task linux_binprm.file file.f_inode"),
    trusted_or_null=_fields("dentry.d_inode socket.sk"),
    rcu=_fields(
        """task_struct.cpus_ptr task_struct.cgroups task_struct.real_parent task_struct.group_leader cgroup.kn
        css_set.dfl_cgrp cgroup_subsys_state.cgroup"""
    ),
    rcu_or_null=_fields("mm_struct.exe_file sk_buff.sk request_sock.sk"),
)
_MAP_STRUCTS: Final = {
    "hash": "bpf_htab",
    "percpu_hash": "bpf_htab",
    "lru_hash": "bpf_htab",
    "lru_percpu_hash": "bpf_htab",
    "hash_of_maps": "bpf_htab",
    "array": "bpf_array",
    "percpu_array": "bpf_array",
    "prog_array": "bpf_array",
    "array_of_maps": "bpf_array",
    "ringbuf": "bpf_ringbuf_map",
    "queue": "bpf_queue_stack",
    "stack": "bpf_queue_stack",
}
_6_18: Final = KernelProfile(
    "6.18",
    _helpers(BASE_6_18, frozenset()),
    KFUNC_FLAGS,
    KFUNCS_BY_TYPE,
    _SAFE,
    map_structs=_MAP_STRUCTS,
    ctx_arg_types={("tcp_congestion_ops", "sock"): "tcp_sock"},
)
PROFILES: Final[dict[str, KernelProfile]] = {
    "6.12": replace(
        _6_18,
        name="6.12",
        helpers=_helpers(BASE_6_12, _SINCE_6_16),
        kfunc_sets={type_: names - SINCE_6_18 for type_, names in KFUNCS_BY_TYPE.items()},
        null_elision=False,
        indirect_stack_texts=True,
        untrusted_mem=False,
        safe_fields=replace(
            _SAFE,
            trusted=_SAFE.trusted | _fields("dentry.d_inode"),
            trusted_or_null=_fields("socket.sk"),
            rcu=_SAFE.rcu - _fields("cgroup_subsys_state.cgroup"),
        ),
    ),
    "6.18": _6_18,
    "6.18+mm-trust": replace(
        _6_18,
        name="6.18+mm-trust",
        safe_fields=replace(
            _SAFE,
            trusted_or_null=_SAFE.trusted_or_null | _fields("vm_area_struct.vm_mm vm_area_struct.vm_file"),
            rcu_or_null=_SAFE.rcu_or_null | _fields("mm_struct.owner"),
        ),
    ),
}


def profile(name: str) -> KernelProfile:
    """A profile by name. Raises UsageError for a name that there isn't."""
    found = PROFILES.get(name)
    if found is None:
        raise UsageError(f"no kernel profile {name!r}; there are {', '.join(PROFILES)}")
    return found
