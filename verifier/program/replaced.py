# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs that replace a global function of another program (freplace).

Source: kernel/bpf/verifier.c bpf_check_attach_target, check_attach_btf_id; kernel/bpf/btf.c btf_check_func_type_match
(6.18). Such a program is verified as one of the target's type that starts with the function's arguments.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.obj.model import Program, TargetProgram
from verifier.env import Env
from verifier.program.attach_target import named_type
from verifier.program.attach_types import TRACE_FENTRY, TRACE_FEXIT
from verifier.rejection import EFAULT, EINVAL

GLOBAL: Final = 1
SIZED: Final = (t.Int, t.Struct, t.Enum, t.Float)


def as_target(program: Program, run: Env) -> TargetProgram:
    """What those that replace a function of this accepted program are told about it."""
    subs = list(enumerate(run.subprogs))
    return TargetProgram(
        program,
        unreliable=frozenset(i for i, sub in subs if sub.unreliable),
        changes_packet=frozenset(i for i, sub in subs if sub.changes_pkt_data),
        might_sleep=frozenset(i for i, sub in subs if sub.might_sleep),
        exception_callbacks=frozenset(i for i, sub in subs if sub.is_exception_cb),
        removed=frozenset(i for i, sub in subs if run.bpf_capable and not run.seen[sub.start]),
    )


def check_replaced(env: Env) -> None:
    """Hold the program against the function that it replaces; from here on it is of the target's type. Raises
    Rejection."""
    program, target = env.program, env.program.target
    btf_id = program.attach_btf_id
    if not btf_id:
        env.reject(EINVAL, "Tracing programs must provide btf_id")
    if target is not None and target.program.btf is None:
        env.reject(EINVAL, "FENTRY/FEXIT program can only be attached to another program annotated with BTF")
    btf = env.kernel_btf if target is None or target.program.btf is None else target.program.btf
    function = named_type(env, btf)
    if target is None:
        env.reject(EINVAL, "Cannot replace kernel functions")
    _check_target(env, target, function.name)
    if not isinstance(function, t.Func):
        env.reject(EINVAL, f"attach_btf_id {btf_id} is not a function")
    _match(env, btf, function)
    theirs = target.program
    env.program = replace(
        program, prog_type=theirs.prog_type, expected_attach_type=theirs.expected_attach_type, attach_btf_id=0
    )
    env.denied_helpers = env.profile.denied_helpers(env.caps, theirs.prog_type)
    env.replaces = True


def _check_target(env: Env, target: TargetProgram, name: str) -> None:
    ids = [0 if i in target.removed else info.type_id for i, info in enumerate(target.program.func_info)]
    if env.program.attach_btf_id not in ids:
        env.reject(EINVAL, f"Subprog {name} doesn't exist")
    index = ids.index(env.program.attach_btf_id)
    if index in target.exception_callbacks:
        env.reject(EINVAL, "Extension programs cannot attach to exception callback")
    if index in target.unreliable:
        env.reject(EINVAL, "Cannot replace static functions")
    main = env.subprogs[0]
    if main.changes_pkt_data and index not in target.changes_packet:
        env.reject(EINVAL, "Extension program changes packet data, while original does not")
    if env.profile.sleep_follows_calls and main.might_sleep and index not in target.might_sleep:
        env.reject(EINVAL, "Extension program may sleep, while original does not")
    if target.program.prog_type == "ext":
        env.reject(EINVAL, "Cannot recursively attach")
    attach_type = target.program.expected_attach_type
    if target.program.prog_type == "tracing" and attach_type in (TRACE_FENTRY, TRACE_FEXIT):
        env.reject(EINVAL, "Cannot extend fentry/fexit")


def _match(env: Env, theirs: Btf, their_func: t.Func) -> None:
    """The prototypes say the same."""
    ours = env.program.btf
    if ours is None or not env.program.func_info:
        env.reject(EINVAL, "Program extension requires BTF")
    our_func = ours.type(env.program.func_info[0].type_id)
    if not isinstance(our_func, t.Func):
        env.reject(EFAULT, "")
    for func in (our_func, their_func):
        if func.linkage != GLOBAL:
            env.reject(EINVAL, f"{func.name}() is not a global function")
    mine, other = ours.type(our_func.type), theirs.type(their_func.type)
    if not isinstance(mine, t.FuncProto) or not isinstance(other, t.FuncProto):
        env.reject(EINVAL, "")
    here, there = our_func.name, their_func.name
    if len(mine.params) != len(other.params):
        text = f"{here}() has {len(mine.params)} args while {there}() has {len(other.params)} args"
        env.reject(EINVAL, text)
    a, b = ours.resolve(mine.ret), theirs.resolve(other.ret)
    if _info(a) != _info(b):
        env.reject(EINVAL, f"Return type {_kind(a)} of {here}() doesn't match type {_kind(b)} of {there}()")
    for i, (our_param, their_param) in enumerate(zip(mine.params, other.params, strict=True)):
        a, b = ours.resolve(our_param.type), theirs.resolve(their_param.type)
        if _info(a) != _info(b):
            env.reject(EINVAL, f"arg{i} in {here}() is {_kind(a)} while {there}() has {_kind(b)}")
        if isinstance(a, SIZED) and isinstance(b, SIZED) and a.size != b.size:
            env.reject(EINVAL, f"arg{i} in {here}() has size {a.size} while {there}() has {b.size}")
        if isinstance(a, (t.Int, t.Enum)):
            continue
        if not isinstance(a, t.Ptr) or not isinstance(b, t.Ptr):
            env.reject(EINVAL, f"arg{i} in {here}() has unrecognized type")
        _match_structs(env, i, (here, ours.resolve(a.type)), (there, theirs.resolve(b.type)))


def _match_structs(env: Env, i: int, ours: tuple[str, t.BtfType], theirs: tuple[str, t.BtfType]) -> None:
    """Pointers lead to structs of one name."""
    for name, pointed in (ours, theirs):
        if not isinstance(pointed, t.Struct):
            env.reject(EINVAL, f"arg{i} in {name}() is not a pointer to context")
    (here, a), (there, b) = ours, theirs
    if a.name != b.name:
        env.reject(EINVAL, f"arg{i} {here}(struct {a.name} *) doesn't match {there}(struct {b.name} *)")


def _kind(type_: t.BtfType) -> str:
    return "UNKNOWN" if isinstance(type_, t.Void) else type_.kind_name


def _info(type_: t.BtfType) -> tuple[int, int, bool]:
    """(kind, vlen, kind flag): the word `info` of a type."""
    if isinstance(type_, t.Struct):
        return type_.kind, len(type_.members), type_.kind_flag
    if isinstance(type_, t.Enum):
        return type_.kind, len(type_.values), type_.signed
    return type_.kind, 0, isinstance(type_, t.Fwd) and type_.is_union
