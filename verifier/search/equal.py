# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Does an explored state cover the current one? kernel/bpf/verifier.c states_equal, func_states_equal, regsafe,
stacksafe, refsafe, check_ids (6.18)."""

from __future__ import annotations

from typing import Final, final

from verifier.env import Env
from verifier.numbers import tnum
from verifier.state.reg import ADD_CONST, RegState, unknown
from verifier.state.reg_type import (
    BASE_TYPE_MASK,
    NOT_INIT,
    PTR_TO_ARENA,
    PTR_TO_BUF,
    PTR_TO_MAP_KEY,
    PTR_TO_MAP_VALUE,
    PTR_TO_MEM,
    PTR_TO_PACKET,
    PTR_TO_PACKET_META,
    PTR_TO_STACK,
    PTR_TO_TP_BUFFER,
    SCALAR_VALUE,
)
from verifier.state.states import (
    EMPTY_SLOT,
    KNOWS_NOTHING,
    ONLY_MISC,
    STACK_DYNPTR,
    STACK_INVALID,
    STACK_IRQ_FLAG,
    STACK_ITER,
    STACK_MISC,
    STACK_SPILL,
    STACK_ZERO,
    Frame,
    StackSlot,
    VerifierState,
)

ALL_REGS: Final = 0x3FF
NOT_EXACT: Final = 0
EXACT: Final = 1
RANGE_WITHIN: Final = 2
LIVE_LISTS: Final = tuple(tuple(i for i in range(10) if mask >> i & 1) for mask in range(1024))
"""Mask of live registers → their numbers."""
MAX_IDS: Final = (11 + 64) * 8 + 8
_RANGED: Final = frozenset((PTR_TO_MAP_KEY, PTR_TO_MAP_VALUE, PTR_TO_MEM, PTR_TO_BUF, PTR_TO_TP_BUFFER))


@final
class IdMap:
    """Which id of the explored state stands for which of the current one, one to one. all_precise: every number
    matters (without CAP_BPF precision isn't tracked); identical: numbers must be the same, because limits of pointer
    arithmetic depend on them (kernel explore_alu_limits)."""

    __slots__ = ("all_precise", "identical", "new_of", "old_of", "temp")

    def __init__(self, id_gen: int, *, all_precise: bool = False, identical: bool = False) -> None:
        self.all_precise = all_precise
        self.identical = identical
        self.new_of: dict[int, int] = {}
        self.old_of: dict[int, int] = {}
        self.temp = id_gen

    def same(self, old: int, cur: int) -> bool:
        """The ids can stand for each other (0 only for 0)."""
        if not old or not cur:
            return old == cur
        known = self.new_of.get(old)
        if known is not None:
            return known == cur
        if cur in self.old_of or len(self.new_of) >= MAX_IDS:
            return False
        self.new_of[old] = cur
        self.old_of[cur] = old
        return True

    def same_scalar(self, old: int, cur: int) -> bool:
        """The same, where 0 is an id of its own."""
        if not old:
            self.temp += 1
            old = self.temp
        if not cur:
            self.temp += 1
            cur = self.temp
        return self.same(old, cur)


def regs_exact(old: RegState, cur: RegState, ids: IdMap) -> bool:
    """The same but for a renaming of ids."""
    return (
        old.type == cur.type
        and old.off == cur.off
        and (old.ptr is cur.ptr or old.ptr == cur.ptr)
        and old.num.same(cur.num)
        and ids.same(old.id, cur.id)
        and ids.same(old.ref_obj_id, cur.ref_obj_id)
    )


def _covers(old: RegState, cur: RegState) -> bool:
    return old.num is cur.num or (cur.num.within(old.num) and tnum.in_(old.num.var_off, cur.num.var_off))


def regsafe(old: RegState, cur: RegState, ids: IdMap, exact: int) -> bool:
    """If the rest of the program is safe with `old`, it is with `cur`."""
    if exact == EXACT:
        return regs_exact(old, cur, ids)
    type_ = old.type
    if type_ == NOT_INIT and (exact == NOT_EXACT or cur.type == NOT_INIT):
        return True
    if type_ != cur.type:
        return False
    if type_ == SCALAR_VALUE:
        if ids.identical:
            same = old.num.same(cur.num) and old.off == cur.off
            return same and ids.same_scalar(old.id, cur.id)
        if not old.precise and exact == NOT_EXACT and not ids.all_precise:
            return True
        if not _covers(old, cur):
            return False
        if not old.id:
            return True  # nothing else was known through this one; that more is known now does no harm
        if (old.id & ADD_CONST) != (cur.id & ADD_CONST) or (old.id & ADD_CONST and old.off != cur.off):
            return False
        return ids.same_scalar(old.id, cur.id)
    base = type_ & BASE_TYPE_MASK
    if base in _RANGED:
        return (
            old.off == cur.off
            and (old.ptr is cur.ptr or old.ptr == cur.ptr)
            and _covers(old, cur)
            and ids.same(old.id, cur.id)
            and ids.same(old.ref_obj_id, cur.ref_obj_id)
        )
    if base in (PTR_TO_PACKET, PTR_TO_PACKET_META):
        if old.ptr.range > cur.ptr.range or old.off != cur.off:
            return False
        return ids.same(old.id, cur.id) and _covers(old, cur)
    if base == PTR_TO_STACK:
        return regs_exact(old, cur, ids) and old.frameno == cur.frameno
    if base == PTR_TO_ARENA:
        return True
    return regs_exact(old, cur, ids)


def _as_scalar(slot: StackSlot, unknown_types: frozenset[bytes]) -> RegState | None:
    """What a load of the whole slot gives, if that is a number."""
    types = slot.types
    if types[0] == STACK_SPILL:
        return slot.reg if slot.reg.type == SCALAR_VALUE else None
    return unknown() if types in unknown_types else None


def stacksafe(old: Frame, cur: Frame, ids: IdMap, exact: int, allow_uninit: bool = True) -> bool:
    """The same for all stack slots of a frame. allow_uninit: stack may be read before it is written."""
    others = cur.stack
    count = len(others)
    marks = old.marks if exact == NOT_EXACT else None
    for spi, slot in enumerate(old.stack):
        other = others[spi] if spi < count else None
        if slot is EMPTY_SLOT and other is slot:
            continue
        if marks is not None and not marks.was_read(spi):
            continue
        types = slot.types
        if exact != NOT_EXACT and (other is None or types != other.types):
            return False
        if types in KNOWS_NOTHING and (allow_uninit or types == EMPTY_SLOT.types):
            continue
        if other is None or not _slotsafe(slot, other, ids, exact, allow_uninit):
            return False
    return True


def _slotsafe(old: StackSlot, cur: StackSlot, ids: IdMap, exact: int, allow_uninit: bool) -> bool:
    """One slot of which something is known."""
    unknown_types = KNOWS_NOTHING if allow_uninit else ONLY_MISC
    old_reg = _as_scalar(old, unknown_types)
    if old_reg is not None:
        cur_reg = _as_scalar(cur, unknown_types)
        if cur_reg is not None:
            return regsafe(old_reg, cur_reg, ids, exact)
    types, now = old.types, cur.types
    if types != now:
        for i in range(8):
            kind = types[i]
            if kind == now[i] or kind == STACK_INVALID:
                continue
            if kind != STACK_MISC or not (allow_uninit or now[i] == STACK_ZERO):
                return False
    return types[7] == STACK_INVALID or _same_kind(old, cur, types[7], ids, exact)


def _same_kind(old: StackSlot, cur: StackSlot, kind: int, ids: IdMap, exact: int) -> bool:
    a, b = old.reg, cur.reg
    if kind == STACK_SPILL:
        return regsafe(a, b, ids, exact)
    if kind in (STACK_ZERO, STACK_MISC):
        return True
    if kind == STACK_DYNPTR:
        same = a.ptr.dynptr_type == b.ptr.dynptr_type and a.ptr.first_slot == b.ptr.first_slot
        return same and ids.same(a.ref_obj_id, b.ref_obj_id)
    if kind == STACK_ITER:
        same = a.ptr.btf is b.ptr.btf and a.ptr.btf_id == b.ptr.btf_id and a.ptr.iter_state == b.ptr.iter_state
        return same and ids.same(a.ref_obj_id, b.ref_obj_id)
    if kind == STACK_IRQ_FLAG:
        return ids.same(a.ref_obj_id, b.ref_obj_id) and a.ptr.irq_class == b.ptr.irq_class
    return False


def _refsafe(old: VerifierState, cur: VerifierState, ids: IdMap) -> bool:
    if len(old.refs) != len(cur.refs):
        return False
    if (
        old.active_locks != cur.active_locks
        or old.active_preempt_locks != cur.active_preempt_locks
        or old.active_rcu_lock != cur.active_rcu_lock
        or not ids.same(old.active_irq_id, cur.active_irq_id)
        or not ids.same(old.active_lock_id, cur.active_lock_id)
        or old.active_lock_ptr is not cur.active_lock_ptr
    ):
        return False
    for a, b in zip(old.refs, cur.refs, strict=True):
        if not ids.same(a.id, b.id) or a.kind != b.kind or a.ptr is not b.ptr:
            return False
    return True


def states_equal(env: Env, old: VerifierState, cur: VerifierState, exact: int) -> bool:
    """Every way on from `cur` is as safe as from `old`."""
    if len(old.frames) != len(cur.frames) or old.in_sleepable != cur.in_sleepable:
        return False
    if old.speculative and not cur.speculative:
        return False
    ids = IdMap(env.id_gen, all_precise=not env.bpf_capable, identical=env.explore_alu_limits)
    if (old.has_resources() or cur.has_resources()) and not _refsafe(old, cur, ids):
        return False
    for frameno, a in enumerate(old.frames):
        b = cur.frames[frameno]
        if a.callsite != b.callsite or a.callback_depth > b.callback_depth:
            return False
        marks = a.marks
        if marks is None:
            live = env.live_regs[old.frame_insn_idx(frameno)]
        else:
            live = marks.read_regs() if exact == NOT_EXACT else ALL_REGS
        aregs, bregs = a.regs, b.regs
        for i in LIVE_LISTS[live]:
            if not regsafe(aregs[i], bregs[i], ids, exact):
                return False
        if a.stack and not stacksafe(a, b, ids, exact, env.allow_uninit_stack):
            return False
    return True
