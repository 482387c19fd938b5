# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Arenas: memory that a program shares with user space and may do anything with.

A pointer into it is a 32-bit offset; no access can fail, so nothing is known of one. Source: kernel/bpf/verifier.c
check_map_prog_compatibility, check_alu_op, adjust_reg_min_max_vals; kernel/bpf/arena.c (6.18).
"""

from __future__ import annotations

from typing import Final

from bpfvm.isa.insn import Insn
from bpfvm.isa.table import Op
from bpfvm.obj.model import MapSpec
from verifier.env import Env
from verifier.rejection import EBUSY, EINVAL, EOPNOTSUPP, EPERM, ERANGE
from verifier.state.reg import RegState, pointer, unknown
from verifier.state.reg_type import PTR_TO_ARENA

PAGE_SIZE: Final = 4096
TO_KERNEL: Final = 1
TO_USER: Final = 1 << 16
"""imm of an address space cast."""
MEMSX: Final = 0x80


def note_arena(env: Env, map_: MapSpec) -> None:
    """The program uses this arena, and no other. That user space has mapped it, the loader sees to."""
    if env.arena is not None:
        env.reject(EBUSY, "Only one arena per program")
    if not env.allow_ptr_leaks or not env.bpf_capable:
        env.reject(EPERM, "CAP_BPF and CAP_PERFMON are required to use arena")
    env.arena = map_


def arena_address(env: Env, map_: MapSpec, off: int) -> RegState:
    """A ld_imm64 of an address in the arena: user space's, which is a number like any other."""
    if off > map_.max_entries * PAGE_SIZE:
        env.reject(ERANGE, f"invalid access to map value pointer, value_size={map_.value_size} off={off}")
    return unknown()


def check_addr_space_cast(env: Env, insn: Insn, op: Op) -> int:
    """`dst = addr_space_cast(src, to, from)`."""
    del op
    if insn.imm not in (TO_KERNEL, TO_USER):
        env.reject(EINVAL, "addr_space_cast insn can only convert between address space 1 and 0")
    if env.arena is None:
        env.reject(EINVAL, "addr_space_cast insn can only be used in a program that has an associated arena")
    env.read(insn.src)
    env.may_write(insn.dst)
    env.frame.regs[insn.dst] = pointer(PTR_TO_ARENA) if insn.imm == TO_KERNEL else unknown()
    return env.insn_idx + 1


def arena_arithmetic(dst: RegState, src: RegState) -> RegState:
    """Whatever is done with a pointer into the arena gives one."""
    return dst if dst.type == PTR_TO_ARENA else src


def check_signed_loads(env: Env) -> None:
    """After the walk: sign-extending loads from an arena, where the JIT has none."""
    if env.profile.signed_arena_loads:
        return
    for i, insn in enumerate(env.insns):
        if insn.code & 7 == 1 and insn.code & 0xE0 == MEMSX and env.ptr_types[i] == PTR_TO_ARENA:
            env.reject(EOPNOTSUPP, "sign extending loads from arena are not supported yet")
