# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Calls of kernel functions: kernel/bpf/verifier.c check_kfunc_call, check_kfunc_args (6.18), for kfuncs that take
numbers, kernel objects and plain memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from bpfvm.btf import types as t
from bpfvm.isa.insn import Insn
from bpfvm.isa.table import Op
from bpfvm.isa.word import U32_MAX, s32
from verifier.calls.dynptr_args import SLICES, check_kfunc_dynptr, slice_result
from verifier.calls.graph import (
    ADDERS,
    RBTREE_ADD,
    check_node_arg,
    check_root_arg,
    give_to_root,
    graph_node,
    not_owned,
    push_less,
)
from verifier.calls.helper_args import check_arg_off, check_const_str, check_helper_mem_access
from verifier.calls.irq_flags import check_irq_flag
from verifier.calls.iterators import check_iter_arg, element_flags, is_iter_arg, next_outcomes, untrust_iterators
from verifier.calls.kfunc_casts import CAST_RESULTS, KERN_CTX, kern_ctx_id
from verifier.calls.kfunc_state import KfuncCall
from verifier.calls.kfuncs import KfuncMeta
from verifier.calls.locks import RES_LOCKS, allowed_under_lock, check_res_lock_arg, push_failed_lock
from verifier.calls.timers import ASYNC_KFUNCS, check_field_arg, check_map_arg, push_kfunc_callback
from verifier.env import Env
from verifier.memory.alloc_objects import NEW, check_alloc_arg, check_refcounted_arg, is_scalar_struct, new_object
from verifier.memory.btf_access import UNSAFE, ids_match, is_trusted
from verifier.memory.ctx_structs import PROJECTIONS, is_ctx_pointer
from verifier.memory.map_fields import may_hold_lock
from verifier.memory.packet import clear_all_pkt_pointers
from verifier.memory.region import MAX_VAR_SIZE
from verifier.memory.sockets import SOCK_STRUCTS
from verifier.memory.special_fields import NODES, RES_SPIN_LOCK, ROOTS, TASK_WORK, WQ
from verifier.memory.stack import is_null
from verifier.program.func_args import check_mem_arg, match_static_args
from verifier.rejection import EACCES, EFAULT, EINVAL, Rejection
from verifier.search.backtrack import mark_chain_precision
from verifier.state.references import acquire_ref, each_reg, release_ref
from verifier.state.reg import Pointee, RegState, const, pointer, unknown
from verifier.state.reg_type import (
    BASE_TYPE_MASK,
    CONST_PTR_TO_MAP,
    MEM_RCU,
    MEM_RDONLY,
    PTR_MAYBE_NULL,
    PTR_TO_BTF_ID,
    PTR_TO_CTX,
    PTR_TO_FUNC,
    PTR_TO_MAP_VALUE,
    PTR_TO_MEM,
    PTR_TRUSTED,
    PTR_UNTRUSTED,
    SCALAR_VALUE,
    type_str,
)
from verifier.steps.exceptions import THROW, check_throw, check_thrown
from verifier.steps.loads import EXIT

RCU_LOCK, RCU_UNLOCK = "bpf_rcu_read_lock", "bpf_rcu_read_unlock"
PREEMPT_OFF, PREEMPT_ON = "bpf_preempt_disable", "bpf_preempt_enable"
OPAQUE: Final = frozenset(
    [
        "bpf_refcount",
    ]
)
"""Argument types that need rules of their own, which this verifier doesn't have yet."""
DYNPTR: Final = "bpf_dynptr"
SPECIAL_STRUCTS: Final = ROOTS | NODES | {WQ, TASK_WORK, RES_SPIN_LOCK}
STRUCT_OF: Final = {**SOCK_STRUCTS, CONST_PTR_TO_MAP: "bpf_map"}
"""Register types that stand for an object of the kernel, which is always there (reg2btf_ids)."""

RESULT_FLAGS: Final = {"bpf_get_kmem_cache": PTR_UNTRUSTED}
"""kfuncs whose result is a kernel object of another kind than usual."""


