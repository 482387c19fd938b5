# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What may be in r0 when a program ends: kernel/bpf/verifier.c check_return_code (6.18)."""

from __future__ import annotations

from typing import Final

from bpfvm.btf import types as t
from verifier.env import Env
from verifier.memory.region import check_ptr_off_reg
from verifier.memory.stack import is_null
from verifier.program import lsm_hooks
from verifier.program.attach_types import (
    CGROUP_INET_EGRESS,
    INET4_BIND,
    INET6_BIND,
    KPROBE_SESSION,
    LSM_CGROUP,
    RECVMSG_OR_NAME,
    TRACE_FENTRY,
    TRACE_FEXIT,
    TRACE_ITER,
    UPROBE_SESSION,
)
from verifier.program.subprogs import refuse_range
from verifier.rejection import EINVAL, Rejection
from verifier.search.backtrack import mark_chain_precision
from verifier.state.reg_type import BASE_TYPE_MASK, PTR_TO_BTF_ID, SCALAR_VALUE, type_str
from verifier.steps.leaks import check_no_leak

RANGES: Final[dict[str, tuple[int, int]]] = {
    **dict.fromkeys(("cgroup_sock_addr", "cgroup_skb", "cgroup_sock", "sock_ops", "cgroup_device"), (0, 1)),
    **dict.fromkeys(("cgroup_sysctl", "cgroup_sockopt", "sk_lookup", "netfilter"), (0, 1)),
}
"""Program types with a range that (nearly) always holds."""
TRACING_RANGES: Final = {TRACE_FENTRY: (0, 0), TRACE_FEXIT: (0, 0), TRACE_ITER: (0, 1)}
VOID_NOTE: Final = "Note, BPF_LSM_CGROUP that attach to void LSM hooks can't modify return value!"


def check_return_code(env: Env, regno: int = 0) -> None:
    """r0 at the exit of the main program or of a global function, or r1 when it is thrown. Raises Rejection."""
    frame = env.state.frames[0]
    is_subprog = frame.subprogno != 0
    prog_type = env.program.prog_type
    proto = env.attach_proto
    void = proto is not None and proto.ret == 0
    lsm_hook = prog_type == "lsm" and env.attach_type != LSM_CGROUP
    handler = frame.in_exception_callback
    if (handler or not is_subprog) and void and (prog_type == "struct_ops" or lsm_hook):
        return
    reg = env.read(regno)
    check_no_leak(env, regno, "as return value")
    if frame.in_async_callback:
        _check_range(env, frame.callback_ret_range, regno, where="At async callback return")
        return
    if is_subprog and not handler:
        if reg.type != SCALAR_VALUE:
            env.reject(EINVAL, f"At subprogram exit the register R0 is not a scalar value ({type_str(reg.type)})")
        return
    if prog_type == "struct_ops":
        if proto is not None and isinstance(env.kernel_btf.resolve(proto.ret), t.Ptr):
            _returned_pointer(env, proto, regno)
        return
    limits = _limits(env, void)
    if limits is not None:
        _check_range(env, limits, regno, narrow=lsm_hook, note=VOID_NOTE if prog_type == "lsm" and void else "")


def _limits(env: Env, void: bool) -> tuple[int, int] | None:
    """Least and greatest value that may be returned; None: any."""
    prog_type, attach_type = env.program.prog_type, env.attach_type
    if prog_type == "cgroup_sock_addr":
        if attach_type in RECVMSG_OR_NAME:
            return 1, 1
        if attach_type in (INET4_BIND, INET6_BIND):
            return 0, 3
    elif prog_type == "cgroup_skb" and attach_type == CGROUP_INET_EGRESS:
        return 0, 3
    elif prog_type == "tracing":
        return TRACING_RANGES.get(attach_type)
    elif prog_type == "kprobe":
        return (0, 1) if attach_type in (KPROBE_SESSION, UPROBE_SESSION) else None
    elif prog_type == "lsm":
        if attach_type != LSM_CGROUP:
            return lsm_hooks.returned(env.attach_name)
        return (1, 1) if void else (0, 1)
    return RANGES.get(prog_type)


def _check_range(
    env: Env,
    limits: tuple[int, int],
    regno: int,
    *,
    narrow: bool = False,
    note: str = "",
    where: str = "At program exit",
) -> None:
    """narrow: only the lower 32 bits count; note: a line after a refusal."""
    reg = env.frame.regs[regno]
    if reg.type != SCALAR_VALUE:
        env.reject(EINVAL, f"{where} the register R{regno} is not a known value ({type_str(reg.type)})")
    mark_chain_precision(env, regno)
    num = env.frame.regs[regno].num
    low, high = (num.s32_min, num.s32_max) if narrow else (num.smin, num.smax)
    if limits[0] <= low and high <= limits[1]:
        return
    try:
        refuse_range(env, env.frame.regs[regno], *limits, where, f"R{regno}")
    except Rejection:
        if note:
            env.report(note)
        raise


def _returned_pointer(env: Env, proto: t.FuncProto, regno: int) -> None:
    """A member that returns a kernel pointer: a reference of that type, or 0."""
    reg = env.frame.regs[regno]
    if is_null(reg):
        mark_chain_precision(env, regno)
        return
    wanted = env.kernel_btf.resolve(proto.ret)
    assert isinstance(wanted, t.Ptr)
    target = env.kernel_btf.skip_mods(wanted.type)
    object_ = reg.type & BASE_TYPE_MASK == PTR_TO_BTF_ID and reg.ref_obj_id
    if object_ and reg.ptr.btf_id == target and reg.ptr.btf is env.kernel_btf:
        check_ptr_off_reg(env, reg, regno)
        return
    if reg.type != SCALAR_VALUE:
        env.reject(EINVAL, f"At program exit the register R{regno} is not a known value ({type_str(reg.type)})")
    mark_chain_precision(env, regno)
    refuse_range(env, env.frame.regs[regno], 0, 0, "At program exit", f"R{regno}")
