# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""An access inside a region of known size through a pointer with a variable offset: kernel/bpf/verifier.c
check_mem_region_access, __check_mem_access, __check_ptr_off_reg (6.18)."""

from __future__ import annotations

from typing import Final

from bpfvm.isa.word import S32_MAX, S32_MIN, S64_MIN, U32_MAX, s32
from verifier.env import Env
from verifier.rejection import EACCES
from verifier.state.reg import RegState
from verifier.state.reg_type import (
    PTR_TO_MAP_KEY,
    PTR_TO_MAP_VALUE,
    PTR_TO_PACKET,
    PTR_TO_PACKET_END,
    PTR_TO_PACKET_META,
    type_str,
)

MAX_VAR_OFF: Final = 1 << 29
MAX_VAR_SIZE: Final = 1 << 29


def check_span(env: Env, regno: int, off: int, size: int, mem_size: int, zero_ok: bool, then: str) -> None:
    """off..off+size lies inside 0..mem_size; `then` is the second line of the refusal."""
    off = s32(off & U32_MAX)
    if off >= 0 and (size > 0 or (size == 0 and zero_ok)) and off + size <= mem_size:
        return
    reg = env.frame.regs[regno]
    type_ = reg.type
    if type_ == PTR_TO_MAP_KEY:
        text = f"invalid access to map key, key_size={mem_size} off={off} size={size}"
    elif type_ == PTR_TO_MAP_VALUE:
        text = f"invalid access to map value, value_size={mem_size} off={off} size={size}"
    elif type_ in (PTR_TO_PACKET, PTR_TO_PACKET_META, PTR_TO_PACKET_END):
        where = f"R{regno}(id={reg.id},off={off},r={mem_size})"
        text = f"invalid access to packet, off={off} size={size}, {where}"
    else:
        text = f"invalid access to memory, mem_size={mem_size} off={off} size={size}"
    env.report(text)
    env.reject(EACCES, then)


def check_mem_region_access(env: Env, regno: int, off: int, size: int, mem_size: int, zero_ok: bool = False) -> None:
    """Whatever the variable offset turns out to be, the access stays inside the region. Raises Rejection."""
    num = env.frame.regs[regno].num
    smin = num.smin
    if smin < 0 and (smin == S64_MIN or not S32_MIN <= off + smin <= S32_MAX or off + smin < 0):
        env.reject(
            EACCES,
            f"R{regno} min value is negative, either use unsigned index or do a if (index >=0) check.",
        )
    check_span(
        env, regno, smin + off, size, mem_size, zero_ok, f"R{regno} min value is outside of the allowed memory range"
    )
    if num.umax >= MAX_VAR_OFF:
        env.reject(EACCES, f"R{regno} unbounded memory access, make sure to bounds check any such access")
    check_span(
        env,
        regno,
        num.umax + off,
        size,
        mem_size,
        zero_ok,
        f"R{regno} max value is outside of the allowed memory range",
    )


def check_ptr_off_reg(env: Env, reg: RegState, regno: int, fixed_off_ok: bool = False) -> None:
    """The pointer was not moved (or by a constant only, if that is allowed)."""
    if reg.off < 0:
        env.reject(EACCES, f"negative offset {type_str(reg.type)} ptr R{regno} off={reg.off} disallowed")
    if not fixed_off_ok and reg.off:
        env.reject(EACCES, f"dereference of modified {type_str(reg.type)} ptr R{regno} off={reg.off} disallowed")
    var_off = reg.num.var_off
    if var_off.mask or var_off.value:
        env.reject(EACCES, f"variable {type_str(reg.type)} access var_off={var_off} disallowed")