def _check_str(env: Env, call: KfuncCall, i: int, reg: RegState) -> None:
    """A `const char *s__str` argument: a string of a read-only map."""
    del call
    if reg.type != PTR_TO_MAP_VALUE:
        env.reject(EINVAL, f"arg#{i} doesn't point to a const string")
    check_const_str(env, reg, i + 1)


RULES_BY_NAME: Final[dict[str, Callable[[Env, KfuncCall, int, RegState], None]]] = {
    "__alloc": check_alloc_arg,
    "__refcounted_kptr": check_refcounted_arg,
    "__map": check_map_arg,
    "__str": _check_str,
    "__irq_flag": check_irq_flag,
}
"""By the end of a parameter's name."""
NO_OBJECTS: Final = (check_refcounted_arg, _check_str, check_irq_flag)
"""Those that ask nothing about trust."""


def check_call_kfunc(env: Env, insn: Insn, op: Op) -> int:
    """A call of a kernel function."""
    del op
    env.jmps_processed += 1
    found = env.kfuncs.get(insn.imm)
    if env.state.active_locks and (found is None or not allowed_under_lock(env, found.name)):
        env.reject(EINVAL, "function calls are not allowed while holding a lock")
    if not insn.imm:
        env.reached_no_kfunc = True  # judged after the walk: in dead code it is allowed
        env.scratched_regs |= 1
        return env.insn_idx + 1
    meta = env.kfuncs[insn.imm]
    if not meta.allowed:
        env.reject(EACCES, f"calling kernel function {meta.name} is not allowed")
    if meta.flags is None:
        env.unsupported(f"kernel function {meta.name}")
    if meta.name in RES_LOCKS:
        push_failed_lock(env)
    elif meta.name == "__bpf_trap":
        env.reject(EFAULT, "unexpected __bpf_trap() due to uninitialized variable?")
    if meta.sleepable and not env.in_sleepable():
        env.reject(EACCES, f"program must be sleepable to call sleepable kfunc {meta.name}")
    env.iter_next[env.insn_idx] = meta.is_iter_next
    call = KfuncCall(meta)
    _check_args(env, call)
    if env.profile.rcu_protected_calls and meta.has("RCU_PROTECTED") and not env.in_rcu():
        env.reject(EACCES, f"kernel func {meta.name} requires RCU critical section protection")
    if meta.name == RBTREE_ADD:
        push_less(env, insn, call)
    elif meta.name in ASYNC_KFUNCS:
        match_static_args(env, call.subprogno)
        push_kfunc_callback(env, call)
    _regions(env, meta)
    if call.release_regno and not release_ref(env, env.frame.regs[call.release_regno].ref_obj_id):
        env.reject(EINVAL, f"kfunc {meta.name}#{meta.btf_id} reference has not been acquired before")
    if meta.name in ADDERS:
        give_to_root(env, call)
    elif meta.name == THROW:
        check_throw(env)
    if meta.name == "bpf_rdonly_cast":
        meta = replace(meta, cast_to=s32(env.frame.regs[2].num.var_off.value & U32_MAX))
    if env.read_marks:
        for regno in range(1, len(meta.proto.params) + 1):
            env.note_read(regno)
    env.clear_caller_saved()
    _result(env, meta, call)
    if meta.name == THROW:
        check_thrown(env)
        return EXIT
    if meta.changes_packet:
        clear_all_pkt_pointers(env)
    if meta.is_iter_next:
        next_outcomes(env, call)
    env.scratched_regs |= 1
    return env.insn_idx + 1


# --- arguments ------------------------------------------------------------
def _check_args(env: Env, call: KfuncCall) -> None:
    """Check r1..r5."""
    btf, meta = env.kernel_btf, call.kfunc
    params = meta.proto.params
    if len(params) > 5:
        env.reject(EINVAL, f"Function {meta.name} has {len(params)} > 5 args")
    i = 0
    while i < len(params):
        param, regno = params[i], i + 1
        i += 1
        if param.name.endswith(("__ign", "__prog")):
            continue
        kind = btf.resolve(param.type)
        reg = env.frame.regs[regno]
        if isinstance(kind, (t.Int, t.Enum)):
            _scalar_arg(env, call, reg, regno, param.name)
            continue
        if not isinstance(kind, t.Ptr):
            env.reject(EINVAL, f"Unrecognized arg#{i - 1} type {kind.kind_name}")
        i += _pointer_arg(env, call, param, kind, i - 1)
    if meta.has("RELEASE") and not call.release_regno:
        env.reject(EINVAL, f"release kernel function {meta.name} expects refcounted PTR_TO_BTF_ID")


