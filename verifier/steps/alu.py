# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Arithmetic: operand checks, moves, pointers; numbers go to scalar_alu. kernel/bpf/verifier.c check_alu_op,
adjust_reg_min_max_vals, adjust_ptr_min_max_vals (6.18)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bpfvm.isa.insn import Insn
from bpfvm.isa.table import Op
from bpfvm.isa.word import S32_MAX, S32_MIN, S64_MAX, S64_MIN, U64_MAX, s64
from verifier.env import Env, Result
from verifier.memory.arena import arena_arithmetic
from verifier.memory.region import MAX_VAR_OFF
from verifier.numbers import cnum, old_alu, scalar_alu, tnum
from verifier.numbers.cnum import Bounds
from verifier.numbers.scalar_ids import with_id_before_mov
from verifier.rejection import EACCES, EINVAL
from verifier.search.backtrack import mark_chain_precision
from verifier.search.paths import push_path
from verifier.state.reg import ADD_CONST64, RegState, const, scalar, unknown
from verifier.state.reg_type import (
    BASE_TYPE_MASK,
    CONST_PTR_TO_DYNPTR,
    CONST_PTR_TO_MAP,
    PTR_MAYBE_NULL,
    PTR_TO_ARENA,
    PTR_TO_BTF_ID,
    PTR_TO_BUF,
    PTR_TO_CTX,
    PTR_TO_FLOW_KEYS,
    PTR_TO_FUNC,
    PTR_TO_MAP_KEY,
    PTR_TO_MAP_VALUE,
    PTR_TO_MEM,
    PTR_TO_PACKET,
    PTR_TO_PACKET_META,
    PTR_TO_STACK,
    PTR_TO_TP_BUFFER,
    PTR_UNTRUSTED,
    SCALAR_VALUE,
    is_pkt_pointer,
    type_str,
)
from verifier.steps.leaks import check_no_part
from verifier.steps.sanitize import after_move, before_move, check_copied, check_number_alu

MOVABLE: Final = frozenset(
    (
        *(PTR_TO_CTX, PTR_TO_MAP_VALUE, PTR_TO_MAP_KEY, PTR_TO_STACK, PTR_TO_PACKET_META, PTR_TO_PACKET),
        *(PTR_TO_TP_BUFFER, PTR_TO_BTF_ID, PTR_TO_MEM, PTR_TO_BUF, PTR_TO_FUNC, CONST_PTR_TO_DYNPTR),
    )
)
"""Pointers to which numbers may be added."""
SIGNS: Final = {
    "add": "+=",
    "sub": "-=",
    "mul": "*=",
    "div": "/=",
    "sdiv": "/=",
    "or": "|=",
    "and": "&=",
    "lsh": "<<=",
    "rsh": ">>=",
    "neg": "neg",
    "mod": "%=",
    "smod": "%=",
    "xor": "^=",
    "mov": "=",
    "arsh": "s>>=",
    "end": "endian",
}


def check_binary(env: Env, insn: Insn, op: Op) -> int:
    """`dst op= src` for everything but moves."""
    regs = env.frame.regs
    name = op.name
    by_reg = op.operand == "reg"
    if by_reg:
        env.read(insn.src)
    dst = env.read(insn.dst)
    if not by_reg:
        if insn.imm == 0 and name in ("div", "sdiv", "mod", "smod"):
            env.reject(EINVAL, "div by zero")
        if name in scalar_alu.SHIFTS and not 0 <= insn.imm < op.width:
            env.reject(EINVAL, f"invalid shift {insn.imm}")
    env.may_write(insn.dst)
    src = regs[insn.src] if by_reg else const(insn.imm)
    if dst.type == SCALAR_VALUE and src.type == SCALAR_VALUE:
        if by_reg and dst.precise:
            mark_chain_precision(env, insn.src)
            src, dst = regs[insn.src], regs[insn.dst]
        if (name == "and" or name == "or") and not src.num.var_off.mask:
            dst = _maybe_fork(env, insn, name, dst)
        if not env.bypass_spec and (name == "add" or name == "sub"):
            check_number_alu(env, insn)
        result = _computed(env, name, op.width, dst, src)
        if result.id and ((by_reg and insn.src == insn.dst) or not _links(env, name, result)):
            result = result.with_(id=0, off=0)
        regs[insn.dst] = result
        return env.insn_idx + 1
    _with_pointer(env, insn, op, dst, src, by_reg)
    return env.insn_idx + 1


def _links(env: Env, name: str, result: RegState) -> bool:
    """Whether the kernel remembers the constant that `result` is away from the number it was copied from: in
    6.12 only of 64-bit additions, and none below 0; and only for who has CAP_BPF."""
    if not env.bpf_capable:
        return False
    return env.profile.narrow_links or (name == "add" and result.id & ADD_CONST64 != 0 and result.off >= 0)


