# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Arguments of functions by their BTF and `arg:` tags; what is passed to a global function, and what it starts with.

Source: kernel/bpf/btf.c btf_prepare_func_args, btf_get_ptr_to_btf_id; kernel/bpf/verifier.c btf_check_func_arg_match,
do_check_common (6.18).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from bpfvm.btf import types as t
from bpfvm.btf.flavour import essential_name
from bpfvm.errors import BadInput
from verifier.calls.arg_kinds import Kind
from verifier.calls.dynptr_args import check_dynptr_arg
from verifier.calls.dynptrs import LOCAL, dynptr_reg
from verifier.calls.helper_args import check_arg_off, check_helper_mem_access, check_reg_type
from verifier.calls.helper_state import CallMeta
from verifier.env import Env, Subprog
from verifier.memory.ctx_structs import is_ctx_pointer, tagged_ctx_error
from verifier.memory.stack import is_null
from verifier.rejection import EFAULT, EINVAL, ENOENT, EOPNOTSUPP, ESRCH, Rejection
from verifier.state.reg import Pointee, RegState, pointer, unknown
from verifier.state.reg_type import (
    MEM_RDONLY,
    PTR_MAYBE_NULL,
    PTR_TO_ARENA,
    PTR_TO_BTF_ID,
    PTR_TO_CTX,
    PTR_TO_MEM,
    PTR_TRUSTED,
    PTR_UNTRUSTED,
    SCALAR_VALUE,
)

MAX_ARGS: Final = 5
TAGS: Final = frozenset(("ctx", "trusted", "untrusted", "nonnull", "nullable", "arena"))
BAD_MIX: Final = "arg#{} has invalid combination of tags"


class ArgInfo(NamedTuple):
    """An argument of a function: kind "scalar" | "ctx" | "mem" | "object" | "dynptr" | "arena"; bytes of mem; flags of
    the register type (PTR_MAYBE_NULL, PTR_TRUSTED, PTR_UNTRUSTED); kernel type of an object."""

    kind: str
    size: int = 0
    flags: int = 0
    btf_id: int = 0


def _reject_args(env: Env, sub: Subprog, errno: int, message: str) -> None:
    """The arguments can't be understood: fatal for a global function only."""
    if sub.is_global:
        env.reject(errno, message)
    raise BadInput(message)


def function_args(env: Env, index: int) -> tuple[ArgInfo, ...]:
    """The arguments of a function by its BTF. Raises Rejection for a global function that can't be checked, BadInput
    for a static one."""
    sub = env.subprogs[index]
    if sub.args is not None:
        return sub.args
    btf = env.program.btf
    if btf is None or not sub.type_id:
        _reject_args(env, sub, EFAULT, "Global functions need valid BTF")
    assert btf is not None
    func = btf.type(sub.type_id)
    proto = btf.type(func.type) if isinstance(func, t.Func) else None
    if not isinstance(proto, t.FuncProto):
        _reject_args(env, sub, EFAULT, f"Invalid type of function {sub.name}()")
    assert isinstance(proto, t.FuncProto)
    if len(proto.params) > MAX_ARGS:
        text = f"Global function {sub.name}() with {len(proto.params)} > 5 args. Buggy compiler."
        _reject_args(env, sub, EINVAL, text)
    if not isinstance(btf.resolve(proto.ret), (t.Int, t.Enum)):
        text = f"Global function {sub.name}() doesn't return scalar. Only those are supported."
        _reject_args(env, sub, EINVAL, text)
    sub.args = tuple(_arg(env, sub, i, param) for i, param in enumerate(proto.params))
    return sub.args


def _tags(env: Env, sub: Subprog, i: int) -> frozenset[str]:
    """What follows `arg:` in the argument's declaration tags."""
    btf = env.program.btf
    assert btf is not None
    tags = [name.removeprefix("arg:") for at, name in btf.tags(sub.type_id) if at == i and name.startswith("arg:")]
    if tags and not sub.is_global:
        env.reject(EOPNOTSUPP, f"arg#{i} type tag is not supported in static functions")
    known = TAGS if env.profile.untrusted_mem else TAGS - {"untrusted"}
    if not known.issuperset(tags):
        env.reject(EOPNOTSUPP, f"arg#{i} has unsupported set of tags")
    return frozenset(tags)


