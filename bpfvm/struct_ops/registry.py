# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Registered struct_ops types, one table per BTF object (__register_bpf_struct_ops in kernel/bpf/btf.c, 6.18)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from errno import EEXIST, EINVAL, ENOENT, EOPNOTSUPP
from typing import TYPE_CHECKING

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.errors import BpfvmError
from bpfvm.events import Event
from bpfvm.struct_ops.constants import COMMON_VALUE, MAX_MEMBERS, VALUE_NAME_SIZE, VALUE_PREFIX
from bpfvm.struct_ops.func_model import FuncModel, UnsupportedProto, distill, func_ptr_proto, is_module_pointer
from bpfvm.struct_ops.sleepable import Sleepable
from bpfvm.struct_ops.stub_args import StubError, arg_info
from bpfvm.struct_ops.type_desc import StoreRule, StructOpsType

if TYPE_CHECKING:
    from bpfvm.struct_ops.kernel import Kernel
    from bpfvm.struct_ops.module import KernelModule

MAX_RETURN_SIZE = 8


@dataclass(frozen=True, slots=True)
class TypeRegistered(Event):
    """A struct_ops type can be implemented from now on."""

    name: str
    type_id: int
    value_id: int


@dataclass(frozen=True, slots=True)
class MemberInfo:
    """One member of a registered type: ``proto`` for function pointers, ``model`` for those a program may implement."""

    name: str
    type_id: int
    offset: int
    size: int
    proto: t.FuncProto | None
    model: FuncModel | None
    args: Mapping[int, str]
    is_module: bool


@dataclass(frozen=True, slots=True)
class RegisteredType:
    """A type after registration. Offsets in bytes; ``data_offset`` is where the struct starts inside its value type."""

    desc: StructOpsType
    btf: Btf
    module: KernelModule | None
    type_id: int
    value_id: int
    struct: t.Struct
    value_struct: t.Struct
    data_offset: int
    members: tuple[MemberInfo, ...]

    @property
    def name(self) -> str:
        return self.desc.name

    @property
    def value_size(self) -> int:
        return self.value_struct.size

    @property
    def btf_struct_access(self) -> StoreRule | None:
        return self.desc.btf_struct_access

    def has_stub(self, member_idx: int) -> bool:
        """Whether a program may implement this member."""
        return self.members[member_idx].model is not None

    def check_member(self, member_idx: int, program: Sleepable) -> int:
        """The type's own opinion of a program for this member: 0 or a negative errno."""
        return self.desc.check_member(member_idx, program) if self.desc.check_member is not None else 0

    def arg_info(self, member_idx: int) -> Mapping[int, str]:
        """Argument number → "nullable" or "ref"."""
        return self.members[member_idx].args

    def member(self, name: str) -> MemberInfo | None:
        """The member with this name."""
        return next((each for each in self.members if each.name == name), None)


class _Refused(BpfvmError):
    """Registration stops: console line and negative errno."""

    def __init__(self, errno: int, line: str) -> None:
        super().__init__(line)
        self.errno = errno


class StructOpsRegistry:
    """Types by BTF id; also what the verifier asks about struct_ops programs."""

    __slots__ = ("_kernel", "_types")

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._types: list[RegisteredType] = []

    def __iter__(self) -> Iterator[RegisteredType]:
        return iter(self._types)

    def register(self, desc: StructOpsType, *, module: KernelModule | None = None) -> int:
        """register_bpf_struct_ops: 0 or a negative errno, with the reason on the console.

        A kernel without BPF_JIT or BPF_SYSCALL returns 0 and registers nothing, as the kernel's macro does.
        """
        kernel, config = self._kernel, self._kernel.config
        if not (config.bpf_jit and config.bpf_syscall):
            return 0
        if module is None and not config.vmlinux_btf:
            if not config.debug_info_btf:
                return 0
            kernel.console("missing vmlinux BTF, cannot register struct_ops")
            return -ENOENT
        btf = module.btf if module else kernel.btf
        if any(each.desc is desc and each.btf is btf for each in self._types):
            return -EEXIST
        desc.kernel = kernel
        try:
            registered = _describe(desc, btf, module)
            if desc.init(btf):
                raise _Refused(EINVAL, f"Error in init bpf_struct_ops {desc.name}")
        except _Refused as refusal:
            kernel.console(str(refusal))
            return -refusal.errno
        self._types.append(registered)
        if kernel.sink.active:
            kernel.sink.emit(TypeRegistered(desc.name, registered.type_id, registered.value_id))
        return 0

    def by_id(self, btf_id: int, btf: Btf | None = None) -> RegisteredType | None:
        """The type whose struct has this BTF id (in the kernel's BTF, or in a module's)."""
        wanted = btf or self._kernel.btf
        return next((each for each in self._types if each.type_id == btf_id and each.btf is wanted), None)

    def by_value_id(self, value_id: int, btf: Btf | None = None) -> RegisteredType | None:
        """The type whose value struct has this BTF id."""
        wanted = btf or self._kernel.btf
        return next((each for each in self._types if each.value_id == value_id and each.btf is wanted), None)

    def by_name(self, name: str) -> RegisteredType | None:
        """The first registered type with this struct name."""
        return next((each for each in self._types if each.name == name), None)


