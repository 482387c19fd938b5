# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Calls of kernel functions: kernel/bpf/verifier.c check_kfunc_call, check_kfunc_args (6.18), for kfuncs that take
numbers, kernel objects and plain memory."""

from __future__ import annotations

from typing import Final

from bpfvm.btf import types as t
from bpfvm.isa.insn import Insn
from bpfvm.isa.table import Op
from verifier.backtrack import mark_chain_precision
from verifier.btf_access import UNSAFE, ids_match, is_trusted
from verifier.env import Env
from verifier.helper_args import check_arg_off, check_helper_mem_access
from verifier.kfuncs import KfuncMeta
from verifier.references import acquire_ref, each_reg, release_ref
from verifier.reg import Pointee, RegState, pointer, unknown
from verifier.reg_type import (
    BASE_TYPE_MASK,
    MEM_RCU,
    MEM_RDONLY,
    PTR_MAYBE_NULL,
    PTR_TO_BTF_ID,
    PTR_TO_MEM,
    PTR_TRUSTED,
    PTR_UNTRUSTED,
    SCALAR_VALUE,
    type_str,
)
from verifier.region import MAX_VAR_SIZE
from verifier.rejection import EACCES, EINVAL
from verifier.stack import is_null
from verifier.subprogs import check_mem_arg

MAX_SCALAR_STRUCT_DEPTH: Final = 4
RCU_LOCK, RCU_UNLOCK = "bpf_rcu_read_lock", "bpf_rcu_read_unlock"
PREEMPT_OFF, PREEMPT_ON = "bpf_preempt_disable", "bpf_preempt_enable"
OPAQUE: Final = frozenset(
    [
        "bpf_dynptr",
        "bpf_dynptr_kern",
        "bpf_list_head",
        "bpf_list_node",
        "bpf_rb_root",
        "bpf_rb_node",
        "bpf_wq",
        "bpf_refcount",
        "bpf_res_spin_lock",
        "bpf_map",
        "bpf_task_work",
    ]
)
"""Argument types that need rules of their own, which this verifier doesn't have yet."""


def check_call_kfunc(env: Env, insn: Insn, op: Op) -> int:
    """A call of a kernel function."""
    del op
    env.jmps_processed += 1
    if env.state.active_locks:
        env.reject(EINVAL, "function calls are not allowed while holding a lock")
    if not insn.imm:
        return env.insn_idx + 1
    meta = env.kfuncs[insn.imm]
    if not meta.allowed:
        env.reject(EACCES, f"calling kernel function {meta.name} is not allowed")
    if meta.flags is None:
        env.unsupported(f"kernel function {meta.name}")
    if meta.sleepable and not env.in_sleepable():
        env.reject(EACCES, f"program must be sleepable to call sleepable kfunc {meta.name}")
    release_regno = _check_args(env, meta)
    _regions(env, meta)
    if release_regno and not release_ref(env, env.frame.regs[release_regno].ref_obj_id):
        env.reject(EINVAL, f"kfunc {meta.name}#{meta.btf_id} reference has not been acquired before")
    env.clear_caller_saved()
    _result(env, meta)
    env.scratched_regs |= 1
    return env.insn_idx + 1


# --- arguments ------------------------------------------------------------
def _check_args(env: Env, meta: KfuncMeta) -> int:
    """Check r1..r5; returns the register that is released, or 0."""
    btf = env.kernel_btf
    params = meta.proto.params
    if len(params) > 5:
        env.reject(EINVAL, f"Function {meta.name} has {len(params)} > 5 args")
    release_regno = 0
    i = 0
    while i < len(params):
        param, regno = params[i], i + 1
        i += 1
        if param.name.endswith("__ign"):
            continue
        kind = btf.resolve(param.type)
        reg = env.read(regno)
        if isinstance(kind, (t.Int, t.Enum)):
            _scalar_arg(env, reg, regno, param.name)
            continue
        if not isinstance(kind, t.Ptr):
            env.reject(EINVAL, f"Unrecognized arg#{i - 1} type {kind.kind_name}")
        if reg.ref_obj_id and meta.has("RELEASE"):
            release_regno = regno
        i += _pointer_arg(env, meta, param, kind, i - 1)
    if meta.has("RELEASE") and not release_regno:
        env.reject(EINVAL, f"release kernel function {meta.name} expects refcounted PTR_TO_BTF_ID")
    return release_regno


