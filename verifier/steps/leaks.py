# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Without CAP_PERFMON no kernel address may get out of a program: not into memory that others can read, not into a
helper or the result, not bit by bit through arithmetic or comparisons.

Source: kernel/bpf/verifier.c is_pointer_value and its callers, mark_reg_invalid (6.12, 6.18).
"""

from __future__ import annotations

from verifier.env import Env
from verifier.rejection import EACCES, EPERM
from verifier.state.reg import NOT_INITIALIZED, RegState, unknown
from verifier.state.reg_type import SCALAR_VALUE


def is_secret(env: Env, reg: RegState) -> bool:
    """The register's bits are none of the program's business (kernel is_pointer_value)."""
    return not env.allow_ptr_leaks and reg.type != SCALAR_VALUE


def check_no_leak(env: Env, regno: int, where: str) -> None:
    """The register's bits would become visible `where` ("into map"); nothing happens if `regno` is negative."""
    if not env.allow_ptr_leaks and regno >= 0 and env.frame.regs[regno].type != SCALAR_VALUE:
        env.reject(EACCES, f"R{regno} leaks addr {where}")


def check_no_part(env: Env, regno: int, what: str) -> None:
    """An operation that shows a part of the register's bits; `what` ("partial copy of pointer") is refused."""
    if not env.allow_ptr_leaks and env.frame.regs[regno].type != SCALAR_VALUE:
        env.reject(EACCES, f"R{regno} {what}")


def check_struct_access(env: Env, name: str) -> None:
    """The kernel's own objects may be looked into."""
    if not env.allow_ptr_leaks:
        env.reject(EPERM, f"'struct {name}' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN")


def invalid_reg(env: Env) -> RegState:
    """What is left of a pointer to something that is gone: a number, if one may see it."""
    return unknown() if env.allow_ptr_leaks else NOT_INITIALIZED
