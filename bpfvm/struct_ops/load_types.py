# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Finding the kernel's side of a struct_ops variable (find_struct_ops_kern_types in tools/lib/bpf/libbpf.c)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from errno import EINVAL, ENOENT, ESRCH

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.btf.flavour import essential_name
from bpfvm.errors import SyscallError
from bpfvm.struct_ops.constants import VALUE_PREFIX
from bpfvm.struct_ops.kernel import Kernel
from bpfvm.struct_ops.module import KernelModule


@dataclass(frozen=True, slots=True)
class AttachPoint:
    """What a struct_ops program is loaded with: struct, member index, and the BTF (a module's, or the kernel's)
    they are in."""

    attach_btf_id: int
    expected_attach_type: int
    btf: Btf
    module: KernelModule | None
    type_name: str
    member: str


@dataclass(frozen=True, slots=True)
class KernelTypes:
    """The kernel's struct, and the value type around it; sizes and offsets in bytes."""

    btf: Btf
    module: KernelModule | None
    type_id: int
    struct: t.Struct
    value_id: int
    value_size: int
    data_offset: int


def find_kernel_types(kernel: Kernel, type_name: str, btf: Btf | None = None) -> KernelTypes:
    """Look for ``bpf_struct_ops_<name>`` in the kernel's BTF, then in modules'. Raises SyscallError ESRCH, ENOENT,
    EINVAL."""
    name = essential_name(type_name)
    value_name = VALUE_PREFIX + name
    found = next(_places(kernel, value_name, btf), None)
    if found is None:
        raise SyscallError(ESRCH, f"struct_ops init_kern: struct {value_name} is not found in kernel BTF")
    where, module, value_id = found
    type_id = _struct_id(where, name)
    if not type_id:
        raise SyscallError(ENOENT, f"struct_ops init_kern: struct {name} is not found in kernel BTF")
    struct, value = where.type(type_id), where.type(value_id)
    assert isinstance(struct, t.Struct)
    assert isinstance(value, t.Struct)
    for member in value.members:
        if member.type == type_id:
            return KernelTypes(where, module, type_id, struct, value_id, value.size, member.bit_offset >> 3)
    raise SyscallError(EINVAL, f"struct_ops init_kern: struct {name} data is not found in struct {value_name}")


def _places(kernel: Kernel, name: str, btf: Btf | None) -> Iterator[tuple[Btf, KernelModule | None, int]]:
    main = btf or kernel.btf
    if kernel.config.vmlinux_btf and (type_id := _struct_id(main, name)):
        yield main, None, type_id
    for module in kernel.modules.values():
        if type_id := _struct_id(module.btf, name):
            yield module.btf, module, type_id


def _struct_id(btf: Btf, name: str) -> int:
    for type_id in btf.find_all(name, t.Struct):
        found = btf.type(type_id)
        if isinstance(found, t.Struct) and not found.is_union:
            return type_id
    return 0
