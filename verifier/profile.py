# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Kernel profiles as data: what differs between kernels in what a program may use, and in a few texts.

Allow-lists: kernel/bpf/verifier.c BTF_TYPE_SAFE_*. Helper lists: helper_sets.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from bpfvm.errors import UsageError
from bpfvm.isa.helper_ids import HELPERS
from bpfvm.isa.map_types import MAP_TYPES
from bpfvm.obj.model import MapSpec
from verifier.calls.arg_kinds import HelperProto
from verifier.calls.helper_protos import HELPER_PROTOS, VARIANT_PROTOS
from verifier.calls.helper_sets import (
    NEED_BPF_6_12,
    NEED_BPF_6_18,
    NEED_PERFMON_6_12,
    NEED_PERFMON_6_18,
    SK_CASTS,
    TRACING_TYPES,
    helpers_6_12,
    helpers_6_18,
)
from verifier.calls.kfunc_sets import KFUNCS_BY_TYPE, KFUNCS_BY_TYPE_6_12
from verifier.calls.kfunc_table import KFUNC_FLAGS
from verifier.capabilities import Capabilities

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
    """One kernel.

    helpers: names per program type; kfuncs: name → flags;
    null_elision: array lookups with a constant key in range are not NULL;
    indirect_stack_texts: the stack memory of helpers is always taken as written, and has texts of its own (up to 6.14);
    untrusted_mem: a loaded pointer to something that is not a struct may be followed (since 6.17);
    may_goto_nowhere: a may_goto may lead to the next instruction;
    graph_walks: lists and trees can be looked through, resilient locks exist (since 6.15, 6.16);
    error_injection: the kernel is built with CONFIG_FUNCTION_ERROR_INJECTION;
    injectable: functions of modules that errors may be injected into;
    old_tracepoint_args: which tracepoint arguments may be NULL is taken from 6.12;
    tail_call_forks: a tail call has two outcomes;
    kfunc_trust: every kfunc wants objects that are trusted, or RCU-protected if it says so;
    targets_break_fastcalls: spills around an inlined call stay if a jump leads in between (6.12.y);
    signed_arena_loads: the JIT has sign-extending loads from arenas (since 6.18);
    acquire_release: there are load_acquire and store_release (since 6.15);
    sleep_follows_calls: a call of a global function that may sleep is one that may sleep (since 6.15);
    precise_fetches: what an atomic operation fetched is traced back to the stack slot that it came from (6.12.y, 7.0;
    6.18.44 does not, and accepts programs that write outside of their stack: CVE-2026-43009);
    precise_nulls: that a pointer argument is NULL is relied upon (6.12.y);
    old_arithmetic: what is known of sums, differences and products is what 6.12 knows (see old_alu.py);
    unary_known: the negation or byte swap of a known number is known (since 6.17);
    far_nulls: a pointer that may be far from what it points at may be NULL (6.12.y), while AF_XDP sockets and buffers
    are known not to be;
    narrow_links: numbers stay linked over 32-bit additions and over subtractions, too;
    read_marks: what is live is found by walking, and the log shows it (up to 6.16, see read_marks.py);
    old_texts: refusals that were worded otherwise up to 6.12, in the order of 6.12;
    may_goto_bytes: stack that the kernel adds to a function for its may_goto;
    rcu_protected_calls: kfuncs that want RCU protection want it at the call (since 6.18), not only later for the
    iterator they make;
    need_bpf, need_perfmon: helpers that are offered only to who has the capability;
    barriers: what may not be speculated on gets a barrier in front, where earlier kernels refuse the program (since
    6.16);
    blank_low_bounds: where speculation doesn't move a pointer, the bounds of its lower half are gone, and a copy of it
    loses the others as well (not in 6.12.y);
    cpus: possible CPUs, the bound of bpf_get_smp_processor_id().
    """

    name: str
    helpers: Mapping[str, frozenset[str]]
    kfuncs: Mapping[str, frozenset[str]]
    kfunc_sets: Mapping[str, frozenset[str]]
    safe_fields: SafeFields
    null_elision: bool = True
    indirect_stack_texts: bool = False
    untrusted_mem: bool = True
    may_goto_nowhere: bool = True
    graph_walks: bool = True
    error_injection: bool = False
    injectable: frozenset[str] = frozenset()
    old_tracepoint_args: bool = False
    tail_call_forks: bool = True
    signed_arena_loads: bool = True
    acquire_release: bool = True
    sleep_follows_calls: bool = True
    precise_fetches: bool = True
    precise_nulls: bool = False
    old_arithmetic: bool = False
    unary_known: bool = True
    narrow_links: bool = True
    far_nulls: bool = False
    read_marks: bool = False
    old_texts: bool = False
    may_goto_bytes: int = 16
    targets_break_fastcalls: bool = False
    kfunc_trust: bool = False
    rcu_protected_calls: bool = True
    cpus: int = 2
    need_bpf: frozenset[str] = NEED_BPF_6_18
    need_perfmon: frozenset[str] = NEED_PERFMON_6_18
    barriers: bool = True
    blank_low_bounds: bool = True
    map_structs: Mapping[str, str] = field(default_factory=dict)
    ctx_arg_types: Mapping[tuple[str, str], str] = field(default_factory=dict)
    unknown_helper_text: str = "program of this type cannot use helper"

    def may_call(self, prog_type: str, helper: int) -> bool:
        """The kernel offers the helper to programs of the type."""
        return HELPERS.get(helper, "") in self.helpers.get(prog_type, frozenset())

    def helper(self, prog_type: str, helper: int) -> HelperProto | None:
        """Its prototype, if the kernel offers it and this verifier knows it."""
        return self.proto(prog_type, HELPERS[helper]) if self.may_call(prog_type, helper) else None

    def proto(self, prog_type: str, name: str) -> HelperProto | None:
        """The helper's prototype as programs of the type see it, if this verifier knows it."""
        return VARIANT_PROTOS.get((prog_type, name)) or HELPER_PROTOS.get(name)

    def denied_helpers(self, caps: Capabilities, prog_type: str) -> frozenset[str]:
        """Helpers for which programs of the type lack a capability."""
        denied: frozenset[str] = frozenset()
        if not caps.bpf:
            denied |= self.need_bpf
        if not caps.perfmon:
            denied |= self.need_perfmon if prog_type in TRACING_TYPES else self.need_perfmon | SK_CASTS
        return denied

    def map_type(self, map_: MapSpec) -> int:
        """The kernel's number of the map's type."""
        return MAP_TYPES[map_.map_type]


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
_MAP_STRUCT_ROWS: Final = """
bpf_array array percpu_array prog_array perf_event_array cgroup_array array_of_maps
bpf_htab hash percpu_hash lru_hash lru_percpu_hash hash_of_maps
bpf_ringbuf_map ringbuf user_ringbuf
bpf_queue_stack queue stack
bpf_local_storage_map sk_storage inode_storage task_storage cgrp_storage
bpf_cgroup_storage_map cgroup_storage percpu_cgroup_storage
bpf_dtab devmap devmap_hash
lpm_trie lpm_trie
bpf_stack_map stack_trace
bpf_bloom_filter bloom_filter
bpf_cpu_map cpumap
xsk_map xskmap
bpf_stab sockmap
bpf_shtab sockhash
reuseport_array reuseport_sockarray
bpf_struct_ops_map struct_ops
bpf_arena arena
"""
_MAP_STRUCTS: Final = {
    type_: struct
    for struct, *types in (row.split() for row in _MAP_STRUCT_ROWS.strip().splitlines())
    for type_ in types
}
"""Map type → the kernel's struct of such a map (map_btf_id of its bpf_map_ops)."""
_6_18: Final = KernelProfile(
    "6.18",
    helpers_6_18(),
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
        helpers=helpers_6_12(),
        need_bpf=NEED_BPF_6_12,
        need_perfmon=NEED_PERFMON_6_12,
        barriers=False,
        blank_low_bounds=False,
        kfunc_sets=KFUNCS_BY_TYPE_6_12,
        null_elision=False,
        indirect_stack_texts=True,
        untrusted_mem=False,
        may_goto_nowhere=False,
        graph_walks=False,
        old_tracepoint_args=True,
        tail_call_forks=False,
        signed_arena_loads=False,
        acquire_release=False,
        sleep_follows_calls=False,
        precise_nulls=True,
        old_arithmetic=True,
        unary_known=False,
        narrow_links=False,
        far_nulls=True,
        read_marks=True,
        old_texts=True,
        may_goto_bytes=8,
        targets_break_fastcalls=True,
        kfunc_trust=False,
        rcu_protected_calls=False,
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
