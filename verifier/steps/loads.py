# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Load, store and atomic instructions, and 64-bit constants: kernel/bpf/verifier.c check_load_mem, check_store_reg,
check_atomic, check_ld_imm, save_aux_ptr_type, process_bpf_exit_full (6.18)."""

from __future__ import annotations

from typing import Final

from bpfvm.isa.insn import Insn, imm64
from bpfvm.isa.table import Op
from verifier.env import Env
from verifier.memory.access import SOCK_TYPES, check_mem_access
from verifier.memory.region import check_ptr_off_reg
from verifier.program.insn_check import check_packet_loads
from verifier.program.subprogs import leave_function
from verifier.rejection import EACCES, EINVAL
from verifier.search.paths import push_path
from verifier.state.references import check_leak
from verifier.state.reg import Pointee, const, pointer
from verifier.state.reg_type import (
    BASE_TYPE_MASK,
    MEM_RDONLY,
    NOT_INIT,
    PTR_TO_ARENA,
    PTR_TO_BTF_ID,
    PTR_TO_CTX,
    PTR_TO_FLOW_KEYS,
    PTR_TO_FUNC,
    PTR_TO_MEM,
    PTR_UNTRUSTED,
    is_pkt_pointer,
    type_str,
)
from verifier.steps.leaks import check_no_leak
from verifier.steps.return_code import check_return_code
from verifier.steps.sanitize import check_copied

EXIT: Final = -1
RETURNED: Final = -2
_ONE_KIND: Final = frozenset((PTR_TO_CTX, *SOCK_TYPES, PTR_TO_BTF_ID, PTR_TO_ARENA))
"""Pointers for which an instruction is rewritten, so that it can't serve two kinds."""
NOT_IN_ARENA: Final = (0x41, 0x51, 0xA1)
"""Atomic or, and, xor that fetch: the x86 JIT makes a loop of them, in which no fault is handled."""
_TRUST_MIX: Final = (PTR_TO_MEM, PTR_TO_BTF_ID)


def _save_ptr_type(env: Env, type_: int, may_mix_trust: bool) -> None:
    """The instruction is used with one kind of pointer only."""
    i = env.insn_idx
    prev = env.ptr_types[i]
    if prev == NOT_INIT:
        env.ptr_types[i] = type_
    elif type_ != prev and (type_ & BASE_TYPE_MASK in _ONE_KIND or prev & BASE_TYPE_MASK in _ONE_KIND):
        base, prev_base = type_ & BASE_TYPE_MASK, prev & BASE_TYPE_MASK
        if not (may_mix_trust and base in _TRUST_MIX and prev_base in _TRUST_MIX):
            env.reject(EINVAL, "same insn cannot be used with different pointers")
        merged = PTR_TO_MEM if PTR_TO_MEM in (base, prev_base) else PTR_TO_BTF_ID
        env.ptr_types[i] = merged | (type_ | prev) & (PTR_UNTRUSTED | MEM_RDONLY)


def check_load(env: Env, insn: Insn, op: Op) -> int:
    """ldx and its sign-extending form."""
    src = env.read(insn.src)
    env.may_write(insn.dst)
    check_mem_access(env, insn.src, insn.off, op.size, False, insn.dst, sign=op.name == "ldxs")
    if not env.bypass_spec:
        check_copied(env, insn.dst, "ldx")
    _save_ptr_type(env, src.type, True)
    return env.insn_idx + 1


def check_store(env: Env, insn: Insn, op: Op) -> int:
    """stx."""
    env.read(insn.src)
    dst = env.read(insn.dst)
    check_mem_access(env, insn.dst, insn.off, op.size, True, insn.src)
    _save_ptr_type(env, dst.type, False)
    return env.insn_idx + 1


def check_store_imm(env: Env, insn: Insn, op: Op) -> int:
    """st."""
    dst = env.read(insn.dst)
    check_mem_access(env, insn.dst, insn.off, op.size, True, -1)
    _save_ptr_type(env, dst.type, False)
    return env.insn_idx + 1


def _check_atomic_target(env: Env, regno: int, what: str) -> None:
    type_ = env.frame.regs[regno].type
    bad = type_ == PTR_TO_ARENA and env.insns[env.insn_idx].imm in NOT_IN_ARENA
    bad |= type_ in (PTR_TO_CTX, PTR_TO_FLOW_KEYS) or is_pkt_pointer(type_) or type_ in SOCK_TYPES
    if bad:
        env.reject(EACCES, f"BPF_ATOMIC {what} R{regno} {type_str(type_)} is not allowed")


