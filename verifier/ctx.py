# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Access to the context: by table, or by the prototype of what the program is attached to.

Source: kernel/bpf/verifier.c check_ctx_access; kernel/bpf/btf.c btf_ctx_access; include/linux/bpf.h
bpf_tracing_ctx_access (6.18).
"""

from __future__ import annotations

from typing import NoReturn

from bpfvm.btf import types as t
from verifier.env import Env
from verifier.reg import Pointee, RegState, pointer, unknown
from verifier.reg_type import (
    MEM_PERCPU,
    MEM_USER,
    PTR_MAYBE_NULL,
    PTR_TO_BTF_ID,
    PTR_TRUSTED,
)
from verifier.region import check_ptr_off_reg
from verifier.rejection import EACCES
from verifier.state_print import linfo

TAG_FLAGS = {"user": MEM_USER, "percpu": MEM_PERCPU}


def _refuse(env: Env, off: int, size: int) -> NoReturn:
    env.report(f"invalid bpf_context access off={off} size={size}")
    linfo(env, env.insn_idx, "; ")
    env.reject_quietly(EACCES, f"invalid bpf_context access off={off} size={size}")


def _detail(env: Env, text: str, off: int, size: int) -> NoReturn:
    """Refuse with a reason before the general line; the reason is the message."""
    env.report(text)
    env.report(f"invalid bpf_context access off={off} size={size}")
    linfo(env, env.insn_idx, "; ")
    env.reject_quietly(EACCES, text)


def check_ctx_store(env: Env, regno: int, off: int, size: int) -> None:
    """A store to the context (atomics included)."""
    check_ptr_off_reg(env, env.frame.regs[regno], regno)
    kind = env.ctx_kind
    assert kind is not None
    if kind.array and kind.writable and 0 <= off < kind.size and not off & (size - 1):
        return
    for field in kind.fields:
        if field.start <= off < field.end:
            if size in field.write_sizes and not off & (size - 1) and off + size <= field.end:
                return
            break
    _refuse(env, off, size)


def check_ctx_load(env: Env, regno: int, off: int, size: int, sign: bool) -> RegState:
    """A load from the context; returns what it yields."""
    check_ptr_off_reg(env, env.frame.regs[regno], regno)
    kind = env.ctx_kind
    assert kind is not None
    if kind.proto:
        return _by_prototype(env, off, size)
    if not kind.first <= off < kind.size or off & (size - 1):
        _refuse(env, off, size)
    if kind.array:
        if off + size > kind.size and not kind.writable:
            _refuse(env, off, size)
        return unknown()
    for field in kind.fields:
        if field.start <= off < field.end:
            if size not in field.sizes or (sign and not field.sign) or off + size > field.end:
                break
            if not field.type:
                return unknown()
            id_ = env.new_id() if field.type & PTR_MAYBE_NULL else 0
            return pointer(field.type, id=id_)
    _refuse(env, off, size)


def _slots(env: Env, type_id: int) -> int:
    """Bytes of context an argument or result takes."""
    found = env.kernel_btf.resolve(type_id)
    if isinstance(found, t.Void):
        return 0
    return 8 if isinstance(found, t.Ptr) else (env.kernel_btf.size_of(type_id) + 7) & ~7


def _arg_index(env: Env, proto: t.FuncProto, off: int) -> int:
    """Number of the argument whose slots contain byte `off`; a struct by value may take two slots. The result comes
    after the arguments, whatever is behind it after that."""
    end = 0
    for i, param in enumerate(proto.params):
        end += _slots(env, param.type)
        if off < end:
            return i
    return len(proto.params) + (off >= end + _slots(env, proto.ret))


def _by_prototype(env: Env, off: int, size: int) -> RegState:
    kind, btf, proto, name = env.ctx_kind, env.kernel_btf, env.attach_proto, env.attach_name
    assert kind is not None
    if not 0 <= off < kind.size or off & (size - 1):
        _refuse(env, off, size)
    if off & 7:
        _detail(env, f"func '{name}' offset {off} is not multiple of 8", off, size)
    if proto is None:
        return unknown()
    arg = _arg_index(env, proto, off)
    if arg >= len(proto.params):
        _detail(env, f"func '{name}' doesn't have {arg + 1}-th argument", off, size)
    param = proto.params[arg]
    found = btf.resolve(param.type)
    if isinstance(found, (t.Int, t.Enum, t.Struct)):
        return unknown()
    if not isinstance(found, t.Ptr):
        what = f"arg{arg} '{found.name}' has type {found.kind_name}"
        _detail(env, f"func '{name}' {what}. Only pointer access is allowed", off, size)
    if size != 8:
        _detail(env, f"func '{name}' size {size} must be 8", off, size)
    target_id = btf.skip_mods(found.type)
    target = btf.type(target_id)
    if found.type == 0 or isinstance(target, t.Int):
        return unknown()
    note = env.arg_info.get(arg, "")
    flags = PTR_TRUSTED
    if note == "ref":
        return _referenced(env, arg, target_id)
    if note == "nullable":
        id_ = env.new_id()
        type_ = PTR_TO_BTF_ID | PTR_TRUSTED | PTR_MAYBE_NULL
        return pointer(type_, id=id_, ptr=Pointee(btf=btf, btf_id=target_id))
    if param.name.endswith("__nullable"):
        flags |= PTR_MAYBE_NULL
    direct = btf.type(found.type)
    if isinstance(direct, t.TypeTag):
        flags |= TAG_FLAGS.get(direct.name, 0)
    if not isinstance(target, t.Struct):
        _detail(env, f"func '{name}' arg{arg} type {target.kind_name} is not a struct", off, size)
    env.report(f"func '{name}' arg{arg} has btf_id {target_id} type {target.kind_name} '{target.name}'")
    narrowed = env.profile.ctx_arg_types.get((env.attach_struct, target.name))
    if narrowed:
        target_id = btf.find(narrowed, t.Struct) or target_id
    id_ = env.new_id() if flags & PTR_MAYBE_NULL else 0
    return pointer(PTR_TO_BTF_ID | flags, id=id_, ptr=Pointee(btf=btf, btf_id=target_id))


def _referenced(env: Env, arg: int, target_id: int) -> RegState:
    """An argument that arrives as a reference the program owns."""
    env.unsupported(f"context argument {arg} of {env.attach_name} with __ref (type id {target_id})")