def _scalar_arg(env: Env, call: KfuncCall, reg: RegState, regno: int, name: str) -> None:
    if reg.type != SCALAR_VALUE:
        env.reject(EINVAL, f"R{regno} is not a scalar")
    if name.endswith("__k"):
        if reg.num.var_off.mask:
            env.reject(EINVAL, f"R{regno} must be a known constant")
        mark_chain_precision(env, regno)
        call.constant = reg.num.var_off.value


def _pointer_arg(env: Env, call: KfuncCall, param: t.Param, kind: t.Ptr, i: int) -> int:
    """A pointer argument; returns how many further parameters it took with it."""
    btf, regno, meta = env.kernel_btf, i + 1, call.kfunc
    reg = env.frame.regs[regno]
    nullable, optional = param.name.endswith("__nullable"), param.name.endswith("__opt")
    strict = _wants_trust(env, meta) or meta.has("RCU")
    if strict and (is_null(reg) or reg.type & PTR_MAYBE_NULL) and not (nullable or optional):
        env.reject(EACCES, f"Possibly NULL pointer passed to trusted arg{i}")
    if meta.name == KERN_CTX or is_ctx_pointer(btf, kind, env.program.prog_type):
        check_arg_off(env, reg, regno, release=False)
        if reg.type != PTR_TO_CTX:
            env.reject(EINVAL, f"arg#{i} expected pointer to ctx, but got {type_str(reg.type)}")
        if meta.name == KERN_CTX:
            kern_ctx_id(env, meta.name)
        return 0
    if reg.ref_obj_id:
        call.ref_obj_id = reg.ref_obj_id
        if meta.has("RELEASE"):
            call.release_regno = regno
    target_id = btf.skip_mods(kind.type)
    target = btf.type(target_id)
    if nullable and is_null(reg):
        return 0
    if target.name == DYNPTR or is_iter_arg(call, i):
        check_arg_off(env, reg, regno, release=meta.has("RELEASE") and bool(reg.ref_obj_id))
        if target.name == DYNPTR:
            check_kfunc_dynptr(env, call, i, reg)
        else:
            check_iter_arg(env, call, i)
        return 0
    if target.name in OPAQUE:
        env.unsupported(f"argument {i} of kernel function {meta.name} ({target.name or target.kind_name})")
    if _special_arg(env, call, param, target, i):
        return 0
    if reg.type & BASE_TYPE_MASK == PTR_TO_BTF_ID or reg.type in STRUCT_OF:
        _object_arg(env, meta, i, target_id, target)
        return 0
    if isinstance(target, t.FuncProto):
        check_arg_off(env, reg, regno, release=False)
        if reg.type != PTR_TO_FUNC:
            env.reject(EINVAL, f"arg{i} expected pointer to func")
        call.subprogno = reg.ptr.subprogno
        return 0
    sized = _has_size(env, meta, i)
    scalar = isinstance(target, (t.Int, t.Enum)) or is_scalar_struct(env, btf, target)
    if not scalar and not (sized and isinstance(target, t.Void)):
        what = "void, " if sized else ""
        env.reject(EINVAL, f"arg#{i} pointer type {_named(target)} must point to {what}scalar, or struct with scalar")
    check_arg_off(env, reg, regno, release=meta.has("RELEASE") and bool(reg.ref_obj_id))
    if sized:
        _sized_arg(env, call, i, optional=optional)
        return 1
    check_mem_arg(env, regno, btf.size_of(target_id))
    return 0


def _named(target: t.BtfType) -> str:
    """Kind and name of a type as in refusals; void has neither there."""
    return "UNKNOWN " if isinstance(target, t.Void) else f"{target.kind_name} {target.name}"


