# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""kfuncs whose result has a type of its own: bpf_cast_to_kern_ctx(), bpf_rdonly_cast(), bpf_session_cookie().

Source: kernel/bpf/verifier.c check_kfunc_call, check_special_kfunc (6.18).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bpfvm.btf import types as t
from bpfvm.errors import BadInput
from verifier.calls.kfuncs import KfuncMeta
from verifier.env import Env
from verifier.rejection import EINVAL
from verifier.state.reg import Pointee, RegState, pointer
from verifier.state.reg_type import MEM_RDONLY, PTR_TO_BTF_ID, PTR_TO_MEM, PTR_TRUSTED, PTR_UNTRUSTED


def kern_ctx_id(env: Env, name: str) -> int:
    """Id of the kernel's own type behind the context of the program's type, as the kernel's BTF lists them.

    Source: kernel/bpf/btf.c get_kern_ctx_btf_id (6.18). Raises Rejection if that is no struct."""
    btf, wanted = env.kernel_btf, f"BPF_PROG_TYPE_{env.program.prog_type.upper()}_kern"
    listed = btf.type(btf.find("bpf_ctx_convert", t.Struct))
    members = listed.members if isinstance(listed, t.Struct) else ()
    type_id = next((member.type for member in members if member.name == wanted), 0)
    if not type_id:
        env.unsupported(f"{name}() without {wanted} in struct bpf_ctx_convert of the kernel's types")
    if not isinstance(btf.type(type_id), t.Struct):
        env.reject(EINVAL, f"kern ctx type id {type_id} is not a struct")
    return type_id


def _kern_ctx(env: Env, meta: KfuncMeta) -> RegState:
    """The kernel's own object behind the context."""
    type_id = kern_ctx_id(env, meta.name)
    return pointer(PTR_TO_BTF_ID | PTR_TRUSTED, ptr=Pointee(btf=env.kernel_btf, btf_id=type_id))


def _rdonly_cast(env: Env, meta: KfuncMeta) -> RegState:
    """Whatever was given, seen as a struct (or, since 6.17, as bytes) that can be read with faults caught."""
    try:
        target = env.kernel_btf.type(meta.cast_to)
    except BadInput:
        if env.profile.untrusted_mem:
            env.reject(EINVAL, f"Unknown type ID {meta.cast_to} passed to kfunc bpf_rdonly_cast")
        target = t.Fwd("", False)
    if isinstance(target, t.Struct):
        return pointer(PTR_TO_BTF_ID | PTR_UNTRUSTED, ptr=Pointee(btf=env.kernel_btf, btf_id=meta.cast_to))
    if isinstance(target, t.Void) and env.profile.untrusted_mem:
        return pointer(PTR_TO_MEM | MEM_RDONLY | PTR_UNTRUSTED)
    or_void = " or void" if env.profile.untrusted_mem else ""
    env.reject(EINVAL, f"kfunc bpf_rdonly_cast type ID argument must be of a struct{or_void}")


def _session_cookie(env: Env, meta: KfuncMeta) -> RegState:
    """Eight bytes that both ends of a session share."""
    del env, meta
    return pointer(PTR_TO_MEM, ptr=Pointee(mem_size=8))


KERN_CTX: Final = "bpf_cast_to_kern_ctx"
CAST_RESULTS: Final[dict[str, Callable[[Env, KfuncMeta], RegState]]] = {
    KERN_CTX: _kern_ctx,
    "bpf_rdonly_cast": _rdonly_cast,
    "bpf_session_cookie": _session_cookie,
}
