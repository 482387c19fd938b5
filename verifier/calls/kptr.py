# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Pointers kept in map values and allocated objects: loads, stores, bpf_kptr_xchg().

Source: kernel/bpf/verifier.c check_map_kptr_access, map_kptr_match_type, btf_ld_kptr_type, process_kptr_func,
rcu_protected_object; kernel/bpf/btf.c btf_parse_kptr (6.18).
"""

from __future__ import annotations

from typing import Final

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.obj.model import MapSpec
from verifier.env import Env
from verifier.memory.btf_access import ids_match
from verifier.memory.map_fields import is_allocated, map_record, reg_record, struct_record
from verifier.memory.region import check_ptr_off_reg
from verifier.memory.special_fields import KPTR, KPTR_UNTRUSTED, KPTRS, NODES, PERCPU_KPTR, POINTERS, UPTR, Field
from verifier.memory.stack import is_null
from verifier.rejection import EACCES, EINVAL, Rejection
from verifier.search.backtrack import mark_chain_precision
from verifier.state.references import each_reg, give_back
from verifier.state.reg import Pointee, RegState, pointer
from verifier.state.reg_type import (
    BASE_TYPE_MASK,
    MEM_ALLOC,
    MEM_PERCPU,
    MEM_RCU,
    NON_OWN_REF,
    PTR_MAYBE_NULL,
    PTR_TO_BTF_ID,
    PTR_TO_MEM,
    PTR_TRUSTED,
    PTR_UNTRUSTED,
    type_str,
)
from verifier.steps.leaks import invalid_reg

RCU_PROTECTED: Final = frozenset(("prog_test_ref_kfunc", "cgroup", "bpf_cpumask", "task_struct", "bpf_crypto_ctx"))
"""Kernel structs that stay in memory until the end of the RCU section (rcu_protected_types)."""
DESTRUCTORS: Final = {
    "task_struct": ("bpf_task_release_dtor", "bpf_task_release"),
    "cgroup": ("bpf_cgroup_release_dtor", "bpf_cgroup_release"),
    "bpf_cpumask": ("bpf_cpumask_release_dtor", "bpf_cpumask_release"),
    "bpf_crypto_ctx": ("bpf_crypto_ctx_release_dtor", "bpf_crypto_ctx_release"),
    "prog_test_ref_kfunc": ("bpf_kfunc_call_test_release_dtor", "bpf_kfunc_call_test_release"),
    "prog_test_member": ("bpf_kfunc_call_memb_release_dtor", "bpf_kfunc_call_memb_release"),
}
"""Kernel structs that a map may own, and the functions one of which gives them back."""
LDX_MEM_DW, STX_MEM_DW, ST_MEM_DW = 0x79, 0x7B, 0x7A


def kptr_target(env: Env, field: Field) -> tuple[Btf, int]:
    """The struct pointed at: the kernel's of that name, else the program's own."""
    assert field.btf is not None
    kernel_id = env.kernel_btf.find(field.btf.name_of(field.type_id), t.Struct)
    return (env.kernel_btf, kernel_id) if kernel_id else (field.btf, field.type_id)


def check_map_kptrs(env: Env, map_: MapSpec) -> None:
    """Every kernel object that the map may own can be given back."""
    for field in map_record(map_).fields:
        if field.kind != KPTR:
            continue
        btf, type_id = kptr_target(env, field)
        name = btf.name_of(type_id)
        if btf is env.kernel_btf and not any(btf.find(f, t.Func) for f in DESTRUCTORS.get(name, ())):
            env.unsupported(f"a kptr to struct {name}, which has no destructor,")


# --- loads and stores ------------------------------------------------------------
def pointer_field(reg: RegState, off: int) -> Field | None:
    """The pointer field of a map value that an access at `off` (fixed part of the offset included) is to."""
    if reg.num.var_off.mask or reg.ptr.map is None:
        return None
    return map_record(reg.ptr.map).at(off + reg.num.var_off.value, POINTERS)


def check_kptr_touch(env: Env, reg: RegState, field: Field, off: int, size: int, helper: bool) -> None:
    """A pointer field is accessed as a whole and at a known offset."""
    if helper:
        what = "uptr" if field.kind == UPTR else "kptr"
        env.reject(EACCES, f"{what} cannot be accessed indirectly by helper")
    if reg.num.var_off.mask:
        env.reject(EACCES, "kptr access cannot have variable offset")
    at = off + reg.num.var_off.value
    if field.offset != at:
        env.reject(EACCES, f"kptr access misaligned expected={field.offset} off={at}")
    if size != 8:
        env.reject(EACCES, "kptr access size must be BPF_DW")


def check_kptr_access(env: Env, field: Field, value_regno: int) -> None:
    """The current instruction loads or stores a pointer field."""
    insn = env.insns[env.insn_idx]
    if insn.code & 0xE0 != 0x60:
        env.reject(EACCES, "kptr in map can only be accessed using BPF_MEM instruction mode")
    if insn.code != LDX_MEM_DW:
        if field.kind in (KPTR, PERCPU_KPTR):
            env.reject(EACCES, "store to referenced kptr disallowed")
        if field.kind == UPTR:
            env.reject(EACCES, "store to uptr disallowed")
    if insn.code == LDX_MEM_DW:
        env.frame.regs[value_regno] = _loaded(env, field)
    elif insn.code == STX_MEM_DW:
        _check_store(env, field, value_regno)
    elif insn.code != ST_MEM_DW:
        env.reject(EACCES, "kptr in map can only be accessed using BPF_LDX/BPF_STX/BPF_ST")
    elif insn.imm:
        env.reject(EACCES, f"BPF_ST imm must be 0 when storing to kptr at off={field.offset}")


def _check_store(env: Env, field: Field, regno: int) -> None:
    reg = env.frame.regs[regno]
    if is_null(reg):
        mark_chain_precision(env, regno)
    else:
        check_kptr_type(env, field, reg, regno)


def _loaded(env: Env, field: Field) -> RegState:
    """A load of the field: not owned, not known to live unless RCU protects it."""
    if field.kind == UPTR:
        assert field.btf is not None
        size = field.btf.size_of(field.type_id)
        return pointer(PTR_TO_MEM | PTR_MAYBE_NULL, id=env.new_id(), ptr=Pointee(mem_size=size))
    btf, type_id = kptr_target(env, field)
    flags = PTR_MAYBE_NULL
    if env.in_rcu() and _rcu_safe(env, field, btf, type_id):
        flags |= MEM_RCU
        local = btf is not env.kernel_btf
        if field.kind == PERCPU_KPTR:
            flags |= MEM_PERCPU
        elif local:
            flags |= MEM_ALLOC
        record = struct_record(btf, type_id) if local else None
        if record is not None and record.has(NODES):
            flags |= NON_OWN_REF
    else:
        flags |= PTR_UNTRUSTED
    return pointer(PTR_TO_BTF_ID | flags, id=env.new_id(), ptr=Pointee(btf=btf, btf_id=type_id))


def _rcu_safe(env: Env, field: Field, btf: Btf, type_id: int) -> bool:
    if field.kind == PERCPU_KPTR:
        return True
    return field.kind == KPTR and (btf is not env.kernel_btf or btf.name_of(type_id) in RCU_PROTECTED)


# --- what may be stored ------------------------------------------------------------
def _flags_allowed(env: Env, field: Field, btf: Btf) -> int:
    if btf is env.kernel_btf:
        untrusted = PTR_UNTRUSTED if field.kind == KPTR_UNTRUSTED else 0
        return PTR_MAYBE_NULL | PTR_TRUSTED | MEM_RCU | untrusted
    return PTR_MAYBE_NULL | MEM_ALLOC | (MEM_PERCPU if field.kind == PERCPU_KPTR else 0)


def check_kptr_type(env: Env, field: Field, reg: RegState, regno: int) -> None:
    """The register may be put into the field (map_kptr_match_type)."""
    need_btf, need_id = kptr_target(env, field)
    btf, name = reg.ptr.btf, ""
    good = False
    if reg.type & BASE_TYPE_MASK == PTR_TO_BTF_ID and btf is not None:
        flags = reg.type & ~BASE_TYPE_MASK
        percpu = bool(flags & MEM_PERCPU)
        if not flags & ~_flags_allowed(env, field, btf) and (field.kind == PERCPU_KPTR) == percpu:
            name = btf.name_of(reg.ptr.btf_id)
            try:
                check_ptr_off_reg(env, reg, regno, fixed_off_ok=True)
            except Rejection as why:
                raise Rejection(why.message, EACCES, insn=why.insn, state=why.state) from None
            strict = field.kind != KPTR_UNTRUSTED
            good = ids_match(env, btf, reg.ptr.btf_id, reg.off, need_btf, need_id, strict)
    if good:
        return
    target = need_btf.name_of(need_id)
    text = f"invalid kptr access, R{regno} type={type_str(reg.type)}{name} expected={type_str(PTR_TO_BTF_ID)}{target}"
    if field.kind == KPTR_UNTRUSTED:
        text += f" or {type_str(PTR_TO_BTF_ID | PTR_UNTRUSTED)}{target}"
    env.reject(EACCES, text)


# --- bpf_kptr_xchg ------------------------------------------------------------
def xchg_dest(env: Env, regno: int) -> tuple[Field, MapSpec | None]:
    """The field that r1 of bpf_kptr_xchg() points at, and the map it is in."""
    reg = env.frame.regs[regno]
    map_ = None if is_allocated(reg.type) else reg.ptr.map
    if map_ is not None and map_.btf is None:
        env.reject(EINVAL, f"map '{map_.name}' has to have BTF in order to use bpf_kptr_xchg")
    if reg.num.var_off.mask:
        env.reject(EINVAL, f"R{regno} doesn't have constant offset. kptr has to be at the constant offset")
    record = reg_record(reg)
    if record is None or not record.has(KPTRS):
        env.reject(EINVAL, f"R{regno} has no valid kptr")
    off = reg.off + reg.num.var_off.value
    field = record.at(off, KPTRS)
    if field is None:
        env.reject(EACCES, f"off={off} doesn't point to kptr")
    if field.kind == KPTR_UNTRUSTED:
        env.reject(EACCES, f"off={off} kptr isn't referenced kptr")
    return field, map_


def give_to_field(env: Env, ref_obj_id: int) -> bool:
    """The reference went into a field. A per-cpu object that RCU protects can still be used. False if it isn't
    held."""
    if not give_back(env, ref_obj_id):
        return False
    in_rcu = env.in_rcu()
    percpu = MEM_ALLOC | MEM_PERCPU
    gone = invalid_reg(env)

    def change(reg: RegState) -> RegState:
        if reg.ref_obj_id != ref_obj_id:
            return reg
        if in_rcu and reg.type & percpu == percpu:
            return reg.with_(type=reg.type & ~MEM_ALLOC | MEM_RCU, ref_obj_id=0)
        return gone

    each_reg(env.state, change)
    return True


def xchg_result(env: Env, field: Field) -> RegState:
    """What was in the field before, not yet as a reference."""
    btf, type_id = kptr_target(env, field)
    type_ = PTR_TO_BTF_ID
    if btf is not env.kernel_btf:
        type_ |= MEM_ALLOC | (MEM_PERCPU if field.kind == PERCPU_KPTR else 0)
    return pointer(type_, ptr=Pointee(btf=btf, btf_id=type_id))
