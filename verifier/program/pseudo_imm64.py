# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What each ld_imm64 stands for: kernel/bpf/verifier.c resolve_pseudo_ldimm64, check_map_prog_compatibility,
check_pseudo_btf_id (6.18)."""

from __future__ import annotations

from typing import Final

from bpfvm.btf import types as t
from bpfvm.errors import BadInput
from bpfvm.isa.insn import Insn
from bpfvm.obj.model import MapSpec
from verifier.calls.kptr import check_map_kptrs
from verifier.env import Env
from verifier.memory.arena import arena_address, note_arena
from verifier.memory.map_access import DIRECT_VALUE_TYPES
from verifier.memory.map_fields import special_fields
from verifier.memory.region import MAX_VAR_OFF
from verifier.program.insn_check import check_opcode
from verifier.rejection import E2BIG, EBUSY, EINVAL, ENOENT, ENOTSUPP
from verifier.state.reg import Pointee, map_ptr, pointer
from verifier.state.reg_type import MEM_PERCPU, MEM_RDONLY, PTR_TO_BTF_ID, PTR_TO_MAP_VALUE, PTR_TO_MEM

MAX_USED_MAPS: Final = 64
FAKE_MAPS: Final = 0xFFFF_8881_0000_0000
"""Address of the first map in log lines; a real kernel prints the map's own."""
FAKE_VARS: Final = 0xFFFF_FFFF_8200_0000
SLEEPABLE_MAPS: Final = frozenset(
    [
        "hash",
        "lru_hash",
        "array",
        "percpu_hash",
        "percpu_array",
        "lru_percpu_hash",
        "array_of_maps",
        "hash_of_maps",
        "ringbuf",
        "user_ringbuf",
        "inode_storage",
        "sk_storage",
        "task_storage",
        "cgrp_storage",
        "queue",
        "stack",
        "arena",
        "insn_array",
    ]
)
TRACING_TYPES: Final = frozenset(("kprobe", "tracepoint", "perf_event", "raw_tracepoint", "raw_tracepoint_writable"))
NO_TRACING: Final = (
    (("bpf_list_head", "bpf_rb_root"), "tracing progs cannot use bpf_{list_head,rb_root} yet"),
    (("bpf_spin_lock", "bpf_res_spin_lock"), "tracing progs cannot use bpf_spin_lock yet"),
    (("bpf_timer",), "tracing progs cannot use bpf_timer yet"),
    (("bpf_wq",), "tracing progs cannot use bpf_wq yet"),
)
MODELLED_MAPS: Final = frozenset(
    [
        "hash",
        "array",
        "prog_array",
        "perf_event_array",
        "percpu_hash",
        "percpu_array",
        "stack_trace",
        "cgroup_array",
        "lru_hash",
        "lru_percpu_hash",
        "lpm_trie",
        "array_of_maps",
        "hash_of_maps",
        "queue",
        "stack",
        "ringbuf",
        "task_storage",
        "cgrp_storage",
        "bloom_filter",
        "devmap",
        "cpumap",
        "xskmap",
        "struct_ops",
        "devmap_hash",
        "user_ringbuf",
        "sockmap",
        "sockhash",
        "sk_storage",
        "inode_storage",
        "cgroup_storage",
        "percpu_cgroup_storage",
        "reuseport_sockarray",
    ]
)
CGROUP_STORAGE: Final = ("cgroup_storage", "percpu_cgroup_storage")


def resolve_imm64(env: Env) -> None:
    """Check all opcodes; give every ld_imm64 of a map or variable the register it loads."""
    used: list[MapSpec] = []
    insns = env.insns
    i = 0
    while i < len(insns):
        insn = insns[i]
        check_opcode(env, insn)
        if insn.code == 0x18:
            high = insns[i + 1] if i + 1 < len(insns) else None
            if high is None or high.code or high.dst or high.src or high.off:
                env.reject(EINVAL, "invalid bpf_ld_imm64 insn")
            _resolve(env, i, insn, high, used)
            i += 1
        i += 1