def _special_arg(env: Env, call: KfuncCall, param: t.Param, target: t.BtfType, i: int) -> bool:
    """An argument whose name or type asks for something special; False if it is none."""
    meta, reg = call.kfunc, env.frame.regs[i + 1]
    release = meta.has("RELEASE") and bool(reg.ref_obj_id)
    rule = next((rule for end, rule in RULES_BY_NAME.items() if param.name.endswith(end)), None)
    if rule is not None:
        if rule is check_map_arg and reg.ptr.map is None and reg.type & BASE_TYPE_MASK != PTR_TO_BTF_ID:
            env.reject(EINVAL, f"pointer in R{i + 1} isn't map pointer")
        if rule not in NO_OBJECTS:
            _check_trust(env, meta, reg, i + 1)
        check_arg_off(env, reg, i + 1, release=release)
        rule(env, call, i, reg)
        if rule is check_map_arg:
            map_id = env.kernel_btf.find("bpf_map", t.Struct)
            _object_arg(env, meta, i, map_id, env.kernel_btf.type(map_id))
        return True
    if not isinstance(target, t.Struct) or target.name not in SPECIAL_STRUCTS:
        return False
    check_arg_off(env, reg, i + 1, release=release)
    kind = target.name
    if kind in ROOTS:
        check_root_arg(env, call, i, reg, kind)
    elif kind in NODES:
        check_node_arg(env, call, i, reg, kind)
    elif kind == RES_SPIN_LOCK:
        check_res_lock_arg(env, meta.name, i, reg)
    else:
        check_field_arg(env, call, i, reg, kind)
    return True


def _check_trust(env: Env, meta: KfuncMeta, reg: RegState, regno: int) -> None:
    """The object lives for certain, if the kfunc asks for that."""
    if not (_wants_trust(env, meta) or meta.has("RCU")) or is_trusted(reg) or reg.type in STRUCT_OF:
        return
    if not meta.has("RCU"):
        env.reject(EINVAL, f"R{regno} must be referenced or trusted")
    if not reg.type & MEM_RCU:
        env.reject(EINVAL, f"R{regno} must be a rcu pointer")


def _wants_trust(env: Env, meta: KfuncMeta) -> bool:
    """Objects passed must be trusted: so the flag says, a release says so, and since 6.18 nothing need say so."""
    if env.profile.kfunc_trust and not meta.has("RCU"):
        return True
    return meta.has("TRUSTED_ARGS") or meta.has("RELEASE")


def _has_size(env: Env, meta: KfuncMeta, i: int) -> bool:
    params = meta.proto.params
    if i + 1 >= len(params) or env.frame.regs[i + 2].type != SCALAR_VALUE:
        return False
    following = params[i + 1]
    is_number = isinstance(env.kernel_btf.resolve(following.type), t.Int)
    return is_number and following.name.endswith(("__sz", "__szk"))


def _sized_arg(env: Env, call: KfuncCall, i: int, *, optional: bool) -> None:
    """Memory and its length; if that is named `…__szk`, it must be known."""
    size = env.read(i + 2)
    if not (optional and is_null(env.frame.regs[i + 1])):
        _check_sized(env, i, size)
    if call.kfunc.proto.params[i + 1].name.endswith("__szk"):
        if size.num.var_off.mask:
            env.reject(EINVAL, f"R{i + 2} must be a known constant")
        call.constant = size.num.var_off.value


def _check_sized(env: Env, i: int, size: RegState) -> None:
    regno, num = i + 2, size.num
    pair = f"arg#{i} arg#{i + 1} memory, len pair leads to invalid memory access"
    if num.smin < 0:
        env.report(f"R{regno} min value is negative, either use unsigned or 'var &= const'")
        env.reject(EACCES, pair)
    if num.umax >= MAX_VAR_SIZE:
        env.report(f"R{regno} unbounded memory access, use 'var &= const' or 'if (var < const)'")
        env.reject(EACCES, pair)
    for write in (False, True):
        try:
            check_helper_mem_access(env, regno - 1, num.umax, write, True, None)
        except Rejection as why:
            env.reject(why.errno, pair)
        mark_chain_precision(env, regno)


