# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Exceptions: bpf_throw() and the function a program names to handle them.

Source: kernel/bpf/verifier.c bpf_find_exception_callback_insn_off, check_kfunc_call, do_check_common (6.18).
"""

from __future__ import annotations

from typing import Final

from bpfvm.btf import types as t
from bpfvm.errors import BadInput
from verifier.env import Env
from verifier.program.func_args import ArgInfo
from verifier.rejection import EEXIST, EINVAL, ENOENT
from verifier.state.references import check_leak
from verifier.steps.return_code import check_return_code

THROW: Final = "bpf_throw"
TAG: Final = "exception_callback:"


def find_exception_callback(env: Env) -> int:
    """Slot at which the function named by the main program's `exception_callback:` tag starts; 0 without one."""
    infos, btf = env.program.func_info, env.program.btf
    if not infos or btf is None:
        return 0
    names = [name for at, name in btf.tags(infos[0].type_id) if at < 0 and name.startswith(TAG)]
    if not names:
        return 0
    if len(names) > 1:
        env.reject(EEXIST, "multiple exception callback tags for main subprog")
    name = names[0].removeprefix(TAG)
    func_id = btf.find(name, t.Func)
    try:
        func = btf.type(func_id) if func_id else None
    except BadInput:
        func = None
    if not isinstance(func, t.Func):
        env.reject(ENOENT, f"exception callback '{name}' could not be found in BTF")
    if func.linkage != 1:
        env.reject(EINVAL, f"exception callback '{name}' must have global linkage")
    starts = [info.insn for info in infos if info.type_id == func_id]
    if not starts:
        env.reject(EINVAL, "exception callback type id not found in func_info")
    if not starts[-1]:
        env.reject(EINVAL, "invalid exception callback insn_off in func_info: 0")
    return starts[-1]


def check_exception_args(env: Env, args: tuple[ArgInfo, ...]) -> None:
    """The handler takes one number."""
    if len(args) != 1 or args[0].kind != "scalar":
        env.reject(EINVAL, "exception cb only supports single integer argument")


def check_throw(env: Env) -> None:
    """Before the call: without a handler, what is thrown is what the program returns."""
    if not env.exception_callback:
        check_return_code(env, 1)


def check_thrown(env: Env) -> None:
    """After it: the program ends here, whatever functions are active."""
    check_leak(env, exception=True, check_lock=True, prefix="bpf_throw")