def _arg(env: Env, sub: Subprog, i: int, param: t.Param) -> ArgInfo:
    btf = env.program.btf
    assert btf is not None
    tags = _tags(env, sub, i)
    found = btf.resolve(param.type)
    if isinstance(found, t.Ptr):
        info = _pointer_arg(env, sub, i, found, tags)
        if info is not None:
            return info
    elif tags:
        env.reject(EINVAL, f"arg#{i} has pointer tag, but is not a pointer type")
    if isinstance(found, (t.Int, t.Enum)):
        return ArgInfo("scalar")
    _reject_args(env, sub, EINVAL, f"Arg#{i} type {found.kind_name} in {sub.name}() is not supported yet.")
    return ArgInfo("scalar")


def _pointer_arg(env: Env, sub: Subprog, i: int, found: t.Ptr, tags: frozenset[str]) -> ArgInfo | None:
    """A pointer argument; None for one of a static function that means nothing special."""
    btf, prog_type = env.program.btf, env.program.prog_type
    assert btf is not None
    if "ctx" in tags or is_ctx_pointer(btf, found, prog_type):
        if tags - {"ctx"}:
            env.reject(EINVAL, BAD_MIX.format(i))
        why = tagged_ctx_error(btf, found, i, prog_type, env.program.expected_attach_type) if tags else ""
        if why:
            env.reject(EINVAL, why)
        return ArgInfo("ctx")
    target_id = btf.skip_mods(found.type)
    target = btf.type(target_id)
    if isinstance(target, t.Struct) and target.name == "bpf_dynptr":
        if tags:
            env.reject(EINVAL, BAD_MIX.format(i))
        return ArgInfo("dynptr", 0, MEM_RDONLY)
    if "trusted" in tags:
        if "nonnull" in tags:
            env.reject(EINVAL, BAD_MIX.format(i))
        flags = PTR_TRUSTED | (PTR_MAYBE_NULL if "nullable" in tags else 0)
        return ArgInfo("object", 0, flags, _kernel_type(env, i, target))
    if "untrusted" in tags:
        return _untrusted_arg(env, i, target, tags)
    if "arena" in tags:
        if tags - {"arena"}:
            env.reject(EINVAL, f"arg#{i} arena cannot be combined with any other tags")
        return ArgInfo("arena")
    if not sub.is_global:
        return None
    if "nullable" in tags:
        env.reject(EINVAL, BAD_MIX.format(i))
    try:
        size = btf.size_of(target_id)
    except BadInput:
        what = "'UNKNOWN '" if isinstance(target, t.Void) else f"'{target.kind_name} {target.name}'"
        env.reject(EINVAL, f"arg#{i} reference type({what}) size cannot be determined: -22")
    return ArgInfo("mem", size, 0 if "nonnull" in tags else PTR_MAYBE_NULL)


def _untrusted_arg(env: Env, i: int, target: t.BtfType, tags: frozenset[str]) -> ArgInfo:
    if tags - {"untrusted"}:
        env.reject(EINVAL, f"arg#{i} untrusted cannot be combined with any other tags")
    if isinstance(target, (t.Void, t.Int, t.Enum)):
        return ArgInfo("mem", 0, MEM_RDONLY | PTR_UNTRUSTED)
    type_id = _kernel_type(env, i, target)
    kernel = env.kernel_btf.type(type_id)
    if not isinstance(kernel, t.Struct):
        what = f"has type {kernel.kind_name} '{target.name}', but only struct or primitive types are allowed"
        env.reject(EINVAL, f"arg#{i} {what}")
    return ArgInfo("object", 0, PTR_UNTRUSTED, type_id)


def _kernel_type(env: Env, i: int, target: t.BtfType) -> int:
    """The one type of the kernel that goes by the name."""
    name = essential_name(target.name)
    what = "UNKNOWN " if isinstance(target, t.Void) else f"{target.kind_name} {target.name}"
    found = list(env.kernel_btf.find_all(name, type(target))) if name else []
    if len(found) != 1:
        errno, why = (ESRCH, "is ambiguous") if found else (ENOENT, "has no matches")
        env.reject(errno, f"arg#{i} reference type('{what}') {why}")
    return found[0]


