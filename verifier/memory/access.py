# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Loads and stores, by what the pointer points at: kernel/bpf/verifier.c check_mem_access and its helpers (6.18)."""

from __future__ import annotations

from typing import Final

from bpfvm.isa.word import U32_MAX, s32
from verifier.calls.kptr import check_kptr_access, pointer_field
from verifier.env import Env
from verifier.memory.btf_access import check_map_ptr_access, check_ptr_to_btf_access
from verifier.memory.ctx import check_ctx_load, check_ctx_store
from verifier.memory.map_access import check_map_access, check_map_access_type, load_map_value
from verifier.memory.packet import check_packet_access, may_access_packet
from verifier.memory.region import check_mem_region_access
from verifier.memory.sockets import check_buffer_access, check_flow_keys_access, check_sock_access
from verifier.memory.stack import check_stack_access_within_bounds, check_stack_read, check_stack_write
from verifier.numbers import cnum, tnum
from verifier.rejection import EACCES
from verifier.state.reg import RegState, unknown
from verifier.state.reg_type import (
    BASE_TYPE_MASK,
    CONST_PTR_TO_MAP,
    MEM_RDONLY,
    PTR_MAYBE_NULL,
    PTR_TO_ARENA,
    PTR_TO_BTF_ID,
    PTR_TO_BUF,
    PTR_TO_CTX,
    PTR_TO_FLOW_KEYS,
    PTR_TO_MAP_KEY,
    PTR_TO_MAP_VALUE,
    PTR_TO_MEM,
    PTR_TO_PACKET,
    PTR_TO_PACKET_META,
    PTR_TO_SOCK_COMMON,
    PTR_TO_SOCKET,
    PTR_TO_STACK,
    PTR_TO_TCP_SOCK,
    PTR_TO_TP_BUFFER,
    PTR_TO_XDP_SOCK,
    PTR_UNTRUSTED,
    SCALAR_VALUE,
    type_str,
)
from verifier.steps.leaks import check_no_leak

NO_VALUE: Final = -1
"""`value_regno` of an access that loads into or stores from no register."""

_DESCRIPTIONS: Final = {
    PTR_TO_FLOW_KEYS: "flow keys ",
    PTR_TO_MAP_KEY: "key ",
    PTR_TO_MAP_VALUE: "value ",
    PTR_TO_CTX: "context ",
    PTR_TO_STACK: "stack ",
    PTR_TO_SOCKET: "sock ",
    PTR_TO_SOCK_COMMON: "sock_common ",
    PTR_TO_TCP_SOCK: "tcp_sock ",
    PTR_TO_XDP_SOCK: "xdp_sock ",
}
SOCK_TYPES: Final = (PTR_TO_SOCKET, PTR_TO_SOCK_COMMON, PTR_TO_TCP_SOCK, PTR_TO_XDP_SOCK)
NET_IP_ALIGN: Final = 2


def check_ptr_alignment(env: Env, reg: RegState, off: int, size: int, strict_once: bool = False) -> None:
    """The access is aligned, where that is asked for (always on the stack)."""
    type_ = reg.type
    strict = env.strict_alignment or strict_once or type_ == PTR_TO_STACK
    if not strict or size == 1 or type_ == PTR_TO_ARENA:
        return
    if type_ in (PTR_TO_PACKET, PTR_TO_PACKET_META):
        total = tnum.add(reg.num.var_off, tnum.const(NET_IP_ALIGN + reg.off + off))
        if not tnum.is_aligned(total, size):
            var_off = reg.num.var_off
            env.reject(EACCES, f"misaligned packet access off {NET_IP_ALIGN}+{var_off}+{reg.off}+{off} size {size}")
        return
    var_off = reg.num.var_off
    if not var_off.mask:
        if not (var_off.value + reg.off + off) & (size - 1):
            return
    elif tnum.is_aligned(tnum.add(var_off, tnum.const(reg.off + off)), size):
        return
    what = _DESCRIPTIONS.get(type_, "")
    env.reject(EACCES, f"misaligned {what}access off {var_off}+{reg.off}+{off} size {size}")


