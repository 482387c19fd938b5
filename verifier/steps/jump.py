# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Branches: which ways are open, and what each teaches. kernel/bpf/verifier.c check_cond_jmp_op, is_branch_taken,
mark_ptr_or_null_regs (6.18)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bpfvm.isa.insn import Insn
from bpfvm.isa.table import Op
from bpfvm.isa.word import U32_MAX, U64_MAX
from verifier.env import Env, Lesson
from verifier.memory.map_fields import inner_map, may_hold_lock, needs_uid
from verifier.memory.packet import match_packet_compare, packet_branch_taken
from verifier.memory.region import MAX_VAR_OFF
from verifier.numbers import cnum
from verifier.numbers.cnum import Bounds
from verifier.numbers.scalar_ids import Linked, collect_linked, sync_linked
from verifier.numbers.scalar_jump import branch_taken, lesson, refine_both, taught
from verifier.program.insn_check import may_goto_text
from verifier.rejection import EACCES, EINVAL
from verifier.search.backtrack import mark_chain_precision
from verifier.search.paths import push_path
from verifier.search.widen import widen_before_next_round
from verifier.state.references import drop_ref
from verifier.state.reg import RegState, const
from verifier.state.reg_type import (
    BASE_TYPE_MASK,
    CONST_PTR_TO_MAP,
    MEM_ALLOC,
    NON_OWN_REF,
    PTR_MAYBE_NULL,
    PTR_TO_BTF_ID,
    PTR_TO_BUF,
    PTR_TO_MAP_KEY,
    PTR_TO_MAP_VALUE,
    PTR_TO_MEM,
    PTR_TO_PACKET_END,
    PTR_TO_SOCK_COMMON,
    PTR_TO_SOCKET,
    PTR_TO_STACK,
    PTR_TO_TCP_SOCK,
    PTR_TO_XDP_SOCK,
    PTR_TRUSTED,
    PTR_UNTRUSTED,
    SCALAR_VALUE,
    is_pkt_pointer,
)
from verifier.state.states import StackSlot, VerifierState
from verifier.steps.leaks import is_secret
from verifier.steps.sanitize import push_mispredicted
from verifier.text.state_print import print_insn_state

NEVER_NULL: Final = frozenset(
    (PTR_TO_SOCKET, PTR_TO_TCP_SOCK, PTR_TO_MAP_VALUE, PTR_TO_MAP_KEY, PTR_TO_SOCK_COMMON, CONST_PTR_TO_MAP)
)
"""Of the others that can't be NULL (functions, dynptrs, the stack …) the kernel does not know it."""
NEVER_NULL_6_12: Final = NEVER_NULL | {PTR_TO_XDP_SOCK, PTR_TO_BUF}


TRUSTED: Final = MEM_ALLOC | PTR_TRUSTED | NON_OWN_REF
"""BPF_REG_TRUSTED_MODIFIERS: an RCU pointer is not among them, so a comparison of it with NULL goes both ways."""


def reg_not_null(env: Env, reg: RegState) -> bool:
    """The pointer is certainly not NULL."""
    type_ = reg.type
    if type_ & PTR_MAYBE_NULL:
        return False
    base = type_ & BASE_TYPE_MASK
    if env.profile.far_nulls:
        if reg.num.smin <= -MAX_VAR_OFF or reg.num.smax >= MAX_VAR_OFF:
            return False
        if base in NEVER_NULL_6_12:
            return True
    elif base in NEVER_NULL:
        return True
    if base == PTR_TO_BTF_ID:
        flags = type_ & ~BASE_TYPE_MASK
        return bool(reg.ref_obj_id or (flags & TRUSTED and not flags & ~TRUSTED))
    return base == PTR_TO_MEM and not type_ & PTR_UNTRUSTED


def _proves(env: Env, reg: RegState) -> bool:
    """A pointer equal to this one is not NULL either: 6.18 trusts everything that need not be tested."""
    return reg_not_null(env, reg) if env.profile.far_nulls else not reg.type & PTR_MAYBE_NULL


def _is_packet(reg: RegState) -> bool:
    return is_pkt_pointer(reg.type) or reg.type == PTR_TO_PACKET_END


def _is_zero(reg: RegState, width: int) -> bool:
    """The number 0, of which a 32-bit comparison sees only the low half (even if the other operand is a pointer)."""
    if reg.type != SCALAR_VALUE:
        return False
    var_off = reg.num.var_off
    return not (var_off.value | var_off.mask) & (U64_MAX if width == 64 else U32_MAX)