def _scalar_arg(env: Env, reg: RegState, regno: int, name: str) -> None:
    if reg.type != SCALAR_VALUE:
        env.reject(EINVAL, f"R{regno} is not a scalar")
    if name.endswith("__k"):
        if reg.num.var_off.mask:
            env.reject(EINVAL, f"R{regno} must be a known constant")
        mark_chain_precision(env, regno)


def _pointer_arg(env: Env, meta: KfuncMeta, param: t.Param, kind: t.Ptr, i: int) -> int:
    """A pointer argument; returns how many further parameters it took with it."""
    btf, regno = env.kernel_btf, i + 1
    reg = env.frame.regs[regno]
    nullable = param.name.endswith("__nullable") or param.name.endswith("__opt")
    strict = _wants_trust(meta) or meta.has("RCU")
    if strict and (is_null(reg) or reg.type & PTR_MAYBE_NULL) and not nullable:
        env.reject(EACCES, f"Possibly NULL pointer passed to trusted arg{i}")
    target_id = btf.skip_mods(kind.type)
    target = btf.type(target_id)
    if target.name in OPAQUE or target.name.startswith("bpf_iter_") or isinstance(target, t.FuncProto):
        env.unsupported(f"argument {i} of kernel function {meta.name} ({target.name or target.kind_name})")
    if nullable and is_null(reg):
        return 0
    if reg.type & BASE_TYPE_MASK == PTR_TO_BTF_ID:
        _object_arg(env, meta, i, target_id, target)
        return 0
    sized = _has_size(env, meta, i)
    scalar = isinstance(target, (t.Int, t.Enum)) or _is_scalar_struct(env, target, 0)
    if not scalar and not (sized and isinstance(target, t.Void)):
        what = "void, " if sized else ""
        env.reject(
            EINVAL,
            f"arg#{i} pointer type {target.kind_name} {target.name} must point to {what}scalar, or struct with scalar",
        )
    check_arg_off(env, reg, regno, release=meta.has("RELEASE") and bool(reg.ref_obj_id))
    if sized:
        _sized_arg(env, i)
        return 1
    check_mem_arg(env, regno, btf.size_of(target_id))
    return 0


def _wants_trust(meta: KfuncMeta) -> bool:
    """Objects passed must be trusted: so the flag says, and a release says so too."""
    return meta.has("TRUSTED_ARGS") or meta.has("RELEASE")


def _is_scalar_struct(env: Env, found: t.BtfType, depth: int) -> bool:
    if not isinstance(found, t.Struct) or depth > MAX_SCALAR_STRUCT_DEPTH:
        return False
    btf = env.kernel_btf
    for member in found.members:
        inner = btf.resolve(member.type)
        if isinstance(inner, t.Array):
            inner = btf.resolve(inner.type)
            if not isinstance(inner, (t.Int, t.Enum)):
                return False
        elif isinstance(inner, t.Struct):
            if not _is_scalar_struct(env, inner, depth + 1):
                return False
        elif not isinstance(inner, (t.Int, t.Enum)):
            return False
    return True


def _has_size(env: Env, meta: KfuncMeta, i: int) -> bool:
    params = meta.proto.params
    if i + 1 >= len(params) or env.frame.regs[i + 2].type != SCALAR_VALUE:
        return False
    following = params[i + 1]
    is_number = isinstance(env.kernel_btf.resolve(following.type), t.Int)
    return is_number and following.name.endswith(("__sz", "__szk"))


def _sized_arg(env: Env, i: int) -> None:
    """Memory and its length."""
    regno = i + 2
    num = env.read(regno).num
    pair = f"arg#{i} arg#{i + 1} memory, len pair leads to invalid memory access"
    if num.smin < 0:
        env.report(f"R{regno} min value is negative, either use unsigned or 'var &= const'")
        env.reject(EACCES, pair)
    if num.umax >= MAX_VAR_SIZE:
        env.report(f"R{regno} unbounded memory access, use 'var &= const' or 'if (var < const)'")
        env.reject(EACCES, pair)
    for write in (False, True):
        check_helper_mem_access(env, regno - 1, num.umax, write, True, None)
        mark_chain_precision(env, regno)


