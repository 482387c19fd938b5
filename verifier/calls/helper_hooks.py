# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers that only some hooks may use: the `allowed` callbacks of their prototypes.

Source: kernel/trace/bpf_trace.c bpf_d_path_allowed, net/core/bpf_sk_storage.c bpf_sk_storage_tracing_allowed,
kernel/bpf/bpf_lsm.c bpf_ima_inode_hash_allowed, kernel/bpf/verifier.c check_helper_call (6.18).
"""

from __future__ import annotations

from typing import Final

from bpfvm.btf import types as t
from verifier.env import Env
from verifier.program.attach_types import LSM_CGROUP, MULTI_PROBES, TRACE_FENTRY, TRACE_FEXIT, TRACE_ITER, TRACE_RAW_TP
from verifier.program.lsm_hooks import SLEEPABLE
from verifier.rejection import EINVAL

_D_PATH_FUNCTIONS_TEXT: Final = """
security_file_permission security_inode_getattr security_file_open security_path_truncate vfs_truncate vfs_fallocate
dentry_open vfs_getattr filp_close
"""
D_PATH_FUNCTIONS: Final = frozenset(_D_PATH_FUNCTIONS_TEXT.split())


def hook_allows(env: Env, helper: str) -> bool:
    """The helper may be called from where the program is attached."""
    prog_type, attach_type = env.program.prog_type, env.attach_type
    hook = env.attach_name.removeprefix("bpf_lsm_")
    if helper == "d_path":
        if prog_type == "tracing" and attach_type == TRACE_ITER:
            return True
        return hook in SLEEPABLE if prog_type == "lsm" else env.attach_name in D_PATH_FUNCTIONS
    if helper in ("ima_inode_hash", "ima_file_hash"):
        return hook in SLEEPABLE
    if helper in ("sk_storage_get", "sk_storage_delete") and prog_type in ("tracing", "syscall"):
        if attach_type in (TRACE_ITER, TRACE_RAW_TP):
            return True
        return attach_type in (TRACE_FENTRY, TRACE_FEXIT) and not env.attach_name.startswith("bpf_sk_storage")
    return True


def open_to_all(env: Env, helper: str) -> bool:
    """The helper, GPL-only elsewhere, isn't here: bpf_get_func_ip() of programs that are attached to many functions."""
    return helper == "get_func_ip" and env.program.prog_type == "kprobe" and env.attach_type in MULTI_PROBES


def check_set_retval(env: Env) -> None:
    """bpf_set_retval() of a hook that returns nothing."""
    proto = env.attach_proto
    if env.program.prog_type != "lsm" or env.attach_type != LSM_CGROUP or proto is None:
        return
    if isinstance(env.kernel_btf.resolve(proto.ret), t.Void):
        env.reject(EINVAL, "BPF_LSM_CGROUP that attach to void LSM hooks can't modify return value!")
