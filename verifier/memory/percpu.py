# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Per-CPU variables and objects: bpf_per_cpu_ptr(), bpf_this_cpu_ptr(). kernel/bpf/verifier.c check_helper_call
(RET_PTR_TO_MEM_OR_BTF_ID, 6.18)."""

from __future__ import annotations

from bpfvm.btf import types as t
from bpfvm.errors import BadInput
from verifier.env import Env
from verifier.rejection import EFAULT, EINVAL
from verifier.state.reg import Pointee, RegState, pointer
from verifier.state.reg_type import MEM_ALLOC, MEM_RCU, MEM_RDONLY, PTR_TO_BTF_ID, PTR_TO_MEM


def percpu_result(env: Env, first: RegState, flags: int) -> RegState:
    """One CPU's copy of what r1 pointed at."""
    btf, type_id = first.ptr.btf, first.ptr.btf_id
    assert btf is not None
    found = btf.resolve(type_id)
    if first.type & MEM_RCU and not isinstance(found, t.Struct):
        env.reject(EFAULT, "Helper has invalid btf/btf_id in R1")
    if isinstance(found, t.Struct):
        kind = MEM_ALLOC | MEM_RCU if first.type & MEM_RCU else flags & ~MEM_RDONLY
        return pointer(PTR_TO_BTF_ID | kind, ptr=Pointee(btf=btf, btf_id=btf.skip_mods(type_id)))
    try:
        size = btf.size_of(type_id)
    except BadInput:
        env.reject(EINVAL, f"unable to resolve the size of type '{found.name}': -22")
    return pointer(PTR_TO_MEM | flags, ptr=Pointee(mem_size=size))
