# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A dynptr as an argument of a helper, a kfunc or a global function: kernel/bpf/verifier.c process_dynptr_func,
check_kfunc_args (KF_ARG_PTR_TO_DYNPTR), check_special_kfunc (bpf_dynptr_slice), check_helper_call (6.18)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bpfvm.isa.word import U32_MAX
from verifier.calls.dynptrs import (
    FLAG_OF_KIND,
    SKB,
    SKB_META,
    SLOTS,
    XDP,
    dynptr_spi,
    is_initialised,
    kind_of,
    make_dynptr,
    state_of,
)
from verifier.calls.helper_state import CallMeta
from verifier.calls.kfunc_state import KfuncCall
from verifier.env import Env
from verifier.memory.access import check_mem_access
from verifier.memory.packet import may_access_packet
from verifier.rejection import EACCES, EFAULT, EINVAL
from verifier.state.reg import Pointee, RegState, pointer
from verifier.state.reg_type import (
    CONST_PTR_TO_DYNPTR,
    MEM_RDONLY,
    MEM_UNINIT,
    PTR_TO_MAP_VALUE,
    PTR_TO_MEM,
    PTR_TO_STACK,
    type_str,
)
from verifier.state.stack_objects import BAD_PLACE, note_read
from verifier.text.reg_fmt import DYNPTR_NAMES

SLICE, SLICE_RDWR, CLONE = "bpf_dynptr_slice", "bpf_dynptr_slice_rdwr", "bpf_dynptr_clone"
SLICES: Final = frozenset((SLICE, SLICE_RDWR))
MADE_BY: Final = {"bpf_dynptr_from_skb": SKB, "bpf_dynptr_from_xdp": XDP, "bpf_dynptr_from_skb_meta": SKB_META}
"""kfunc → kind of the dynptr it makes."""


def check_dynptr_arg(env: Env, regno: int, flags: int, clone_ref: int = 0) -> None:
    """The register points to a dynptr, or (MEM_UNINIT) to where one will be made.

    flags: MEM_UNINIT; MEM_RDONLY: the dynptr itself stays as it is; DYNPTR_TYPE_*: its kind. clone_ref: the reference
    that a clone shares. Raises Rejection.
    """
    reg = env.frame.regs[regno]
    if reg.type != PTR_TO_STACK and reg.type != CONST_PTR_TO_DYNPTR:
        env.reject(EINVAL, f"arg#{regno - 1} expected pointer to stack or const struct bpf_dynptr")
    if flags & MEM_UNINIT and flags & MEM_RDONLY:
        whose = "verifier internal error" if env.profile.old_texts else "verifier bug"
        env.reject(EFAULT, f"{whose}: misconfigured dynptr helper type flags")
    if flags & MEM_UNINIT:
        if reg.type == CONST_PTR_TO_DYNPTR or dynptr_spi(env, reg) == BAD_PLACE:
            env.reject(EINVAL, "Dynptr has to be an uninitialized dynptr")
        check_mem_access(env, regno, 0, 8, True, -1)
        check_mem_access(env, regno, 8, 8, True, -1)
        make_dynptr(env, reg, kind_of(flags), clone_ref)
        return
    if reg.type == CONST_PTR_TO_DYNPTR and not flags & MEM_RDONLY:
        env.reject(EINVAL, "cannot pass pointer to const bpf_dynptr, the helper mutates it")
    if not is_initialised(env, reg):
        env.reject(EINVAL, f"Expected an initialized dynptr as arg #{regno - 1}")
    kind = kind_of(flags)
    if flags & ~MEM_RDONLY and state_of(env, reg).ptr.dynptr_type != kind:
        env.reject(EINVAL, f"Expected a dynptr of type {DYNPTR_NAMES[kind]} as arg #{regno - 1}")
    if reg.type == PTR_TO_STACK:
        note_read(env, env.state.frames[reg.frameno], dynptr_spi(env, reg), SLOTS)


# --- helpers ------------------------------------------------------------
def check_release(env: Env, reg: RegState, regno: int) -> None:
    """The dynptr holds a reference that can be given back."""
    if reg.type != PTR_TO_STACK:
        env.reject(EINVAL, "cannot release unowned const bpf_dynptr")
    spi = dynptr_spi(env, reg)
    if spi < 0 or not env.state.frames[reg.frameno].stack[spi].reg.ref_obj_id:
        env.reject(EINVAL, f"arg {regno} is an unacquired reference")


def _from_mem(env: Env, meta: CallMeta) -> None:
    del meta
    first = env.frame.regs[1]
    if first.type != PTR_TO_MAP_VALUE:
        env.reject(EACCES, f"Unsupported reg type {type_str(first.type)} for bpf_dynptr_from_mem data")


def _data(env: Env, meta: CallMeta) -> None:
    """The slice lives as long as the dynptr."""
    state = state_of(env, env.frame.regs[1])
    meta.dynptr_id, meta.ref_obj_id = state.id, state.ref_obj_id


def _write(env: Env, meta: CallMeta) -> None:
    """Writing to a packet may move it."""
    meta.changes_packet = state_of(env, env.frame.regs[1]).ptr.dynptr_type in (SKB, SKB_META)


HELPERS_WITH_DYNPTRS: Final[dict[str, Callable[[Env, CallMeta], None]]] = {
    "dynptr_from_mem": _from_mem,
    "dynptr_data": _data,
    "dynptr_write": _write,
}
"""What the call means beyond its arguments, by name without `bpf_`."""


# --- kfuncs ------------------------------------------------------------
def check_kfunc_dynptr(env: Env, call: KfuncCall, i: int, reg: RegState) -> None:
    """Argument `i` of a kfunc is a dynptr; `__uninit`: one that is made."""
    name = call.kfunc.name
    flags = MEM_RDONLY if reg.type == CONST_PTR_TO_DYNPTR else 0
    clone_ref = 0
    uninit = call.kfunc.proto.params[i].name.endswith("__uninit")
    if uninit:
        flags |= MEM_UNINIT
    if name in MADE_BY:
        flags |= FLAG_OF_KIND[MADE_BY[name]]
    elif name == CLONE and uninit:
        flags |= FLAG_OF_KIND[call.dynptr_kind]
        clone_ref = call.dynptr_ref
    check_dynptr_arg(env, i + 1, flags, clone_ref)
    if not uninit:
        state = state_of(env, reg)
        call.dynptr_id, call.dynptr_kind, call.dynptr_ref = state.id, state.ptr.dynptr_type, state.ref_obj_id


def slice_result(env: Env, call: KfuncCall) -> RegState:
    """What bpf_dynptr_slice() gives: memory that is valid as long as the dynptr and, for a packet, the packet."""
    if call.constant is None:
        env.reject(EFAULT, "verifier internal error: bpf_dynptr_slice(_rdwr) no constant size")
    type_ = PTR_TO_MEM | FLAG_OF_KIND[call.dynptr_kind]
    if call.kfunc.name == SLICE:
        type_ |= MEM_RDONLY
    elif not may_access_packet(env, write=True):
        env.reject(EINVAL, "the prog does not allow writes to packet data")
    return pointer(type_, ptr=Pointee(mem_size=call.constant & U32_MAX, dynptr_id=call.dynptr_id))
