# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Function models: how a member's arguments and return value travel through a trampoline (btf_distill_func_proto,
6.18)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.errors import BpfvmError, UsageError
from bpfvm.isa.word import align_up
from bpfvm.struct_ops.constants import MAX_ARG_SIZE, MAX_BPF_FUNC_ARGS

SLOT = 8


class UnsupportedProto(BpfvmError):
    """A prototype no trampoline can be made for; the message is the line the kernel logs."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class ArgModel:
    """One argument: size in bytes (1 to 16), and the offset of its first slot in the context."""

    size: int
    offset: int
    signed: bool = False
    is_struct: bool = False


@dataclass(frozen=True, slots=True)
class FuncModel:
    """``ret_size`` is 0 for void; ``ctx_size`` the bytes of all argument slots."""

    args: tuple[ArgModel, ...]
    ret_size: int
    ret_signed: bool
    ctx_size: int

    def pack(self, args: Sequence[int | bytes]) -> bytes:
        """The context slots for these arguments: integers (cut to the argument's size) or a struct's bytes. Raises
        UsageError."""
        if len(args) != len(self.args):
            raise UsageError(f"the member takes {len(self.args)} arguments, {len(args)} were given")
        return b"".join(map(_slot_bytes, self.args, args))

    def convert_return(self, r0: int) -> int:
        """What a C caller sees of R0: the low bytes of the return type, sign-extended when it is signed; 0 for void."""
        if not self.ret_size:
            return 0
        bits = 8 * self.ret_size
        value = r0 & ((1 << bits) - 1)
        return value - (1 << bits) if self.ret_signed and value >> (bits - 1) else value


def _slot_bytes(model: ArgModel, arg: int | bytes) -> bytes:
    room = align_up(model.size, SLOT)
    if isinstance(arg, int):
        return (arg & ((1 << 8 * model.size) - 1)).to_bytes(room, "little")
    if len(arg) != model.size:
        raise UsageError(f"a struct argument of {model.size} bytes was given {len(arg)} bytes")
    return arg.ljust(room, b"\0")


def distill(btf: Btf, proto: t.FuncProto, name: str) -> FuncModel:
    """The model of prototype ``proto`` of member ``name``. Raises UnsupportedProto."""
    if len(proto.params) > MAX_BPF_FUNC_ARGS:
        raise UnsupportedProto(f"The function {name} has {len(proto.params)} arguments. Too many.")
    ret_size = _type_size(btf, proto.ret)
    if ret_size is None or isinstance(btf.resolve(proto.ret), t.Struct):
        raise UnsupportedProto(f"The function {name} return type {btf.resolve(proto.ret).kind_name} is unsupported.")
    args: list[ArgModel] = []
    offset = 0
    for number, param in enumerate(proto.params):
        if number == len(proto.params) - 1 and not param.type:
            raise UnsupportedProto(f"The function {name} with variable args is unsupported.")
        size = _type_size(btf, param.type)
        found = btf.resolve(param.type)
        if size is None or size > MAX_ARG_SIZE:
            raise UnsupportedProto(f"The function {name} arg{number} type {found.kind_name} is unsupported.")
        if not size:
            raise UnsupportedProto(f"The function {name} has malformed void argument.")
        args.append(ArgModel(size, offset, _is_signed(found), isinstance(found, t.Struct)))
        offset += align_up(size, SLOT)
    return FuncModel(tuple(args), ret_size, _is_signed(btf.resolve(proto.ret)), offset)


def _type_size(btf: Btf, type_id: int) -> int | None:
    """Bytes a value of this type takes; 0 for void itself, None for what can't be passed."""
    if not type_id:
        return 0
    found = btf.resolve(type_id)
    if isinstance(found, t.Ptr):
        return SLOT
    return found.size if isinstance(found, (t.Int, t.Enum, t.Struct)) else None


def _is_signed(found: t.BtfType) -> bool:
    return isinstance(found, (t.Int, t.Enum)) and found.signed


def func_ptr_proto(btf: Btf, type_id: int) -> t.FuncProto | None:
    """The prototype behind a member that is a function pointer, else None (btf_type_resolve_func_ptr)."""
    pointer = btf.resolve(type_id)
    target = btf.resolve(pointer.type) if isinstance(pointer, t.Ptr) else None
    return target if isinstance(target, t.FuncProto) else None


def is_module_pointer(btf: Btf, type_id: int) -> bool:
    """Whether a member is a pointer to ``struct module``, declared or complete."""
    pointer = btf.resolve(type_id)
    if not isinstance(pointer, t.Ptr):
        return False
    target = btf.resolve(pointer.type)
    is_struct = isinstance(target, (t.Struct, t.Fwd)) and not target.is_union
    return is_struct and target.name == "module"
