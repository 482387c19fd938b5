# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The verifier log's text of one register: kernel/bpf/log.c print_reg_state and print_scalar_ranges (6.18)."""

from __future__ import annotations

from typing import Final

from bpfvm.isa.word import S32_MAX, S32_MIN, S64_MAX, S64_MIN, U32_MAX, U64_MAX, s64
from verifier.numbers.cnum import Bounds
from verifier.state.reg import ADD_CONST, RegState
from verifier.state.reg_type import (
    BASE_TYPE_MASK,
    CONST_PTR_TO_DYNPTR,
    PTR_TO_ARENA,
    PTR_TO_BTF_ID,
    PTR_TO_MEM,
    PTR_TO_STACK,
    SCALAR_VALUE,
    is_map_pointer,
    is_non_owning_ref,
    is_pkt_pointer,
    type_str,
)

UNSIGNED_DECIMAL_MAX: Final = 0xFFFF
SIGNED_DECIMAL_MAX: Final = 0x7FFF
SIGNED_DECIMAL_MIN: Final = -0x8000
DYNPTR_NAMES: Final = ("<invalid>", "local", "ringbuf", "skb", "xdp", "skb_meta")
"""Text of `Pointee.dynptr_type` (kernel dynptr_type_str)."""


def fmt_unsigned(word: int) -> str:
    """A u64: decimal up to 16 bits, else hex."""
    return str(word) if word <= UNSIGNED_DECIMAL_MAX else hex(word)


def fmt_signed(value: int) -> str:
    """An s64: decimal if it fits 16 bits, else the hex of its 64-bit word."""
    return str(value) if SIGNED_DECIMAL_MIN <= value <= SIGNED_DECIMAL_MAX else hex(value & U64_MAX)


def _signed32(value: int) -> int:
    """An s32 as it takes part in merging equal bounds: numbers that print in hex are not sign-extended."""
    return value if SIGNED_DECIMAL_MIN <= value <= SIGNED_DECIMAL_MAX else value & U32_MAX


def ranges(b: Bounds) -> list[str]:
    """The bounds that are not trivial, equal neighbours merged: `smin=umin=1`, `smax=umax=smax32=umax32=255`."""
    rows: list[tuple[str, int]] = [
        ("smin", b.smin),
        ("smax", b.smax),
        ("umin", b.umin),
        ("umax", b.umax),
        ("smin32", _signed32(b.s32_min)),
        ("smax32", _signed32(b.s32_max)),
        ("umin32", b.u32_min),
        ("umax32", b.u32_max),
    ]
    trivial = (
        *(b.smin == S64_MIN, b.smax == S64_MAX, b.umin == 0, b.umax == U64_MAX),
        *(b.s32_min == S32_MIN, b.s32_max == S32_MAX, b.u32_min == 0, b.u32_max == U32_MAX),
    )
    done = [*trivial]
    out = []
    for i, (name, value) in enumerate(rows):
        if done[i]:
            continue
        names = [name]
        for j in range(i + 2, 8, 2):
            if not done[j] and rows[j][1] == value:
                done[j] = True
                names.append(rows[j][0])
        out.append("=".join(names) + "=" + (fmt_signed(value) if name[0] == "s" else fmt_unsigned(value)))
    return out


def _attributes(reg: RegState) -> list[str]:
    """What stands between the parentheses, up to the numbers."""
    type_, ptr = reg.type, reg.ptr
    base = type_ & BASE_TYPE_MASK
    out = []
    if reg.id:
        delta = f"{reg.off:+d}" if reg.id & ADD_CONST else ""
        out.append(f"id={reg.id & ~ADD_CONST}{delta}")
    if reg.ref_obj_id:
        out.append(f"ref_obj_id={reg.ref_obj_id}")
    if is_non_owning_ref(type_):
        out.append("non_own_ref")
    if is_map_pointer(type_) and ptr.map is not None:
        if ptr.map.name:
            out.append(f"map={ptr.map.name}")
        out.append(f"ks={ptr.map.key_size},vs={ptr.map.value_size}")
    if type_ != SCALAR_VALUE and reg.off:
        out.append(f"off={fmt_signed(reg.off)}")
    if is_pkt_pointer(type_):
        out.append(f"r={fmt_unsigned(ptr.range & U64_MAX)}")
    if base == PTR_TO_MEM:
        out.append(f"sz={fmt_unsigned(ptr.mem_size)}")
    if type_ == CONST_PTR_TO_DYNPTR:
        out.append(f"type={DYNPTR_NAMES[ptr.dynptr_type]}")
    return out


def fmt_reg(reg: RegState, frameno: int, *, precise: bool = False) -> str:
    """The register's text in a state of frame `frameno`; precise: all numbers are, whatever the register says."""
    type_, num = reg.type, reg.num
    known = not num.var_off.mask
    mark = "P" if type_ == SCALAR_VALUE and (precise or reg.precise) else ""
    if type_ == SCALAR_VALUE and known:
        return mark + fmt_signed(s64(num.var_off.value))
    text = mark + type_str(type_)
    if type_ == PTR_TO_ARENA:
        return text
    if type_ == PTR_TO_STACK:
        if reg.frameno != frameno:
            text += f"[{reg.frameno}]"
        if known:
            return text + fmt_signed(s64(num.var_off.value + reg.off))
    if type_ & BASE_TYPE_MASK == PTR_TO_BTF_ID and reg.ptr.btf is not None:
        text += reg.ptr.btf.name_of(reg.ptr.btf_id)
    inside = _attributes(reg)
    if not known:
        inside += ranges(num)
        if not num.var_off.is_unknown():
            inside.append(f"var_off={num.var_off}")
    elif num.var_off.value:
        inside.append(f"imm={fmt_signed(s64(num.var_off.value))}")
    return f"{text}({','.join(inside)})"
