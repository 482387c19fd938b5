# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Calls that make or destroy an object on the stack (a dynptr, an iterator, an interrupt flag): they write stack slots
as stores do."""

from __future__ import annotations

from bpfvm.btf import types as t
from bpfvm.isa.insn import Insn
from verifier.env import Env
from verifier.program.cfg import is_call

DYNPTR = "bpf_dynptr"


def _takes_object(env: Env, param: t.Param) -> bool:
    if param.name.endswith("__irq_flag"):
        return True
    kind = env.kernel_btf.resolve(param.type)
    return isinstance(kind, t.Ptr) and env.kernel_btf.name_of(env.kernel_btf.skip_mods(kind.type)) == DYNPTR


def makes_object(env: Env, insn: Insn) -> bool:
    """The instruction is such a call."""
    if is_call(insn, 0):
        proto = env.helper_proto(insn.imm)
        return proto is not None and any(arg.name == "PTR_TO_DYNPTR" for arg in proto.args)
    if is_call(insn, 2):
        meta = env.kfuncs.get(insn.imm)
        return meta is not None and (meta.is_iter or any(_takes_object(env, param) for param in meta.proto.params))
    return False