def _object_arg(env: Env, meta: KfuncMeta, i: int, target_id: int, target: t.BtfType) -> None:
    """A kernel object: trusted, or at least under RCU, and of the right type."""
    regno = i + 1
    reg = env.frame.regs[regno]
    if not isinstance(target, t.Struct):
        what = f"{target.kind_name} {target.name}"
        env.reject(EINVAL, f"kernel function {meta.name} args#{i} pointer type {what} is not supported")
    if (_wants_trust(meta) or meta.has("RCU")) and not is_trusted(reg):
        if not meta.has("RCU"):
            env.reject(EINVAL, f"R{regno} must be referenced or trusted")
        if not reg.type & MEM_RCU:
            env.reject(EINVAL, f"R{regno} must be a rcu pointer")
    check_arg_off(env, reg, regno, release=meta.has("RELEASE") and bool(reg.ref_obj_id))
    if reg.type & UNSAFE and not reg.type & MEM_RCU:
        env.report(f"arg#{i} is {type_str(reg.type)} ")
        trusted = reg.type & (BASE_TYPE_MASK | PTR_TRUSTED | MEM_RCU)
        env.reject(EINVAL, f"expected {type_str(trusted)} or socket")
    strict = meta.has("RELEASE") and bool(reg.ref_obj_id)
    assert reg.ptr.btf is not None
    if not strict:
        strict = _no_cast_alias(reg.ptr.btf.name_of(reg.ptr.btf_id), target.name)
    if not ids_match(reg.ptr.btf, reg.ptr.btf_id, reg.off, env.kernel_btf, target_id, strict):
        have = reg.ptr.btf.type(reg.ptr.btf_id)
        env.reject(
            EINVAL,
            f"kernel function {meta.name} args#{i} expected pointer to {target.kind_name} {target.name} "
            f"but R{regno} has a pointer to {have.kind_name} {have.name}",
        )


def _no_cast_alias(have: str, need: str) -> bool:
    """`nf_conn` and `nf_conn___init` must not stand for each other."""
    return have != need and have.removesuffix("___init") == need.removesuffix("___init")


# --- effects ------------------------------------------------------------
def _regions(env: Env, meta: KfuncMeta) -> None:
    """RCU and preemption regions begin and end."""
    state, name = env.state, meta.name
    if state.active_rcu_lock:
        if name == RCU_LOCK:
            env.reject(EINVAL, f"nested rcu read lock (kernel function {name})")
        if name == RCU_UNLOCK:
            each_reg(state, _leave_rcu)
            state.active_rcu_lock = False
        elif meta.sleepable:
            env.reject(EACCES, f"kernel func {name} is sleepable within rcu_read_lock region")
    elif name == RCU_LOCK:
        state.active_rcu_lock = True
    elif name == RCU_UNLOCK:
        env.reject(EINVAL, f"unmatched rcu read unlock (kernel function {name})")
    if name == PREEMPT_OFF:
        state.active_preempt_locks += 1
    elif name == PREEMPT_ON:
        if not state.active_preempt_locks:
            env.reject(EINVAL, f"unmatched attempt to enable preemption (kernel function {name})")
        state.active_preempt_locks -= 1
    elif meta.sleepable and state.active_preempt_locks:
        env.reject(EACCES, f"kernel func {name} is sleepable within non-preemptible region")


def _leave_rcu(reg: RegState) -> RegState:
    if not reg.type & MEM_RCU:
        return reg
    return reg.with_(type=reg.type & ~(MEM_RCU | PTR_MAYBE_NULL) | PTR_UNTRUSTED)


def _result(env: Env, meta: KfuncMeta) -> None:
    """What the call leaves in r0."""
    btf, regs = env.kernel_btf, env.frame.regs
    kind = btf.resolve(meta.proto.ret)
    if isinstance(kind, (t.Int, t.Enum)):
        regs[0] = unknown()
        return
    if not isinstance(kind, t.Ptr):
        if meta.has("ACQUIRE"):
            env.reject(EINVAL, "acquire kernel function does not return PTR_TO_BTF_ID")
        return
    target_id = btf.skip_mods(kind.type)
    target = btf.type(target_id)
    if isinstance(target, t.Void):
        regs[0] = unknown()
        return
    if isinstance(target, t.Struct):
        reg = pointer(PTR_TO_BTF_ID, ptr=Pointee(btf=btf, btf_id=target_id))
    else:
        reg = pointer(PTR_TO_MEM | MEM_RDONLY, ptr=Pointee(mem_size=btf.size_of(target_id)))
    if meta.has("RET_NULL"):
        reg = reg.with_(type=reg.type | PTR_MAYBE_NULL, id=env.new_id())
    if meta.has("ACQUIRE"):
        id_ = acquire_ref(env)
        reg = reg.with_(ref_obj_id=id_, id=id_ if meta.has("RET_NULL") else reg.id)
    regs[0] = reg
