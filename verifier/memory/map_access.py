# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Access to map values: kernel/bpf/verifier.c check_map_access, check_map_access_type, bpf_map_direct_read (6.18)."""

from __future__ import annotations

from typing import Final

from bpfvm.isa.map_types import BPF_F_RDONLY_PROG, BPF_F_WRONLY_PROG
from bpfvm.obj.model import MapSpec
from verifier.calls.kptr import check_kptr_touch
from verifier.env import Env
from verifier.memory.map_fields import special_fields
from verifier.memory.region import check_mem_region_access
from verifier.memory.special_fields import POINTERS
from verifier.rejection import EACCES, EINVAL
from verifier.state.reg import RegState, const, unknown

DIRECT_VALUE_TYPES: Final = frozenset(("array",))
"""Map types whose one value a program may address directly (map_direct_value_addr)."""


def check_map_access_type(env: Env, regno: int, off: int, size: int, write: bool) -> None:
    """The map may be read, or written, by programs."""
    map_ = env.frame.regs[regno].ptr.map
    assert map_ is not None
    if write and map_.map_flags & BPF_F_RDONLY_PROG:
        env.reject(EACCES, f"write into map forbidden, value_size={map_.value_size} off={off} size={size}")
    if not write and map_.map_flags & BPF_F_WRONLY_PROG:
        env.reject(EACCES, f"read from map forbidden, value_size={map_.value_size} off={off} size={size}")


def check_map_access(env: Env, regno: int, off: int, size: int, zero_ok: bool = False, helper: bool = False) -> None:
    """The access lies inside the value and touches none of its special fields (locks, timers, kernel pointers)."""
    reg = env.frame.regs[regno]
    map_ = reg.ptr.map
    assert map_ is not None
    check_mem_region_access(env, regno, off, size, map_.value_size, zero_ok)
    if map_.btf is None or not map_.value_type_id:
        return
    for field in special_fields(map_):
        if reg.num.smin + off < field.offset + field.size and field.offset < reg.num.umax + off + size:
            if field.kind in POINTERS:
                check_kptr_touch(env, reg, field, off, size, helper)
                continue
            env.reject(EACCES, f"{field.kind} cannot be accessed directly by load/store")


def is_constant_map(map_: MapSpec) -> bool:
    """Its contents can't change any more: read-only for programs, frozen for user space (kernel bpf_map_is_rdonly)."""
    return bool(map_.frozen and map_.map_flags & BPF_F_RDONLY_PROG and map_.map_type in DIRECT_VALUE_TYPES)


def load_map_value(env: Env, reg: RegState, off: int, size: int, sign: bool) -> RegState:
    """What a load from a map value yields: a constant if the map is one, else an unknown number."""
    map_ = reg.ptr.map
    assert map_ is not None
    if reg.num.var_off.mask or not is_constant_map(map_) or map_.initial is None:
        return unknown()
    if map_.max_entries != 1:
        env.reject(EINVAL, "")
    at = off + reg.num.var_off.value
    data = map_.initial[at : at + size].ljust(size, b"\0")
    return const(int.from_bytes(data, "little", signed=sign))