def _describe(desc: StructOpsType, btf: Btf, module: KernelModule | None) -> RegisteredType:
    """bpf_struct_ops_desc_init up to ``init``: every check, in the kernel's order. Raises _Refused."""
    name, btf_name = desc.name, module.name if module else "vmlinux"
    if len(name.encode()) + len(VALUE_PREFIX) >= VALUE_NAME_SIZE:
        raise _Refused(EINVAL, f"struct_ops name {name} is too long")
    if desc.stubs is None:
        raise _Refused(EINVAL, f"struct_ops for {name} has no cfi_stubs")
    type_id, struct = _find_struct(btf, name, btf_name)
    if len(struct.members) > MAX_MEMBERS:
        raise _Refused(EINVAL, f"Cannot support #{len(struct.members)} members in struct {name}")
    value_id, value_struct = _find_struct(btf, VALUE_PREFIX + name, btf_name)
    _check_value_type(btf, value_struct, type_id, name)
    return RegisteredType(
        desc=desc,
        btf=btf,
        module=module,
        type_id=type_id,
        value_id=value_id,
        struct=struct,
        value_struct=value_struct,
        data_offset=value_struct.members[1].bit_offset >> 3,
        members=tuple(_describe_member(desc, btf, desc.stubs, member) for member in struct.members),
    )


def _find_struct(btf: Btf, name: str, btf_name: str) -> tuple[int, t.Struct]:
    for type_id in btf.find_all(name, t.Struct):
        found = btf.type(type_id)
        if isinstance(found, t.Struct) and not found.is_union:
            return type_id, found
    raise _Refused(EINVAL, f"Cannot find struct {name} in {btf_name}")


def _check_value_type(btf: Btf, value: t.Struct, type_id: int, name: str) -> None:
    if len(value.members) != 2:
        raise _Refused(EINVAL, f"The number of {value.name}'s members should be 2, but we get {len(value.members)}")
    common, data = value.members
    first = btf.type(common.type)
    if not isinstance(first, t.Struct) or first.name != COMMON_VALUE:
        raise _Refused(EINVAL, f"The first member of {value.name} should be {COMMON_VALUE}")
    if data.type != type_id:
        raise _Refused(EINVAL, f"The second member of {value.name} should be {name}")


def _describe_member(
    desc: StructOpsType, btf: Btf, stubs: frozenset[str] | Mapping[str, str], member: t.Member
) -> MemberInfo:
    name = desc.name
    if not member.name:
        raise _Refused(EOPNOTSUPP, f"anon member in struct {name} is not supported")
    if member.bitfield_size:
        raise _Refused(EOPNOTSUPP, f"bit field member {member.name} in struct {name} is not supported")
    is_module = is_module_pointer(btf, member.type)
    if is_module and not btf.find("module", t.Struct):
        raise _Refused(
            EOPNOTSUPP,
            "'struct module' btf id not found. Is CONFIG_MODULES enabled? "
            f"bpf_struct_ops '{name}' needs module support.",
        )
    proto = func_ptr_proto(btf, member.type)
    model: FuncModel | None = None
    args: Mapping[int, str] = {}
    if proto is not None and member.name in stubs:
        model = _model(desc, btf, proto, member.name)
        args = _annotations(desc, btf, stubs, proto, member.name)
    return MemberInfo(
        name=member.name,
        type_id=member.type,
        offset=member.bit_offset >> 3,
        size=btf.size_of(member.type),
        proto=proto,
        model=model,
        args=args,
        is_module=is_module,
    )


def _model(desc: StructOpsType, btf: Btf, proto: t.FuncProto, member: str) -> FuncModel:
    try:
        model = distill(btf, proto, member)
    except UnsupportedProto as problem:
        desc.kernel.console(f"BPF: {problem}")
        raise _Refused(EINVAL, f"Error in parsing func ptr {member} in struct {desc.name}") from problem
    if model.ret_size > MAX_RETURN_SIZE:
        raise _Refused(
            EOPNOTSUPP, f"func ptr {member} in struct {desc.name} has a >8 byte return value, which is not supported"
        )
    return model


def _annotations(
    desc: StructOpsType, btf: Btf, stubs: frozenset[str] | Mapping[str, str], proto: t.FuncProto, member: str
) -> Mapping[int, str]:
    stub = stubs[member] if isinstance(stubs, Mapping) else f"{desc.name}__{member}"
    if not isinstance(stubs, Mapping) and not btf.find(stub, t.Func):
        return {}
    try:
        return arg_info(btf, proto, member, desc.name, stub)
    except StubError as problem:
        raise _Refused(problem.errno, str(problem)) from problem
