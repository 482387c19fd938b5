# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Objects that a program allocates, by types of its own BTF: making them, giving them up, counting references.

Source: kernel/bpf/verifier.c check_kfunc_call (bpf_obj_new, bpf_percpu_obj_new, bpf_refcount_acquire), check_kfunc_args
(KF_ARG_PTR_TO_ALLOC_BTF_ID, KF_ARG_PTR_TO_REFCOUNTED_KPTR); kernel/bpf/btf.c btf_struct_access (6.18).
"""

from __future__ import annotations

from typing import Final

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.errors import BadInput
from bpfvm.isa.word import U32_MAX
from verifier.calls.kfunc_state import KfuncCall
from verifier.env import Env
from verifier.memory.map_fields import is_allocated, object_records, struct_record
from verifier.memory.special_fields import REFCOUNT
from verifier.rejection import EFAULT, EINVAL
from verifier.state.reg import Pointee, RegState, pointer
from verifier.state.reg_type import MEM_ALLOC, MEM_PERCPU, PTR_TO_BTF_ID, is_non_owning_ref

MAX_PERCPU_SIZE: Final = 512
MAX_DEPTH: Final = 3
OBJ_NEW, PERCPU_NEW = "bpf_obj_new_impl", "bpf_percpu_obj_new_impl"
OBJ_DROP, PERCPU_DROP = "bpf_obj_drop_impl", "bpf_percpu_obj_drop_impl"
REFCOUNT_ACQUIRE: Final = "bpf_refcount_acquire_impl"
NEW: Final = frozenset((OBJ_NEW, PERCPU_NEW, REFCOUNT_ACQUIRE))
"""kfuncs that return `void *` but in truth an object."""


def is_scalar_struct(env: Env, btf: Btf, found: t.BtfType, depth: int = 0) -> bool:
    """A struct of nothing but numbers, arrays of numbers and such structs, at most MAX_DEPTH deep."""
    if not isinstance(found, t.Struct):
        return False
    for member in found.members:
        inner = btf.resolve(member.type)
        if isinstance(inner, t.Struct):
            if depth == MAX_DEPTH:
                env.report("max struct nesting depth exceeded")
                return False
            if not is_scalar_struct(env, btf, inner, depth + 1):
                return False
            continue
        if isinstance(inner, t.Array):
            if not inner.nelems:
                return False
            inner = btf.resolve(inner.type)
        if not isinstance(inner, (t.Int, t.Enum)):
            return False
    return True


# --- results ------------------------------------------------------------
def new_object(env: Env, call: KfuncCall) -> RegState:
    """What bpf_obj_new(), bpf_percpu_obj_new() or bpf_refcount_acquire() gives, not yet as a reference."""
    if call.kfunc.name == REFCOUNT_ACQUIRE:
        return pointer(PTR_TO_BTF_ID | MEM_ALLOC, ptr=Pointee(btf=call.btf, btf_id=call.btf_id))
    type_id = call.constant or 0
    if type_id > U32_MAX:
        env.reject(EINVAL, "local type ID argument must be in range [0, U32_MAX]")
    btf = env.program.btf
    if btf is None:
        env.reject(EINVAL, "bpf_obj_new/bpf_percpu_obj_new requires prog BTF")
    try:
        found = btf.type(type_id)
    except BadInput:
        found = t.Fwd("", False)
    if not isinstance(found, t.Struct) or found.is_union:
        env.reject(EINVAL, "bpf_obj_new/bpf_percpu_obj_new type ID argument must be of a struct")
    if object_records(btf) is None:
        env.unsupported("an object of a BTF that Linux does not load (special fields laid out wrongly)")
    type_ = PTR_TO_BTF_ID | MEM_ALLOC
    if call.kfunc.name == PERCPU_NEW:
        _check_percpu(env, btf, type_id, found)
        type_ |= MEM_PERCPU
    return pointer(type_, ptr=Pointee(btf=btf, btf_id=type_id))


def _check_percpu(env: Env, btf: Btf, type_id: int, found: t.Struct) -> None:
    if found.size > MAX_PERCPU_SIZE:
        text = f"bpf_percpu_obj_new type size ({found.size}) is greater than {MAX_PERCPU_SIZE}"
        env.reject(EINVAL, text)
    if not is_scalar_struct(env, btf, found):
        env.reject(EINVAL, "bpf_percpu_obj_new type ID argument must be of a struct of scalars")
    if struct_record(btf, type_id) is not None:
        env.reject(EINVAL, "bpf_percpu_obj_new type ID argument must not contain special fields")


# --- arguments ------------------------------------------------------------
def check_alloc_arg(env: Env, call: KfuncCall, i: int, reg: RegState) -> None:
    """A `void *p__alloc` argument: an object that is given up."""
    if reg.type == PTR_TO_BTF_ID | MEM_ALLOC:
        if call.kfunc.name != OBJ_DROP:
            env.reject(EINVAL, f"arg#{i} expected for bpf_obj_drop_impl()")
    elif reg.type == PTR_TO_BTF_ID | MEM_ALLOC | MEM_PERCPU:
        if call.kfunc.name != PERCPU_DROP:
            env.reject(EINVAL, f"arg#{i} expected for bpf_percpu_obj_drop_impl()")
    else:
        env.reject(EINVAL, f"arg#{i} expected pointer to allocated object")
    if not reg.ref_obj_id:
        env.reject(EINVAL, "allocated object must be referenced")


def check_refcounted_arg(env: Env, call: KfuncCall, i: int, reg: RegState) -> None:
    """A `void *p__refcounted_kptr` argument."""
    if not is_allocated(reg.type):
        env.reject(EINVAL, f"arg#{i} is neither owning or non-owning ref")
    if not is_non_owning_ref(reg.type) and reg.ref_obj_id:
        call.owning = True
    assert reg.ptr.btf is not None
    record = struct_record(reg.ptr.btf, reg.ptr.btf_id)
    if record is None:
        env.reject(EFAULT, "verifier bug: Couldn't find btf_record")
    if not record.has((REFCOUNT,)):
        env.reject(EINVAL, f"arg#{i} doesn't point to a type with bpf_refcount field")
    call.btf, call.btf_id = reg.ptr.btf, reg.ptr.btf_id
