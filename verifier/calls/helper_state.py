# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the arguments of one helper call told so far (kernel struct bpf_call_arg_meta, 6.18)."""

from __future__ import annotations

from dataclasses import dataclass

from bpfvm.obj.model import MapSpec
from verifier.memory.special_fields import Field


@dataclass(slots=True)
class CallMeta:
    """What the arguments of one call, and what follows from them."""

    helper: int = 0
    map: MapSpec | None = None
    map_uid: int = 0
    raw_mode: bool = False
    packet: bool = False
    release_regno: int = 0
    ref_obj_id: int = 0
    mem_size: int = 0
    access_size: int = 0
    access_regno: int = 0
    msize_max: int = 0
    subprogno: int = 0
    const_key: int = -1
    """value of a constant map key, or -1"""
    kptr: Field | None = None
    """field that bpf_kptr_xchg() exchanges"""
    dynptr_id: int = 0
    """dynptr that the result is a slice of"""
    changes_packet: bool = False
    """packet pointers are void after this call"""