def _computed(env: Env, name: str, width: int, dst: RegState, src: RegState) -> RegState:
    """The scalar `dst op src`. The next path through the instruction mostly brings the same numbers, so what was made
    of the last ones is kept."""
    a, b = dst.num, src.num
    if env.profile.old_arithmetic:
        return old_alu.computed(name, width, dst, src, env.report)
    if scalar_alu.forgets(name, width, b):
        return unknown()
    memo = env.results[env.insn_idx]
    if memo is not None and memo.a.same(a) and memo.b.same(b):
        out = memo.out
        return scalar_alu.linked(name, width, dst, b, out.num) if dst.id or dst.precise else out
    num = scalar_alu.number(name, width, a, b)
    sound = scalar_alu.consistent(num, env.report)
    if sound is num:
        env.results[env.insn_idx] = Result(a, b, scalar(num))
    return scalar_alu.linked(name, width, dst, b, sound)


def _maybe_fork(env: Env, insn: Insn, name: str, dst: RegState) -> RegState:
    """A number that is 0 or -1 is looked at as each of them (a mask made by arithmetic shift)."""
    ways = scalar_alu.fork(name, dst, env.frame.regs[insn.src] if insn.code & 8 else const(insn.imm))
    if ways is None:
        return dst
    now, later = ways
    push_path(env, env.insn_idx, env.insn_idx).frames[-1].regs[insn.dst] = later
    env.frame.regs[insn.dst] = now
    return now


def _with_pointer(env: Env, insn: Insn, op: Op, dst: RegState, src: RegState, by_reg: bool) -> None:
    regs = env.frame.regs
    if PTR_TO_ARENA in (dst.type, src.type):
        if op.cls == "alu64":
            env.arena_alu.add(env.insn_idx)
        regs[insn.dst] = arena_arithmetic(dst, src)
        return
    if dst.type != SCALAR_VALUE and src.type != SCALAR_VALUE:
        if op.name == "sub" and env.allow_ptr_leaks:
            regs[insn.dst] = unknown()
            return
        env.reject(EACCES, f"R{insn.dst} pointer {SIGNS[op.name]} pointer prohibited")
    if dst.type == SCALAR_VALUE:
        mark_chain_precision(env, insn.dst)
        regs[insn.dst] = adjust_pointer(env, insn, op, src, regs[insn.dst], scalar_first=True)
        return
    if by_reg:
        mark_chain_precision(env, insn.src)
    regs[insn.dst] = adjust_pointer(env, insn, op, dst, src, scalar_first=False)


def _contradictory(num: Bounds) -> bool:
    if num.smin > num.smax or num.umin > num.umax:
        return True
    return not num.var_off.mask and (num.smin != num.smax or num.umin != num.umax)


def adjust_pointer(env: Env, insn: Insn, op: Op, ptr: RegState, off: RegState, *, scalar_first: bool) -> RegState:
    """The pointer moved by a number. Raises Rejection where that isn't allowed."""
    d = insn.dst
    num = off.num
    if _contradictory(num):
        return unknown()
    if op.width != 64:
        if op.name == "sub" and env.allow_ptr_leaks:
            return unknown()
        env.reject(EACCES, f"R{d} 32-bit pointer arithmetic prohibited")
    type_ = ptr.type
    if type_ & PTR_MAYBE_NULL:
        env.reject(EACCES, f"R{d} pointer arithmetic on {type_str(type_)} prohibited, null-check it first")
    base = type_ & BASE_TYPE_MASK
    known = not num.var_off.mask
    if base == PTR_TO_MEM and type_ & PTR_UNTRUSTED:
        # its offsets don't matter; Linux leaves a number that the pointer is added to as if nothing had happened to it
        return unknown() if scalar_first else ptr
    if base not in MOVABLE:
        free = (base == PTR_TO_FLOW_KEYS and known) or (
            base in (PTR_TO_FLOW_KEYS, CONST_PTR_TO_MAP) and known and num.smin == 0 and op.name == "add"
        )
        if not free:
            env.reject(EACCES, f"R{d} pointer arithmetic on {type_str(type_)} prohibited")
    _sane_offset(env, off, type_)
    _sane_offset(env, ptr, type_)
    move = None
    if not env.bypass_spec and (op.name == "add" or op.name == "sub"):
        move = before_move(env, insn, ptr, off, scalar_first=scalar_first)
    if op.name == "add":
        result = _add(env, ptr, num, known)
    elif op.name == "sub":
        if scalar_first:
            env.reject(EACCES, f"R{d} tried to subtract pointer from scalar")
        if type_ == PTR_TO_STACK:
            env.reject(EACCES, f"R{d} subtraction from stack pointer prohibited")
        result = _sub(env, ptr, num, known)
    else:
        what = SIGNS[op.name]
        if op.name in ("and", "or", "xor"):
            env.reject(EACCES, f"R{d} bitwise operator {what} on pointer prohibited")
        env.reject(EACCES, f"R{d} pointer arithmetic with {what} operator prohibited")
    _sane_offset(env, result, type_)
    if result.num is not ptr.num or env.state.speculative:
        result = result.with_(num=cnum.resync(result.num))
    if not env.bypass_spec:
        after_move(env, insn, result, move)
    return result