def _object_arg(env: Env, meta: KfuncMeta, i: int, target_id: int, target: t.BtfType) -> None:
    """A kernel object: trusted, or at least under RCU, and of the right type."""
    regno = i + 1
    reg = env.frame.regs[regno]
    if not isinstance(target, t.Struct):
        what = f"args#{i} pointer type {_named(target)}"
        env.reject(EINVAL, f"kernel function {meta.name} {what} is not supported")
    _check_trust(env, meta, reg, regno)
    check_arg_off(env, reg, regno, release=meta.has("RELEASE") and bool(reg.ref_obj_id))
    if reg.type & UNSAFE and not reg.type & MEM_RCU:
        trusted = reg.type & (BASE_TYPE_MASK | PTR_TRUSTED | MEM_RCU)
        env.reject(EINVAL, f"arg#{i} is {type_str(reg.type)} expected {type_str(trusted)} or socket")
    strict = meta.has("RELEASE") and bool(reg.ref_obj_id)
    have_btf, have_id = reg.ptr.btf or env.kernel_btf, reg.ptr.btf_id
    if reg.type in STRUCT_OF:
        have_id = have_btf.find(STRUCT_OF[reg.type], t.Struct)
    have = have_btf.type(have_id)
    if not strict:
        strict = _no_cast_alias(have.name, target.name)
    same = ids_match(env, have_btf, have_id, reg.off, env.kernel_btf, target_id, strict)
    if not same and (target.name, have.name) not in PROJECTIONS:
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
            untrust_iterators(state)
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
    if meta.sleepable and state.active_irq_id:
        env.reject(EACCES, f"kernel func {name} is sleepable within IRQ-disabled region")


def _leave_rcu(reg: RegState) -> RegState:
    if not reg.type & MEM_RCU:
        return reg
    return reg.with_(type=reg.type & ~(MEM_RCU | PTR_MAYBE_NULL) | PTR_UNTRUSTED)


def _result(env: Env, meta: KfuncMeta, call: KfuncCall) -> None:
    """What the call leaves in r0."""
    btf, regs = env.kernel_btf, env.frame.regs
    kind = btf.resolve(meta.proto.ret)
    if isinstance(kind, (t.Int, t.Enum)):
        regs[0] = const(0) if meta.name in RES_LOCKS else unknown()
        return
    if not isinstance(kind, t.Ptr):
        if meta.has("ACQUIRE"):
            env.reject(EINVAL, "acquire kernel function does not return PTR_TO_BTF_ID")
        return
    target_id = btf.skip_mods(kind.type)
    target = btf.type(target_id)
    if meta.name in CAST_RESULTS:
        regs[0] = CAST_RESULTS[meta.name](env, meta)
        return
    node = target.name in NODES
    if meta.name in SLICES:
        reg = slice_result(env, call)
    elif meta.name in NEW:
        reg = new_object(env, call)
    elif isinstance(target, t.Void):
        regs[0] = unknown()
        return
    elif node and call.root is not None:
        reg = graph_node(call.root)
    elif isinstance(target, t.Struct):
        trust = element_flags(env, call) if meta.is_iter_next else RESULT_FLAGS.get(meta.name, 0)
        reg = pointer(PTR_TO_BTF_ID | trust, ptr=Pointee(btf=btf, btf_id=target_id))
    else:
        pointee = Pointee(mem_size=btf.size_of(target_id))
        reg = pointer(PTR_TO_MEM | MEM_RDONLY, ref_obj_id=call.ref_obj_id, ptr=pointee)
    if call.may_return_null:
        reg = reg.with_(type=reg.type | PTR_MAYBE_NULL, id=env.new_id())
    if meta.has("ACQUIRE"):
        id_ = acquire_ref(env)
        reg = reg.with_(ref_obj_id=id_, id=id_ if call.may_return_null else reg.id)
    elif node:
        reg = not_owned(reg)
    if not reg.id and may_hold_lock(reg):
        reg = reg.with_(id=env.new_id())
    regs[0] = reg