def check_atomic(env: Env, insn: Insn, op: Op) -> int:
    """Atomic read-modify-write."""
    env.read(insn.src)
    env.read(insn.dst)
    if op.name == "cmpxchg":
        env.read(0)
        check_no_leak(env, 0, "into mem")
    check_no_leak(env, insn.src, "into mem")
    _check_atomic_target(env, insn.dst, "stores into")
    load_reg = -1
    if op.fetch:
        load_reg = 0 if op.name == "cmpxchg" else insn.src
        env.write_unknown(load_reg)
    check_mem_access(env, insn.dst, insn.off, op.size, False, -1, strict_once=True)
    if load_reg >= 0:
        check_mem_access(env, insn.dst, insn.off, op.size, False, load_reg, strict_once=True)
    _save_ptr_type(env, env.frame.regs[insn.dst].type, False)
    check_mem_access(env, insn.dst, insn.off, op.size, True, -1, strict_once=True)
    return env.insn_idx + 1


def _check_known(env: Env, insn: Insn) -> None:
    if not env.profile.acquire_release:
        env.reject(EINVAL, f"BPF_ATOMIC uses invalid atomic opcode {insn.imm:02x}")


def check_load_acquire(env: Env, insn: Insn, op: Op) -> int:
    """load_acquire. What the source points at is asked after the load, so a load over its own source is allowed."""
    _check_known(env, insn)
    src = env.read(insn.src)
    env.may_write(insn.dst)
    check_mem_access(env, insn.src, insn.off, op.size, False, insn.dst, strict_once=True)
    _save_ptr_type(env, src.type, False)
    _check_atomic_target(env, insn.src, "loads from")
    return env.insn_idx + 1


def check_store_release(env: Env, insn: Insn, op: Op) -> int:
    """store_release."""
    _check_known(env, insn)
    env.read(insn.src)
    dst = env.read(insn.dst)
    check_mem_access(env, insn.dst, insn.off, op.size, True, insn.src, strict_once=True)
    _save_ptr_type(env, dst.type, False)
    _check_atomic_target(env, insn.dst, "stores into")
    return env.insn_idx + 1


def check_imm64(env: Env, insn: Insn, op: Op) -> int:
    """ld_imm64 of a number, map, map value, kernel variable or function."""
    del op
    i = env.insn_idx
    env.may_write(insn.dst)
    if insn.src == 0:
        reg = const(imm64(insn, env.insns[i + 1]))
    elif insn.src == 4:
        index = env.subprog_at[i + insn.imm + 1]
        if not env.program.func_info:
            env.reject(EINVAL, "missing btf func_info")
        if env.subprogs[index].is_global:
            env.reject(EINVAL, "callback function not static")
        if index == 0:
            env.reject(EINVAL, "callback function cannot be the main program")
        reg = pointer(PTR_TO_FUNC, ptr=Pointee(subprogno=index))
    else:
        reg = env.imm64_regs[i]
    env.frame.regs[insn.dst] = reg
    return i + 2


def check_exit(env: Env, insn: Insn, op: Op) -> int:
    """exit, from the program or from an inner function."""
    del insn, op
    env.jmps_processed += 1
    outermost = len(env.state.frames) == 1
    check_leak(env, exception=False, check_lock=outermost, prefix="BPF_EXIT instruction in main prog")
    if not outermost:
        env.insn_idx = leave_function(env)
        return RETURNED
    check_return_code(env)
    return EXIT


def check_packet_load(env: Env, insn: Insn, op: Op) -> int:
    """ld_abs, ld_ind: r6 holds the context; r0 gets packet bytes; r1..r5 are lost. Outside of the packet, the function
    ends with 0."""
    check_packet_loads(env)
    ctx = env.read(6)
    check_leak(env, exception=False, check_lock=True, prefix="BPF_LD_[ABS|IND]")
    if ctx.type != PTR_TO_CTX:
        env.reject(EINVAL, "at the time of BPF_LD_ABS|IND R6 != pointer to skb")
    if op.name == "ld_ind":
        env.read(insn.src)
    check_ptr_off_reg(env, ctx, 6)
    if any(frame.in_callback for frame in env.state.frames):
        env.reject(EINVAL, "cannot use BPF_LD_[ABS|IND] within callback")
    env.clear_caller_saved()
    env.write_unknown(0)
    if len(env.state.frames) > 1:
        env.scratched_regs |= 1
        push_path(env, env.insn_idx + 1, env.insn_idx)
        env.frame.regs[0] = const(0)
        return leave_function(env)
    return env.insn_idx + 1
