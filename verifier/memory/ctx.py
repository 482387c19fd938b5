# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Access to the context: by table, or by the prototype of what the program is attached to.

Source: kernel/bpf/verifier.c check_ctx_access; kernel/bpf/btf.c btf_ctx_access; include/linux/bpf.h
bpf_tracing_ctx_access (6.18).
"""

from __future__ import annotations

from typing import Final, NoReturn

from bpfvm.btf import types as t
from verifier.env import Env
from verifier.memory.ctx_tables import CtxField
from verifier.memory.region import check_ptr_off_reg
from verifier.numbers import cnum
from verifier.program import lsm_hooks
from verifier.program.attach_types import LSM_CGROUP, LSM_MAC, MODIFY_RETURN, TRACE_FEXIT
from verifier.rejection import EACCES
from verifier.state.reg import Pointee, RegState, pointer, scalar, unknown
from verifier.state.reg_type import (
    MEM_PERCPU,
    MEM_RDONLY,
    MEM_USER,
    PTR_MAYBE_NULL,
    PTR_TO_BTF_ID,
    PTR_TO_BUF,
    PTR_TO_TP_BUFFER,
    PTR_TRUSTED,
    SCALAR_VALUE,
)
from verifier.text.state_print import linfo

TAG_FLAGS: Final = {"user": MEM_USER, "percpu": MEM_PERCPU}
NOTES: Final = {
    "nullable": PTR_TO_BTF_ID | PTR_TRUSTED | PTR_MAYBE_NULL,
    "trusted_or_null": PTR_TO_BTF_ID | PTR_TRUSTED | PTR_MAYBE_NULL,
    "or_null": PTR_TO_BTF_ID | PTR_MAYBE_NULL,
}
"""What a hook says of an argument → type of a register loaded with it."""
BUFFERS: Final = {
    "buf_or_null": PTR_TO_BUF | PTR_MAYBE_NULL,
    "rdonly_buf_or_null": PTR_TO_BUF | PTR_MAYBE_NULL | MEM_RDONLY,
}


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
    field = kind.field_at(off)
    if field is None or off & (size - 1) or not field.stores(off, size):
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
        if kind.tp_buffer and off == 0:
            if size != 8:
                _refuse(env, off, size)
            return pointer(PTR_TO_TP_BUFFER)
        return unknown()
    field = kind.field_at(off)
    if field is None or not field.loads(off, size, sign):
        _refuse(env, off, size)
    return _field_value(env, field)


def _field_value(env: Env, field: CtxField) -> RegState:
    """What a load of the field gives."""
    if not field.type:
        return unknown()
    id_ = env.new_id() if field.type & PTR_MAYBE_NULL else 0
    if not field.struct:
        return pointer(field.type, id=id_)
    struct_id = env.kernel_btf.find(field.struct, t.Struct)
    if not struct_id:
        env.unsupported(f"a context field of type struct {field.struct}, which the kernel's BTF doesn't have")
    return pointer(field.type, ptr=Pointee(btf=env.kernel_btf, btf_id=struct_id))


def _slots(env: Env, type_id: int) -> int:
    """Bytes of context an argument or result takes."""
    found = env.kernel_btf.resolve(type_id)
    if isinstance(found, t.Void):
        return 0
    return 8 if isinstance(found, t.Ptr) else (env.kernel_btf.size_of(type_id) + 7) & ~7


def _arg_index(env: Env, proto: t.FuncProto | None, off: int) -> int:
    """Number of the argument whose slots contain byte `off`; a struct by value may take two slots. The result comes
    after the arguments, whatever is behind it after that."""
    if proto is None:
        return off >> 3
    end = 0
    for i, param in enumerate(proto.params):
        end += _slots(env, param.type)
        if off < end:
            return i
    return len(proto.params) + (off >= end + _slots(env, proto.ret))


def _by_prototype(env: Env, off: int, size: int) -> RegState:
    kind, proto, name = env.ctx_kind, env.attach_proto, env.attach_name
    assert kind is not None
    if not 0 <= off < kind.size or off & (size - 1):
        _refuse(env, off, size)
    if off & 7:
        _detail(env, f"func '{name}' offset {off} is not multiple of 8", off, size)
    if proto is None:
        return unknown()
    arg = _arg_index(env, proto, off)
    params = proto.params[env.skip_params :]
    if arg > len(params):
        _detail(env, f"func '{name}' doesn't have {arg + 1}-th argument", off, size)
    if arg == len(params):
        return _result_value(env, proto, arg, off, size)
    return _argument(env, arg, params[arg], off, size)


def _result_value(env: Env, proto: t.FuncProto, arg: int, off: int, size: int) -> RegState:
    """The slot after the arguments: what the function returned, where programs of the type see that."""
    attach_type, name = env.attach_type, env.attach_name
    tracing = env.program.prog_type in ("tracing", "lsm")
    found = env.kernel_btf.resolve(proto.ret)
    if tracing and attach_type == MODIFY_RETURN:
        if not isinstance(found, t.Int):
            _detail(env, f"ret type {found.kind_name} not allowed for fmod_ret", off, size)
        return unknown()
    if not tracing or attach_type not in (LSM_MAC, LSM_CGROUP, TRACE_FEXIT):
        _detail(env, f"func '{name}' doesn't have {arg + 1}-th argument", off, size)
    value = _argument(env, arg, t.Param("", proto.ret), off, size)
    if attach_type == LSM_MAC and value.type == SCALAR_VALUE:
        low, high = lsm_hooks.returned(name)
        return scalar(cnum.of_srange(low, high))
    return value


def _argument(env: Env, arg: int, param: t.Param, off: int, size: int) -> RegState:
    """What a load of the argument gives."""
    btf, name = env.kernel_btf, env.attach_name
    found = btf.resolve(param.type)
    if isinstance(found, (t.Int, t.Enum, t.Struct)):
        return unknown()
    if not isinstance(found, t.Ptr):
        what = f"arg{arg} '{found.name}' has type {_kind_text(found)}"
        _detail(env, f"func '{name}' {what}. Only pointer access is allowed", off, size)
    if size != 8:
        _detail(env, f"func '{name}' size {size} must be 8", off, size)
    note = env.arg_info.get(arg, "")
    if note in BUFFERS:
        return pointer(BUFFERS[note], id=env.new_id())
    target_id = btf.skip_mods(found.type)
    target = btf.type(target_id)
    if found.type == 0 or isinstance(target, t.Int) or (env.profile.untrusted_mem and target_id == 0):
        return unknown()
    if note == "ref":
        return _referenced(env, arg, target_id)
    if note:
        id_ = env.new_id()
        return pointer(NOTES[note], id=id_, ptr=Pointee(btf=btf, btf_id=target_id))
    flags = PTR_TRUSTED if env.attach_trusted else 0
    if param.name.endswith("__nullable") or env.null_args >> arg & 1:
        flags |= PTR_MAYBE_NULL
    direct = btf.type(found.type)
    if isinstance(direct, t.TypeTag):
        flags |= TAG_FLAGS.get(direct.name, 0)
    if not isinstance(target, t.Struct):
        _detail(env, f"func '{name}' arg{arg} type {_kind_text(target)} is not a struct", off, size)
    env.report(f"func '{name}' arg{arg} has btf_id {target_id} type {_kind_text(target)} '{target.name}'")
    if env.err_args >> arg & 1:
        env.log.write(f"marking pointer arg{arg} as scalar as it may encode error")
        return unknown()
    narrowed = env.profile.ctx_arg_types.get((env.attach_struct, target.name))
    if narrowed:
        target_id = btf.find(narrowed, t.Struct) or target_id
    id_ = env.new_id() if flags & PTR_MAYBE_NULL else 0
    return pointer(PTR_TO_BTF_ID | flags, id=id_, ptr=Pointee(btf=btf, btf_id=target_id))


def _kind_text(found: t.BtfType) -> str:
    return "UNKNOWN" if isinstance(found, t.Void) else found.kind_name


def _referenced(env: Env, arg: int, target_id: int) -> RegState:
    """An argument that arrives as a reference the program owns: every load of it gives the same one."""
    ref = env.arg_refs.get(arg)
    if ref is None:
        env.unsupported(f"context argument {arg} of {env.attach_name} with __ref (type id {target_id})")
    return pointer(PTR_TO_BTF_ID | PTR_TRUSTED, ref_obj_id=ref, ptr=Pointee(btf=env.kernel_btf, btf_id=target_id))