def _predict(env: Env, op: str, width: int, dst: RegState, src: RegState) -> int:
    if dst.type == SCALAR_VALUE and src.type == SCALAR_VALUE:
        return branch_taken(op, width, dst, src)
    if width == 64 and _is_packet(dst) and _is_packet(src):
        return packet_branch_taken(op, dst, src)
    if not _is_zero(src, width):
        dst, src = src, dst
    if not _is_zero(src, width) or not reg_not_null(env, dst):
        return -1
    return {"jeq": 0, "jne": 1}.get(op, -1)


def check_jump(env: Env, insn: Insn, op: Op) -> int:
    """A conditional jump."""
    env.jmps_processed += 1
    i = env.insn_idx
    regs = env.frame.regs
    dst = env.read(insn.dst)
    by_reg = op.operand == "reg"
    if by_reg:
        src = env.read(insn.src)
        if is_secret(env, src) and not (_is_packet(dst) and _is_packet(src)):
            env.reject(EACCES, f"R{insn.src} pointer comparison prohibited")
        if src.type == PTR_TO_STACK or dst.type == PTR_TO_STACK:
            entry = env.push_history()
            entry.src_fp |= src.type == PTR_TO_STACK
            entry.dst_fp |= dst.type == PTR_TO_STACK
    else:
        src = const(insn.imm)
        if dst.type == PTR_TO_STACK:
            env.push_history().dst_fp = True
    width, name = op.width, op.name
    taken = _predict(env, name, width, dst, src)
    if taken >= 0:
        if dst.type == SCALAR_VALUE:
            mark_chain_precision(env, insn.dst)
        if by_reg and src.type == SCALAR_VALUE:
            mark_chain_precision(env, insn.src)
        push_mispredicted(env, insn, i + 1 if taken else i + 1 + insn.off)
        if env.log.level:
            print_insn_state(env, env.state)
        return i + 1 + insn.off if taken else i + 1
    linked: Linked = []
    if by_reg and src.type == SCALAR_VALUE and src.id:
        collect_linked(env, src.id, linked)
    if dst.type == SCALAR_VALUE and dst.id:
        collect_linked(env, dst.id, linked)
    if len(linked) > 1:
        env.push_history().linked = tuple(linked)
    dst = regs[insn.dst]
    src = regs[insn.src] if by_reg else src
    other = push_path(env, i + insn.off + 1, i)
    if dst.type == SCALAR_VALUE and src.type == SCALAR_VALUE:
        _learn(env, insn, op, by_reg, other)
    if linked:
        _tell(env, insn, by_reg, linked, other)
    _pointers(env, insn, op, by_reg, other)
    if env.log.level:
        print_insn_state(env, env.state)
    return i + 1


def _learn(env: Env, insn: Insn, op: Op, by_reg: bool, other: VerifierState) -> None:
    """Bounds of the operands on both ways."""
    regs = env.frame.regs
    dst = regs[insn.dst]
    src = regs[insn.src] if by_reg else const(insn.imm)
    same = by_reg and insn.src == insn.dst
    if same:
        (dst_t, src_t), (dst_f, src_f) = refine_both(op.name, op.width, dst, src, env.report, same_reg=True)
    else:
        found = _lesson(env, op, dst.num, src.num)
        dst_t, src_t = taught(dst, found.took[0]), taught(src, found.took[1])
        dst_f, src_f = taught(dst, found.fell[0]), taught(src, found.fell[1])
    other_regs = other.frames[-1].regs
    regs[insn.dst], other_regs[insn.dst] = dst_f, dst_t
    if by_reg:
        regs[insn.src], other_regs[insn.src] = src_f, src_t


def _tell(env: Env, insn: Insn, by_reg: bool, linked: Linked, other: VerifierState) -> None:
    """What is linked to a number that was compared becomes what is known of that, on both ways; also where the other
    operand is a pointer and nothing was learnt."""
    old = env.profile.old_arithmetic
    for regno in (insn.src, insn.dst) if by_reg else (insn.dst,):
        reg = env.frame.regs[regno]
        if reg.type == SCALAR_VALUE and reg.id:
            sync_linked(env.state, reg, linked, old)
            sync_linked(other, other.frames[-1].regs[regno], linked, old)


def _lesson(env: Env, op: Op, a: Bounds, b: Bounds) -> Lesson:
    """What the current jump teaches about two numbers; kept, as the next path mostly brings the same ones."""
    i = env.insn_idx
    memo = env.lessons[i]
    if memo is not None and memo.a is a and memo.b is b:
        return memo
    if memo is not None and memo.a.same(a) and memo.b.same(b):
        took, fell = memo.took, memo.fell
        took = (a if took[0] is memo.a else took[0], b if took[1] is memo.b else took[1])
        fell = (a if fell[0] is memo.a else fell[0], b if fell[1] is memo.b else fell[1])
        return Lesson(a, b, took, fell)
    reports: list[str] = []
    fell = lesson(op.name, op.width, a, b, False, reports.append)
    found = Lesson(a, b, lesson(op.name, op.width, a, b, True, reports.append), fell)
    for text in reports:
        env.report(text)
    env.lessons[i] = None if reports else found
    return found