def entry_registers(env: Env, index: int) -> None:
    """r1..r5 at the start of a global function, as its BTF promises."""
    regs = env.frame.regs
    for i, arg in enumerate(function_args(env, index), 1):
        if arg.kind == "ctx":
            regs[i] = pointer(PTR_TO_CTX)
        elif arg.kind == "mem":
            id_ = env.new_id() if arg.flags & PTR_MAYBE_NULL else 0
            regs[i] = pointer(PTR_TO_MEM | arg.flags, id=id_, ptr=Pointee(mem_size=arg.size))
        elif arg.kind == "dynptr":
            regs[i] = dynptr_reg(LOCAL, env.new_id())
        elif arg.kind == "object":
            pointee = Pointee(btf=env.kernel_btf, btf_id=arg.btf_id)
            regs[i] = pointer(PTR_TO_BTF_ID | arg.flags, id=env.new_id(), ptr=pointee)
        elif arg.kind == "arena":
            regs[i] = pointer(PTR_TO_ARENA)
        else:
            regs[i] = unknown()


def check_passed(env: Env, index: int) -> None:
    """What is passed to a global function fits its BTF."""
    for i, arg in enumerate(function_args(env, index)):
        _check_one(env, i, arg)


def match_static_args(env: Env, index: int) -> None:
    """Hold what a static function (or a callback, whose caller's registers are looked at) gets against its BTF.
    Compilers change such functions, so nothing is refused, but it shows in the log (btf_check_subprog_call)."""
    sub = env.subprogs[index]
    if sub.unreliable or not env.program.func_info:
        return
    try:
        check_passed(env, index)
    except (BadInput, Rejection):
        sub.unreliable = True


def _check_one(env: Env, i: int, arg: ArgInfo) -> None:
    regno = i + 1
    reg = env.frame.regs[regno]
    if arg.kind == "scalar":
        if reg.type != SCALAR_VALUE:
            env.reject(EINVAL, f"R{regno} is not a scalar")
    elif arg.flags & PTR_UNTRUSTED:
        return
    elif arg.kind == "ctx":
        check_arg_off(env, reg, regno, release=False)
        if reg.type != PTR_TO_CTX:
            env.reject(EINVAL, f"arg#{i} expects pointer to ctx")
    elif arg.kind == "mem":
        check_arg_off(env, reg, regno, release=False)
        _check_mem(env, regno, arg.size)
        if not arg.flags & PTR_MAYBE_NULL and reg.type & PTR_MAYBE_NULL:
            env.reject(EINVAL, f"arg#{i} is expected to be non-NULL")
    elif arg.kind == "dynptr":
        check_arg_off(env, reg, regno, release=False)
        check_dynptr_arg(env, regno, arg.flags)
    elif arg.kind == "arena":
        if reg.type not in (PTR_TO_ARENA, SCALAR_VALUE):
            env.reject(EINVAL, f"R{regno} is not a pointer to arena or scalar.")
    else:
        _check_object(env, reg, regno, arg)


def _check_object(env: Env, reg: RegState, regno: int, arg: ArgInfo) -> None:
    if is_null(reg) and arg.flags & PTR_MAYBE_NULL:
        return
    struct = env.kernel_btf.name_of(arg.btf_id)
    check_reg_type(env, regno, Kind("PTR_TO_BTF_ID", arg.flags, struct=struct), CallMeta(), "")
    check_arg_off(env, reg, regno, release=False)


def _check_mem(env: Env, regno: int, size: int) -> None:
    """The same for a global function, where the refusal has its own errno."""
    try:
        check_mem_arg(env, regno, size)
    except Rejection as why:
        raise Rejection(why.message, EINVAL, insn=why.insn, state=why.state, unsupported=why.unsupported) from None


def check_mem_arg(env: Env, regno: int, size: int) -> None:
    """The pointer can be read and written for `size` bytes, or is NULL."""
    reg = env.frame.regs[regno]
    if is_null(reg):
        return
    if reg.type & PTR_MAYBE_NULL:
        env.frame.regs[regno] = reg.with_(type=reg.type & ~PTR_MAYBE_NULL)
    check_helper_mem_access(env, regno, size, False, True, None)
    check_helper_mem_access(env, regno, size, True, True, None)
    env.frame.regs[regno] = reg
