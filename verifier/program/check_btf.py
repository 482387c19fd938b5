# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""func_info and line_info fit the program: kernel/bpf/verifier.c check_btf_func_early, check_btf_func, check_btf_line
(6.18)."""

from __future__ import annotations

from bpfvm.btf import types as t
from bpfvm.errors import BadInput
from verifier.env import Env
from verifier.rejection import EINVAL


def check_func_info_early(env: Env) -> None:
    """The records are in order and name functions."""
    btf = env.program.btf
    prev = -1
    for i, info in enumerate(env.program.func_info):
        if i == 0 and info.insn:
            env.reject(EINVAL, f"nonzero insn_off {info.insn} for the first func info record")
        if i and info.insn <= prev:
            env.reject(EINVAL, f"same or smaller insn offset ({info.insn}) than previous func info record ({prev})")
        prev = info.insn
        try:
            func = btf.type(info.type_id) if btf is not None else None
            proto = btf.type(func.type) if btf is not None and isinstance(func, t.Func) else None
        except BadInput:
            func = proto = None
        if not isinstance(func, t.Func):
            env.reject(EINVAL, f"invalid type id {info.type_id} in func info")
        if not isinstance(proto, t.FuncProto):
            env.reject(EINVAL, "")


def check_func_info(env: Env) -> None:
    """One record per function, at its start; names and linkage are taken from there."""
    infos, btf = env.program.func_info, env.program.btf
    if not infos:
        for sub in env.subprogs[1:]:
            if sub.has_ld_abs:
                env.reject(EINVAL, "LD_ABS is not allowed in subprogs without BTF")
            if sub.has_tail_call:
                env.reject(EINVAL, "tail_call is not allowed in subprogs without BTF")
        return
    assert btf is not None
    if len(infos) != len(env.subprogs):
        env.reject(EINVAL, "number of funcs in func_info doesn't match number of subprogs")
    for i, (info, sub) in enumerate(zip(infos, env.subprogs, strict=True)):
        if info.insn != sub.start:
            env.reject(EINVAL, "func_info BTF section doesn't match subprog layout in BPF program")
        func = btf.type(info.type_id)
        assert isinstance(func, t.Func)
        proto = btf.type(func.type)
        assert isinstance(proto, t.FuncProto)
        sub.name, sub.type_id, sub.is_global = func.name, info.type_id, func.linkage == 1
        scalar = isinstance(btf.resolve(proto.ret), (t.Int, t.Enum))
        if i and not scalar and sub.has_ld_abs:
            env.reject(EINVAL, "LD_ABS is only allowed in functions that return 'int'.")
        if i and not scalar and sub.has_tail_call:
            env.reject(EINVAL, "tail_call is only allowed in functions that return 'int'.")


def check_line_info(env: Env) -> None:
    """Lines are in order, start at instructions, and every function has one at its start."""
    lines = env.program.line_info
    if not lines:
        return
    count = len(env.insns)
    prev = 0
    for i, line in enumerate(lines):
        if (i and line.insn <= prev) or line.insn >= count:
            env.reject(EINVAL, f"Invalid line_info[{i}].insn_off:{line.insn} (prev_offset:{prev} prog->len:{count})")
        if not env.insns[line.insn].code:
            env.reject(EINVAL, f"Invalid insn code at line_info[{i}].insn_off")
        prev = line.insn
    starts = {line.insn for line in lines}
    for i, sub in enumerate(env.subprogs):
        if sub.start not in starts:
            env.reject(EINVAL, f"missing bpf_line_info for func#{i}")