def _pointers(env: Env, insn: Insn, op: Op, by_reg: bool, other: VerifierState) -> None:
    """Null checks and packet bounds."""
    regs = env.frame.regs
    dst = regs[insn.dst]
    if dst.type == SCALAR_VALUE and not by_reg:
        return
    src = regs[insn.src] if by_reg else const(insn.imm)
    name = op.name
    if op.width == 64 and by_reg and dst.type != SCALAR_VALUE and src.type != SCALAR_VALUE:
        eq_regs = other.frames[-1].regs if name == "jeq" else regs if name == "jne" else None
        plain = dst.type & BASE_TYPE_MASK != PTR_TO_BTF_ID and src.type & BASE_TYPE_MASK != PTR_TO_BTF_ID
        if eq_regs is not None and plain:
            if _proves(env, dst) and src.type & PTR_MAYBE_NULL:
                eq_regs[insn.src] = not_null(eq_regs[insn.src])
            if _proves(env, src) and dst.type & PTR_MAYBE_NULL:
                eq_regs[insn.dst] = not_null(eq_regs[insn.dst])
    null_test = op.width == 64 and not by_reg and insn.imm == 0 and (name == "jeq" or name == "jne")
    if null_test and dst.type & PTR_MAYBE_NULL:
        mark_ptr_or_null(env.state, insn.dst, is_null=name == "jne")
        mark_ptr_or_null(other, insn.dst, is_null=name == "jeq")
        return
    matched = op.width == 64 and by_reg
    matched = matched and match_packet_compare(name, insn.dst, insn.src, dst, src, env.state, other)
    if not matched and is_secret(env, regs[insn.dst]):
        env.reject(EACCES, f"R{insn.dst} pointer comparison prohibited")


def not_null(reg: RegState) -> RegState:
    """The pointer once it is known not to be NULL (mark_ptr_not_null_reg)."""
    if reg.type & BASE_TYPE_MASK == PTR_TO_MAP_VALUE and reg.ptr.map is not None:
        map_ = reg.ptr.map
        if map_.inner is not None:
            inner = inner_map(map_.inner)
            uid = reg.id if needs_uid(inner) else 0
            return reg.with_(type=CONST_PTR_TO_MAP, ptr=replace(reg.ptr, map=inner, map_uid=uid))
        if map_.map_type == "xskmap":
            return reg.with_(type=PTR_TO_XDP_SOCK)
        if map_.map_type in ("sockmap", "sockhash"):
            return reg.with_(type=PTR_TO_SOCKET)
        return reg.with_(type=PTR_TO_MAP_VALUE)
    return reg.with_(type=reg.type & ~PTR_MAYBE_NULL)


def mark_ptr_or_null(state: VerifierState, regno: int, *, is_null: bool) -> None:
    """A pointer was tested: every register and slot with its id is NULL, or is not."""
    reg = state.frames[-1].regs[regno]
    id_ = reg.id
    if reg.ref_obj_id and reg.ref_obj_id == id_ and is_null:
        drop_ref(state, id_)

    if not id_:
        return
    for frame in state.frames:
        for i, old in enumerate(frame.regs):
            if old.id == id_:
                frame.regs[i] = _tested(old, is_null)
        for spi, slot in enumerate(frame.stack):
            if slot.reg.id == id_ and slot.is_spilled():
                frame.stack[spi] = StackSlot(slot.types, _tested(slot.reg, is_null))


def _tested(reg: RegState, is_null: bool) -> RegState:
    """One of them (mark_ptr_or_null_reg)."""
    if not reg.type & PTR_MAYBE_NULL:
        return reg
    if is_null:
        return RegState(SCALAR_VALUE, cnum.ZERO)
    new = not_null(reg)
    return new if may_hold_lock(new) else new.with_(id=0)


def check_ja(env: Env, insn: Insn, op: Op) -> int:
    """goto, gotol."""
    env.jmps_processed += 1
    return env.insn_idx + 1 + (insn.imm if op.width == 32 else insn.off)


def check_may_goto(env: Env, insn: Insn, op: Op) -> int:
    """may_goto: leaves the loop now, and (queued) stays in it."""
    env.jmps_processed += 1
    i = env.insn_idx
    if not insn.off and not env.profile.may_goto_nowhere:
        env.reject(EINVAL, may_goto_text(env, insn))
    queued = push_path(env, i + 1, i)
    queued.may_goto_depth += 1
    widen_before_next_round(env, queued, i)
    return i + 1 + insn.off