def _resolve(env: Env, i: int, insn: Insn, high: Insn, used: list[MapSpec]) -> None:
    if insn.src == 0 or insn.src == 4:
        return
    if insn.src == 3:
        _kernel_var(env, i, insn, high)
        return
    if insn.src not in (1, 2) or (insn.src == 1 and high.imm):
        env.reject(EINVAL, "unrecognized bpf_ld_imm64 insn")
    if not 0 <= insn.imm < len(env.program.maps):
        env.reject(EINVAL, f"fd {insn.imm} is not pointing to valid bpf_map")
    map_ = env.program.maps[insn.imm]
    if not any(map_ is other for other in used):
        if len(used) >= MAX_USED_MAPS:
            env.reject(E2BIG, f"The total number of maps per program has reached the limit of {MAX_USED_MAPS}")
        _check_compat(env, map_)
        if map_.map_type in CGROUP_STORAGE and any(other.map_type == map_.map_type for other in used):
            env.reject(EBUSY, "only one cgroup storage of each type is allowed")
        used.append(map_)
    shown = FAKE_MAPS + (insn.imm << 12)
    if insn.src == 2 and map_.map_type == "arena":
        off = high.imm & 0xFFFFFFFF
        env.imm64_regs[i] = arena_address(env, map_, off)
        shown = map_.map_extra + off
    elif insn.src == 2:
        off = high.imm & 0xFFFFFFFF
        _check_direct_value(env, map_, off)
        env.imm64_regs[i] = pointer(PTR_TO_MAP_VALUE, off=off, ptr=Pointee(map=map_))
        shown += 0x100 + off
    else:
        env.imm64_regs[i] = map_ptr(map_)
    env.imm64_text[i] = f"{shown:#x}"


def _check_direct_value(env: Env, map_: MapSpec, off: int) -> None:
    if off >= MAX_VAR_OFF:
        env.reject(EINVAL, f"direct value offset of {off} is not allowed")
    if map_.map_type not in DIRECT_VALUE_TYPES:
        env.reject(EINVAL, "no direct value access support for this map type")
    if map_.max_entries != 1 or off >= map_.value_size:
        errno = ENOTSUPP if map_.max_entries != 1 else EINVAL
        env.reject(errno, f"invalid access to map value pointer, value_size={map_.value_size} off={off}")


def _check_compat(env: Env, map_: MapSpec) -> None:
    """The map may be used by this type of program."""
    prog_type = env.program.prog_type
    kinds = {field.kind for field in special_fields(map_)}
    check_map_kptrs(env, map_)
    if prog_type in TRACING_TYPES:
        for names, text in NO_TRACING:
            if kinds & set(names):
                env.reject(EINVAL, text)
    if prog_type == "socket_filter" and kinds & {"bpf_spin_lock", "bpf_res_spin_lock"}:
        env.reject(EINVAL, "socket filter progs cannot use bpf_spin_lock yet")
    if map_.map_type == "struct_ops":
        env.reject(EINVAL, "bpf_struct_ops map cannot be used in prog")
    if env.program.sleepable and map_.map_type not in SLEEPABLE_MAPS:
        env.reject(EINVAL, "Sleepable programs can only use array, hash, ringbuf and local storage maps")
    if map_.map_type == "arena":
        note_arena(env, map_)
    elif map_.map_type not in MODELLED_MAPS:
        env.unsupported(f"map type {map_.map_type}")


def _kernel_var(env: Env, i: int, insn: Insn, high: Insn) -> None:
    """A kernel variable or function by BTF id."""
    if high.imm:
        env.unsupported("a variable of a module's BTF")
    btf = env.kernel_btf
    try:
        found = btf.type(insn.imm)
    except BadInput:
        env.reject(ENOENT, f"ldimm64 insn specifies invalid btf_id {insn.imm}.")
    if not isinstance(found, (t.Var, t.Func)):
        env.reject(EINVAL, f"pseudo btf_id {insn.imm} in ldimm64 isn't KIND_VAR or KIND_FUNC")
    env.imm64_text[i] = f"{FAKE_VARS + (insn.imm << 4):#x}"
    if isinstance(found, t.Func):
        env.imm64_regs[i] = pointer(PTR_TO_MEM | MEM_RDONLY)
        return
    percpu_id = btf.find(".data..percpu", t.Datasec)
    percpu = btf.type(percpu_id) if percpu_id else None
    target_id = found.type
    if isinstance(percpu, t.Datasec) and any(var.type == insn.imm for var in percpu.vars):
        env.imm64_regs[i] = pointer(PTR_TO_BTF_ID | MEM_PERCPU, ptr=Pointee(btf=btf, btf_id=target_id))
    elif isinstance(btf.resolve(target_id), t.Struct):
        env.imm64_regs[i] = pointer(PTR_TO_BTF_ID, ptr=Pointee(btf=btf, btf_id=btf.skip_mods(target_id)))
    else:
        try:
            size = btf.size_of(target_id)
        except BadInput:
            name = btf.name_of(btf.skip_mods(target_id))
            env.reject(EINVAL, f"ldimm64 unable to resolve the size of type '{name}': -22")
        env.imm64_regs[i] = pointer(PTR_TO_MEM | MEM_RDONLY, ptr=Pointee(mem_size=size))
