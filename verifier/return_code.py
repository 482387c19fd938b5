# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What may be in r0 when a program ends: kernel/bpf/verifier.c check_return_code (6.18)."""

from __future__ import annotations

from bpfvm.btf import types as t
from verifier.backtrack import mark_chain_precision
from verifier.env import Env
from verifier.reg_type import BASE_TYPE_MASK, PTR_TO_BTF_ID, SCALAR_VALUE, type_str
from verifier.region import check_ptr_off_reg
from verifier.rejection import EINVAL
from verifier.stack import is_null
from verifier.subprogs import refuse_range


def check_return_code(env: Env) -> None:
    """r0 at the exit of the main program or of a global function. Raises Rejection."""
    frame = env.state.frames[0]
    is_subprog = frame.subprogno != 0
    struct_ops = env.program.prog_type == "struct_ops"
    proto = env.attach_proto
    if not is_subprog and struct_ops and proto is not None and proto.ret == 0:
        return
    reg = env.read(0)
    if is_subprog:
        if reg.type != SCALAR_VALUE:
            env.reject(EINVAL, f"At subprogram exit the register R0 is not a scalar value ({type_str(reg.type)})")
        return
    if struct_ops and proto is not None and isinstance(env.kernel_btf.resolve(proto.ret), t.Ptr):
        _returned_pointer(env, proto)


def _returned_pointer(env: Env, proto: t.FuncProto) -> None:
    """A member that returns a kernel pointer: a reference of that type, or 0."""
    reg = env.frame.regs[0]
    if is_null(reg):
        mark_chain_precision(env, 0)
        return
    wanted = env.kernel_btf.resolve(proto.ret)
    assert isinstance(wanted, t.Ptr)
    target = env.kernel_btf.skip_mods(wanted.type)
    object_ = reg.type & BASE_TYPE_MASK == PTR_TO_BTF_ID and reg.ref_obj_id
    if object_ and reg.ptr.btf_id == target and reg.ptr.btf is env.kernel_btf:
        check_ptr_off_reg(env, reg, 0)
        return
    if reg.type != SCALAR_VALUE:
        env.reject(EINVAL, f"At program exit the register R0 is not a known value ({type_str(reg.type)})")
    mark_chain_precision(env, 0)
    refuse_range(env, env.frame.regs[0], 0, 0, "At program exit", "R0")
