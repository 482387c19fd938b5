# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Lists and red-black trees of allocated objects: roots, nodes, and who owns an object that is in one.

An object that is put into a list or tree is no longer owned; until the lock is given back it can still be used
(non-owning reference). Source: kernel/bpf/verifier.c __process_kf_arg_ptr_to_graph_root,
__process_kf_arg_ptr_to_graph_node, ref_convert_owning_non_owning, set_rbtree_add_callback_state (6.18).
"""

from __future__ import annotations

from typing import Final

from bpfvm.isa.insn import Insn
from bpfvm.isa.word import U32_MAX
from verifier.calls.callbacks import push_callback
from verifier.calls.kfunc_state import KfuncCall
from verifier.calls.locks import LOCKABLE, RBTREE_KFUNCS, holds_lock_of, in_rbtree_callback
from verifier.env import Env
from verifier.memory.btf_access import ids_match
from verifier.memory.map_fields import reg_record
from verifier.memory.special_fields import LIST_NODE, NODE_OF, RB_NODE, REFCOUNT, SPIN_LOCK, Field
from verifier.rejection import EINVAL
from verifier.state.references import each_reg, give_back
from verifier.state.reg import NOT_INITIALIZED, Pointee, RegState, pointer
from verifier.state.reg_type import MEM_ALLOC, MEM_RCU, NON_OWN_REF, PTR_TO_BTF_ID, is_non_owning_ref

OWNED: Final = PTR_TO_BTF_ID | MEM_ALLOC
RBTREE_ADD: Final = "bpf_rbtree_add_impl"
ADDERS: Final = frozenset(("bpf_list_push_front_impl", "bpf_list_push_back_impl", RBTREE_ADD))
"""kfuncs that put the object in r2 into a list or tree."""
ROOT_OF: Final = {node: root for root, node in NODE_OF.items()}


def _constant_offset(env: Env, reg: RegState, regno: int, kind: str) -> int:
    if reg.num.var_off.mask:
        env.reject(EINVAL, f"R{regno} doesn't have constant offset. {kind} has to be at the constant offset")
    return reg.off + reg.num.var_off.value


# --- arguments ------------------------------------------------------------
def check_root_arg(env: Env, call: KfuncCall, i: int, reg: RegState, kind: str) -> None:
    """A list head or tree root, whose lock must be held."""
    if reg.type not in LOCKABLE:
        env.reject(EINVAL, f"arg#{i} expected pointer to map value or allocated object")
    if reg.type == OWNED and not reg.ref_obj_id:
        env.reject(EINVAL, "allocated object must be referenced")
    off = _constant_offset(env, reg, i + 1, kind)
    record = reg_record(reg)
    field = record.at(off, (kind,)) if record is not None else None
    if field is None or record is None:
        env.reject(EINVAL, f"{kind} not found at offset={off & U32_MAX}")
    if not holds_lock_of(env, reg):
        env.reject(EINVAL, f"bpf_spin_lock at off={record.offset_of(SPIN_LOCK)} must be held for {kind}")
    call.root = field


def check_node_arg(env: Env, call: KfuncCall, i: int, reg: RegState, kind: str) -> None:
    """A list or tree node: part of an object that is put in, taken out or looked at."""
    name = call.kfunc.name
    if kind == LIST_NODE or name in ADDERS:
        if reg.type != OWNED:
            env.reject(EINVAL, f"arg#{i} expected pointer to allocated object")
        if not reg.ref_obj_id:
            env.reject(EINVAL, "allocated object must be referenced")
    else:
        _check_tree_node(env, name, reg)
    off = _constant_offset(env, reg, i + 1, kind)
    record = reg_record(reg)
    if record is None or record.at(off, (kind,)) is None:
        env.reject(EINVAL, f"{kind} not found at offset={off & U32_MAX}")
    _check_fits_root(env, call, reg, off, kind)


def _check_tree_node(env: Env, name: str, reg: RegState) -> None:
    """The node of a kfunc that takes something out of a tree, or goes on from it."""
    if env.profile.graph_walks:
        if not is_non_owning_ref(reg.type) and not reg.ref_obj_id:
            env.reject(EINVAL, f"{name} can only take non-owning or refcounted bpf_rb_node pointer")
        if in_rbtree_callback(env):
            env.reject(EINVAL, f"{name} not allowed in rbtree cb")
        return
    if not is_non_owning_ref(reg.type) or reg.ref_obj_id:
        env.reject(EINVAL, "rbtree_remove node input must be non-owning ref")
    if in_rbtree_callback(env):
        env.reject(EINVAL, "rbtree_remove not allowed in rbtree cb")


def _check_fits_root(env: Env, call: KfuncCall, reg: RegState, off: int, kind: str) -> None:
    root = call.root
    assert root is not None and root.btf is not None and reg.ptr.btf is not None
    struct = root.btf.name_of(root.type_id)
    if not ids_match(env, reg.ptr.btf, reg.ptr.btf_id, 0, root.btf, root.type_id, True):
        env.reject(
            EINVAL,
            f"operation on {ROOT_OF[kind]} expects arg#1 {kind} at offset={root.node_offset} in struct {struct}, "
            f"but arg is at offset={off} in struct {reg.ptr.btf.name_of(reg.ptr.btf_id)}",
        )
    if off != root.node_offset:
        env.reject(EINVAL, f"arg#1 offset={off}, but expected {kind} at offset={root.node_offset} in struct {struct}")


# --- ownership ------------------------------------------------------------
def graph_node(root: Field) -> RegState:
    """A pointer to the node inside an element."""
    return pointer(OWNED, off=root.node_offset, ptr=Pointee(btf=root.btf, btf_id=root.type_id))


def not_owned(reg: RegState) -> RegState:
    """The same object without ownership; one that is counted stays in memory until the end of the RCU section."""
    record = reg_record(reg)
    counted = record is not None and record.has((REFCOUNT,))
    return reg.with_(type=reg.type | NON_OWN_REF | (MEM_RCU if counted else 0), ref_obj_id=0)


def push_less(env: Env, insn: Insn, call: KfuncCall) -> None:
    """Queue the function by which bpf_rbtree_add() compares: two nodes that it doesn't own."""
    assert call.root is not None
    node = not_owned(graph_node(call.root))
    push_callback(env, insn, call.subprogno, [node, node, *[NOT_INITIALIZED] * 3])


def give_to_root(env: Env, call: KfuncCall) -> None:
    """The object in r2 belongs to the list or tree from here on."""
    id_ = env.frame.regs[2].ref_obj_id
    each_reg(env.state, lambda reg: not_owned(reg) if reg.ref_obj_id == id_ else reg)
    if not give_back(env, id_):
        kfunc = call.kfunc
        env.reject(EINVAL, f"kfunc {kfunc.name}#{kfunc.btf_id} reference has not been acquired before")


__all__ = [
    "ADDERS",
    "RBTREE_ADD",
    "RBTREE_KFUNCS",
    "RB_NODE",
    "check_node_arg",
    "check_root_arg",
    "give_to_root",
    "graph_node",
    "not_owned",
    "push_less",
]