def check_mem_access(
    env: Env,
    regno: int,
    off: int,
    size: int,
    write: bool,
    value_regno: int,
    *,
    strict_once: bool = False,
    sign: bool = False,
) -> None:
    """The access of `size` bytes at `off` from register `regno` is allowed; a load puts what it yields into
    `value_regno`.

    value_regno: register loaded or stored, or NO_VALUE; sign: a sign-extending load. Raises Rejection.
    """
    regs = env.frame.regs
    reg = regs[regno]
    check_ptr_alignment(env, reg, off, size, strict_once)
    off = s32((off + reg.off) & U32_MAX)
    type_ = reg.type
    load = not write and value_regno >= 0
    if type_ == PTR_TO_STACK:
        check_stack_access_within_bounds(env, regno, off, size, write=write)
        if write:
            check_stack_write(env, regno, off, size, value_regno)
        else:
            check_stack_read(env, regno, off, size, value_regno)
    elif type_ == PTR_TO_MAP_VALUE:
        if write:
            check_no_leak(env, value_regno, "into map")
        check_map_access_type(env, regno, off, size, write)
        check_map_access(env, regno, off, size)
        field = pointer_field(reg, off)
        if field is not None:
            check_kptr_access(env, field, value_regno)
        elif load:
            regs[value_regno] = load_map_value(env, reg, off, size, sign)
    elif type_ == PTR_TO_CTX:
        if write:
            check_no_leak(env, value_regno, "into ctx")
            check_ctx_store(env, regno, off, size)
        else:
            loaded = check_ctx_load(env, regno, off, size, sign)
            if load:
                regs[value_regno] = loaded
        if off + size > env.max_ctx_offset:
            env.max_ctx_offset = off + size
    elif type_ & (BASE_TYPE_MASK | PTR_MAYBE_NULL) == PTR_TO_BTF_ID:
        check_ptr_to_btf_access(env, regno, off, size, write, value_regno)
    else:
        _rarer(env, regno, off, size, write, value_regno)
    if load and size < 8:
        _narrow(env, value_regno, size, sign)


def _narrow(env: Env, regno: int, size: int, sign: bool) -> None:
    reg = env.frame.regs[regno]
    if reg.type == SCALAR_VALUE:
        num = cnum.sext(reg.num, size) if sign else cnum.trunc(reg.num, size)
        if num is not reg.num:
            env.frame.regs[regno] = reg.with_(num=num)


def _rarer(env: Env, regno: int, off: int, size: int, write: bool, value_regno: int) -> None:
    """Every kind of pointer that programs use less often; the answer is a number nothing is known about."""
    regs = env.frame.regs
    reg = regs[regno]
    type_ = reg.type
    base = type_ & BASE_TYPE_MASK
    read_only = bool(type_ & MEM_RDONLY)
    if type_ == PTR_TO_MAP_KEY:
        if write:
            env.reject(EACCES, f"write to change key R{regno} not allowed")
        check_mem_region_access(env, regno, off, size, reg.ptr.map.key_size if reg.ptr.map else 0)
    elif base == PTR_TO_MEM:
        if type_ & PTR_MAYBE_NULL:
            env.reject(EACCES, f"R{regno} invalid mem access '{type_str(type_)}'")
        if write and read_only:
            env.reject(EACCES, f"R{regno} cannot write into {type_str(type_)}")
        if write:
            check_no_leak(env, value_regno, "into mem")
        if type_ & PTR_UNTRUSTED:
            env.probe_mem.add(env.insn_idx)
        else:
            check_mem_region_access(env, regno, off, size, reg.ptr.mem_size)
    elif type_ in (PTR_TO_PACKET, PTR_TO_PACKET_META):
        if write and not may_access_packet(env, write=True):
            env.reject(EACCES, "cannot write into packet")
        if write:
            check_no_leak(env, value_regno, "into packet")
        check_packet_access(env, regno, off, size)
    elif type_ in SOCK_TYPES:
        if write:
            env.reject(EACCES, f"R{regno} cannot write into {type_str(type_)}")
        check_sock_access(env, regno, off, size)
    elif type_ == CONST_PTR_TO_MAP:
        check_map_ptr_access(env, regno, off, size, write, value_regno)
        return
    elif type_ == PTR_TO_TP_BUFFER:
        check_buffer_access(env, "tracepoint", regno, off, size)
    elif base == PTR_TO_BUF and not type_ & PTR_MAYBE_NULL:
        if read_only and write:
            env.reject(EACCES, f"R{regno} cannot write into {type_str(type_)}")
        check_buffer_access(env, "rdonly" if read_only else "rdwr", regno, off, size)
    elif type_ == PTR_TO_ARENA:
        pass  # any address will do
    elif type_ == PTR_TO_FLOW_KEYS:
        if write:
            check_no_leak(env, value_regno, "into flow keys")
        check_flow_keys_access(env, off, size)
    else:
        env.reject(EACCES, f"R{regno} invalid mem access '{type_str(type_)}'")
    if not write and value_regno >= 0:
        regs[value_regno] = unknown()
