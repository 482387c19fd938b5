# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a tracing or LSM program is attached to: kernel/bpf/verifier.c bpf_check_attach_target; kernel/bpf/bpf_lsm.c
bpf_lsm_verify_prog (6.18)."""

from __future__ import annotations

from typing import Final

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.errors import BadInput
from verifier.calls.helper_sets import SOCKOPT_HELPERS
from verifier.env import Env
from verifier.program import lsm_hooks
from verifier.program.attach_types import (
    LSM_CGROUP,
    LSM_MAC,
    MODIFY_RETURN,
    TRACE_FENTRY,
    TRACE_FEXIT,
    TRACE_ITER,
    TRACE_RAW_TP,
)
from verifier.program.tracing_args import ITER_TARGETS, maybe_error, maybe_null
from verifier.rejection import EINVAL

TP_PREFIX: Final = "btf_trace_"
TRAMPOLINES: Final = (TRACE_FENTRY, TRACE_FEXIT, MODIFY_RETURN, LSM_MAC, LSM_CGROUP)
MODIFIABLE: Final = frozenset(
    (
        *("bpf_modify_return_test", "bpf_modify_return_test2", "bpf_modify_return_test_tp", "bpf_fentry_test1"),
        "update_socket_protocol",
    )
)
"""Functions that say of themselves that fmod_ret programs may be attached (their BTF_KFUNC_HOOK_FMODRET set)."""
MODIFIABLE_SLEEPABLE: Final = frozenset(("bpf_fentry_test1",))
INJECTABLE: Final = frozenset(("should_failslab", "should_fail_alloc_page"))
SYSCALL_PREFIXES: Final = ("__x64_sys_", "__ia32_sys_", "__arm64_sys_", "__se_sys_", "__s390x_sys_", "__riscv_sys_")
"""Functions that errors may be injected into, where the kernel is built for that (ALLOW_ERROR_INJECTION)."""


def named_type(env: Env, btf: Btf) -> t.BtfType:
    """What the program's attach_btf_id stands for in `btf`. Raises Rejection."""
    btf_id = env.program.attach_btf_id
    try:
        found = btf.type(btf_id)
    except BadInput:
        env.reject(EINVAL, f"attach_btf_id {btf_id} is invalid")
    if not found.name:
        env.reject(EINVAL, f"attach_btf_id {btf_id} doesn't have a name")
    return found


def check_attach_target(env: Env) -> None:
    """Note the prototype of the target in `env`. Raises Rejection."""
    program, btf = env.program, env.kernel_btf
    btf_id = program.attach_btf_id
    if not btf_id:
        env.reject(EINVAL, "Tracing programs must provide btf_id")
    target = named_type(env, btf)
    attach_type = env.attach_type
    if attach_type == TRACE_RAW_TP and program.prog_type == "tracing":
        _raw_tracepoint(env, target)
        return
    if attach_type != TRACE_ITER and attach_type not in TRAMPOLINES:
        env.reject(EINVAL, "")
    if not isinstance(target, t.Func):
        env.reject(EINVAL, f"attach_btf_id {btf_id} is not a function")
    proto = btf.type(target.type)
    if not isinstance(proto, t.FuncProto):
        env.reject(EINVAL, "")
    env.attach_proto, env.attach_name = proto, target.name
    if attach_type == TRACE_ITER:
        _iterator(env)
    elif program.prog_type == "lsm":
        _lsm(env, btf_id)
    else:
        env.attach_trusted = False
        _function(env)


def _raw_tracepoint(env: Env, target: t.BtfType) -> None:
    btf, btf_id = env.kernel_btf, env.program.attach_btf_id
    if not isinstance(target, t.Typedef):
        env.reject(EINVAL, f"attach_btf_id {btf_id} is not a typedef")
    if not target.name.startswith(TP_PREFIX):
        env.reject(EINVAL, f"attach_btf_id {btf_id} points to wrong type name {target.name}")
    name = target.name.removeprefix(TP_PREFIX)
    template = btf.type(btf.find(f"__bpf_trace_{name}", t.Func))
    pointer = btf.type(target.type)
    function = btf.type(
        template.type if isinstance(template, t.Func) else pointer.type if isinstance(pointer, t.Ptr) else 0
    )
    if not isinstance(function, t.FuncProto):
        env.reject(EINVAL, "")
    env.attach_proto, env.attach_name = function, name
    env.skip_params = 1
    old = env.profile.old_tracepoint_args
    env.null_args, env.err_args = maybe_null(name, old=old), maybe_error(name, old=old)


def _iterator(env: Env) -> None:
    target = ITER_TARGETS.get(env.attach_name.removeprefix("bpf_iter_"))
    if target is None:
        env.unsupported(f"iterator target {env.attach_name}")
    env.arg_info = dict(target)
    if env.attach_name in ("bpf_iter_tcp", "bpf_iter_unix"):
        env.extra_helpers |= SOCKOPT_HELPERS


def _lsm(env: Env, btf_id: int) -> None:
    name = env.attach_name
    if not env.gpl:
        env.reject(EINVAL, "LSM programs must have a GPL compatible license")
    short = name.removeprefix("bpf_lsm_")
    if short in lsm_hooks.DISABLED:
        env.reject(EINVAL, f"attach_btf_id {btf_id} points to disabled hook {name}")
    if short == name:
        env.reject(EINVAL, f"attach_btf_id {btf_id} points to wrong type name {name}")
    if env.program.sleepable and short not in lsm_hooks.SLEEPABLE:
        env.reject(EINVAL, f"{name} is not sleepable")
    env.attach_trusted = short not in lsm_hooks.UNTRUSTED
    if env.attach_type == LSM_CGROUP and short in lsm_hooks.SOCKOPT:
        env.extra_helpers |= SOCKOPT_HELPERS


def _function(env: Env) -> None:
    """fentry, fexit, fmod_ret. Which functions allow errors to be injected is not in the BTF."""
    name = env.attach_name
    inject = env.profile.error_injection
    known = inject and (name in INJECTABLE or name in env.profile.injectable or name.startswith(SYSCALL_PREFIXES))
    if env.program.sleepable:
        if not known and name not in MODIFIABLE_SLEEPABLE:
            if inject:
                env.unsupported(f"a sleepable program on {name}(), which may not be in the error injection list,")
            env.reject(EINVAL, f"{name} is not sleepable")
    elif env.attach_type == MODIFY_RETURN and not known and name not in MODIFIABLE:
        if name.startswith("security_"):
            return
        if inject:
            env.unsupported(f"fmod_ret on {name}(), which may not be in the error injection list,")
        env.reject(EINVAL, f"{name}() is not modifiable")
