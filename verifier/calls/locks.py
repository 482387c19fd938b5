# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Locks in map values and allocated objects, and what may be done while one is held.

Source: kernel/bpf/verifier.c process_spin_lock, acquire_lock_state, release_lock_state, find_lock_state,
check_reg_allocation_locked, invalidate_non_owning_refs, kfunc_spin_allowed (6.18).
"""

from __future__ import annotations

from typing import Final

from verifier.env import Env
from verifier.memory.map_fields import reg_record
from verifier.memory.special_fields import RES_SPIN_LOCK, SPIN_LOCK
from verifier.numbers import cnum
from verifier.rejection import EINVAL
from verifier.search.paths import push_path
from verifier.state.references import each_reg
from verifier.state.reg import NOT_INITIALIZED, RegState, scalar
from verifier.state.reg_type import MEM_ALLOC, PTR_TO_BTF_ID, PTR_TO_MAP_VALUE, is_non_owning_ref
from verifier.state.states import LOCK_KINDS, REF_LOCK, REF_RES_LOCK, REF_RES_LOCK_IRQ, Ref, VerifierState
from verifier.steps.leaks import invalid_reg

MAX_ERRNO: Final = 4095
LOCKABLE: Final = (PTR_TO_MAP_VALUE, PTR_TO_BTF_ID | MEM_ALLOC)
RBTREE_KFUNCS: Final = frozenset(
    [
        "bpf_rbtree_add_impl",
        "bpf_rbtree_remove",
        "bpf_rbtree_first",
        "bpf_rbtree_root",
        "bpf_rbtree_left",
        "bpf_rbtree_right",
    ]
)
LIST_KFUNCS: Final = frozenset(
    [
        "bpf_list_push_front_impl",
        "bpf_list_push_back_impl",
        "bpf_list_pop_front",
        "bpf_list_pop_back",
        "bpf_list_front",
        "bpf_list_back",
    ]
)
RES_LOCKS: Final = {"bpf_res_spin_lock": False, "bpf_res_spin_lock_irqsave": True}
"""kfuncs that take a resilient lock, and whether they turn interrupts off."""
RES_UNLOCKS: Final = {"bpf_res_spin_unlock": False, "bpf_res_spin_unlock_irqrestore": True}
ITER_NUM_KFUNCS: Final = frozenset(("bpf_iter_num_new", "bpf_iter_num_next", "bpf_iter_num_destroy"))
UNDER_LOCK: Final = RBTREE_KFUNCS | LIST_KFUNCS | {"bpf_refcount_acquire_impl"}
UNDER_LOCK_SINCE_6_18: Final = ITER_NUM_KFUNCS | RES_LOCKS.keys() | RES_UNLOCKS.keys() | {"bpf_stream_vprintk_impl"}


def allowed_under_lock(env: Env, kfunc: str) -> bool:
    """The kfunc may be called while a lock is held."""
    return kfunc in UNDER_LOCK or (env.profile.graph_walks and kfunc in UNDER_LOCK_SINCE_6_18)


def in_rbtree_callback(env: Env) -> bool:
    """A function that bpf_rbtree_add() calls is being looked at (in_rbtree_lock_required_cb)."""
    frame = env.frame
    if not frame.frameno or not frame.in_callback:
        return False
    insn = env.insns[frame.callsite]
    meta = env.kfuncs.get(insn.imm) if insn.src == 2 else None
    return meta is not None and meta.name in RBTREE_KFUNCS


# --- the locks held ------------------------------------------------------------
def _holds(state: VerifierState, kinds: int, id_: int, ptr: object) -> bool:
    return any(ref.kind & kinds and ref.id == id_ and ref.ptr is ptr for ref in state.refs)


def _acquire(env: Env, kind: int, id_: int, ptr: object) -> None:
    state = env.state
    state.refs = (*state.refs, Ref(kind, id_, env.insn_idx, ptr))
    state.active_locks += 1
    state.active_lock_id, state.active_lock_ptr = id_, ptr


def _release(state: VerifierState, kind: int, id_: int, ptr: object) -> None:
    """Forget the lock; the one taken before it is the innermost now."""
    kept: list[Ref] = []
    before: Ref | None = None
    found = False
    for ref in state.refs:
        if not found and ref.kind == kind and ref.id == id_ and ref.ptr is ptr:
            found = True
            continue
        kept.append(ref)
        if ref.kind & LOCK_KINDS and not found:
            before = ref
    state.refs = tuple(kept)
    state.active_locks -= 1
    state.active_lock_id = before.id if before is not None else 0
    state.active_lock_ptr = before.ptr if before is not None else None


def lock_owner(reg: RegState) -> object:
    """What tells apart locks with the same id: the map, or the BTF of an allocated object."""
    return reg.ptr.map if reg.type == PTR_TO_MAP_VALUE else reg.ptr.btf


def process_lock(env: Env, regno: int, *, acquire: bool, res: bool = False, irq: bool = False) -> None:
    """Take or give back the lock that the register points at."""
    reg = env.frame.regs[regno]
    kind = RES_SPIN_LOCK if res else SPIN_LOCK
    short = kind.removesuffix("_lock")
    if reg.num.var_off.mask:
        env.reject(EINVAL, f"R{regno} doesn't have constant offset. {kind} has to be at the constant offset")
    map_ = reg.ptr.map if reg.type == PTR_TO_MAP_VALUE else None
    if map_ is not None and map_.btf is None:
        env.reject(EINVAL, f"map '{map_.name}' has to have BTF in order to use {kind}")
    record = reg_record(reg)
    if record is None or not record.has((kind,)):
        what = f"map '{map_.name}'" if map_ is not None else "local 'kptr'"
        env.reject(EINVAL, f"{what} has no valid {kind}")
    off, have = reg.num.var_off.value + reg.off, record.offset_of(kind)
    if off != have:
        env.reject(EINVAL, f"off {off} doesn't point to 'struct {kind}' that is at {have}")
    held = REF_LOCK if not res else REF_RES_LOCK_IRQ if irq else REF_RES_LOCK
    if acquire:
        _check_take(env, reg, res)
        _acquire(env, held, reg.id, lock_owner(reg))
    else:
        _check_give(env, reg, held, short)
        _release(env.state, held, reg.id, lock_owner(reg))
        invalidate_non_owning(env)


def _check_take(env: Env, reg: RegState, res: bool) -> None:
    state = env.state
    if not state.active_locks:
        return
    if not res:
        env.reject(EINVAL, "Locking two bpf_spin_locks are not allowed")
    if _holds(state, REF_RES_LOCK | REF_RES_LOCK_IRQ, reg.id, lock_owner(reg)):
        env.reject(EINVAL, "Acquiring the same lock again, AA deadlock detected")


def _check_give(env: Env, reg: RegState, kind: int, short: str) -> None:
    state, owner = env.state, lock_owner(reg)
    if not state.active_locks:
        env.reject(EINVAL, f"{short}_unlock without taking a lock")
    if not _holds(state, kind, reg.id, owner):
        env.reject(EINVAL, f"{short}_unlock of different lock")
    if reg.id != state.active_lock_id or owner is not state.active_lock_ptr:
        env.reject(EINVAL, f"{short}_unlock cannot be out of order")


def invalidate_non_owning(env: Env) -> None:
    """Objects that were used without being owned may be gone once the lock is given back."""
    gone = invalid_reg(env)
    each_reg(env.state, lambda reg: gone if is_non_owning_ref(reg.type) else reg)


def holds_lock_of(env: Env, reg: RegState) -> bool:
    """The lock beside the list or tree that the register points at is held. Raises Rejection if it is another's."""
    if not env.state.active_locks:
        return False
    if not _holds(env.state, LOCK_KINDS, reg.id, lock_owner(reg)):
        env.report("held lock and object are not in the same allocation")
        return False
    return True


# --- resilient locks ------------------------------------------------------------
def push_failed_lock(env: Env) -> None:
    """Queue the way on which the lock could not be taken: r0 is a negative errno."""
    other = push_path(env, env.insn_idx + 1, env.insn_idx)
    num = cnum.make(smin=-MAX_ERRNO, smax=-1, s32_min=-MAX_ERRNO, s32_max=-1)
    other.frames[-1].regs[0:6] = [scalar(num), *[NOT_INITIALIZED] * 5]


def check_res_lock_arg(env: Env, kfunc: str, i: int, reg: RegState) -> None:
    """A `struct bpf_res_spin_lock *` argument."""
    if reg.type not in LOCKABLE:
        env.reject(EINVAL, f"arg#{i} doesn't point to map value or allocated object")
    acquire = kfunc in RES_LOCKS
    irq = RES_LOCKS[kfunc] if acquire else RES_UNLOCKS[kfunc]
    process_lock(env, i + 1, acquire=acquire, res=True, irq=irq)