def _in_s64(lo: int, hi: int) -> tuple[int, int]:
    return (lo, hi) if S64_MIN <= lo <= S64_MAX and S64_MIN <= hi <= S64_MAX else (S64_MIN, S64_MAX)


def _moved(env: Env, ptr: RegState, num: Bounds, keep_range: bool) -> RegState:
    if is_pkt_pointer(ptr.type):
        new = ptr.with_(num=num, id=env.new_id())
        return new if keep_range else new.with_(ptr=replace(ptr.ptr, range=0))
    return ptr.with_(num=num)


def _add(env: Env, ptr: RegState, num: Bounds, known: bool) -> RegState:
    if known and S32_MIN <= ptr.off + num.smin <= S32_MAX:
        return ptr.with_(off=ptr.off + num.smin)
    p = ptr.num
    smin, smax = _in_s64(p.smin + num.smin, p.smax + num.smax)
    umin, umax = p.umin + num.umin, p.umax + num.umax
    if umax > U64_MAX:
        umin, umax = 0, U64_MAX
    return _moved(env, ptr, Bounds(tnum.add(p.var_off, num.var_off), smin, smax, umin, umax), False)


def _sub(env: Env, ptr: RegState, num: Bounds, known: bool) -> RegState:
    if known and S32_MIN <= ptr.off - num.smin <= S32_MAX:
        return ptr.with_(off=ptr.off - num.smin)
    p = ptr.num
    smin, smax = _in_s64(p.smin - num.smax, p.smax - num.smin)
    if p.umin < num.umax:
        umin, umax = 0, U64_MAX
    else:
        umin, umax = p.umin - num.umax, p.umax - num.umin
    new = Bounds(tnum.sub(p.var_off, num.var_off), smin, smax, umin, umax)
    return _moved(env, ptr, new, num.smin >= 0)


def _sane_offset(env: Env, reg: RegState, type_: int) -> None:
    """Neither the number added nor the resulting offset is beyond ±2^29."""
    num = reg.num
    value = s64(num.var_off.value)
    text = type_str(type_)
    if not num.var_off.mask and not -MAX_VAR_OFF < value < MAX_VAR_OFF:
        env.reject(EINVAL, f"math between {text} pointer and {value} is not allowed")
    if not -MAX_VAR_OFF < reg.off < MAX_VAR_OFF:
        env.reject(EINVAL, f"{text} pointer offset {reg.off} is not allowed")
    if num.smin == S64_MIN:
        env.reject(EINVAL, f"math between {text} pointer and register with unbounded min value is not allowed")
    if not -MAX_VAR_OFF < num.smin < MAX_VAR_OFF:
        env.reject(EINVAL, f"value {num.smin} makes {text} pointer be out of bounds")


def check_unary(env: Env, insn: Insn, op: Op) -> int:
    """neg and byte swaps."""
    dst = env.read(insn.dst)
    check_no_part(env, insn.dst, "pointer arithmetic prohibited")
    env.may_write(insn.dst)
    if dst.type != SCALAR_VALUE or not env.profile.unary_known:
        env.frame.regs[insn.dst] = unknown()
    else:
        bits = const(0 if op.name == "neg" else insn.imm)
        env.frame.regs[insn.dst] = scalar_alu.alu(op.name, op.width, dst, bits, env.report)
    return env.insn_idx + 1


def check_mov(env: Env, insn: Insn, op: Op) -> int:
    """`dst = src` and `dst = imm`."""
    regs = env.frame.regs
    if op.operand == "imm":
        env.may_write(insn.dst)
        regs[insn.dst] = scalar_alu.mov_imm(insn.imm, op.width)
        return env.insn_idx + 1
    src = env.read(insn.src)
    env.may_write(insn.dst)
    if op.width == 64:
        regs[insn.dst] = with_id_before_mov(env, insn.src)
        if not env.bypass_spec:
            check_copied(env, insn.dst, "alu")
    elif src.type == SCALAR_VALUE:
        if src.num.umax <= 0xFFFF_FFFF:
            src = with_id_before_mov(env, insn.src)
        regs[insn.dst] = scalar_alu.mov(src, 32)
    else:
        check_no_part(env, insn.src, "partial copy of pointer")
        regs[insn.dst] = unknown().with_(num=cnum.zext32(cnum.UNKNOWN))
    return env.insn_idx + 1


def check_movsx(env: Env, insn: Insn, op: Op) -> int:
    """`dst = (sN)src`."""
    regs = env.frame.regs
    src = env.read(insn.src)
    env.may_write(insn.dst)
    bits = insn.off
    if src.type != SCALAR_VALUE:
        part = "sign-extension part of pointer" if op.width == 64 else "partial copy of pointer"
        check_no_part(env, insn.src, part)
        num = cnum.UNKNOWN if op.width == 64 else cnum.zext32(cnum.UNKNOWN)
        regs[insn.dst] = unknown().with_(num=num)
        return env.insn_idx + 1
    if src.num.umax < 1 << (bits - 1):
        src = with_id_before_mov(env, insn.src)
    regs[insn.dst] = scalar_alu.movsx(src, bits, op.width)
    return env.insn_idx + 1
