# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BPF_MAP_CREATE for struct_ops maps (syscall.c:map_create, bpf_struct_ops_map_alloc; 6.12 to 6.18)."""

from __future__ import annotations

from errno import EACCES, EINVAL, EPERM
from typing import TYPE_CHECKING

from bpfvm.errors import ENOTSUPP, SyscallError
from bpfvm.struct_ops.constants import BPF_F_LINK, BPF_F_VTYPE_BTF_OBJ_FD, BPF_OBJ_NAME_LEN
from bpfvm.struct_ops.map import MapAttr, StructOpsMap
from bpfvm.struct_ops.module import BtfObject
from bpfvm.struct_ops.objects import FdTable

if TYPE_CHECKING:
    from bpfvm.struct_ops.kernel import Kernel
    from bpfvm.struct_ops.registry import RegisteredType

ALLOWED_FLAGS = BPF_F_LINK | BPF_F_VTYPE_BTF_OBJ_FD


def create_map(kernel: Kernel, attr: MapAttr, *, fds: FdTable | None = None, capable: bool = True) -> StructOpsMap:
    """A new map in state INIT; its one reference, which counts as a file descriptor's, is the caller's.

    Raises SyscallError EINVAL, EPERM (not ``capable`` of CAP_BPF), ENOTSUPP (no such type), EBADF, EACCES.
    """
    fds = kernel.fds if fds is None else fds
    _check_attr(attr)
    if not capable:
        raise SyscallError(EPERM, "creating a struct_ops map needs CAP_BPF")
    type_ = _find_type(kernel, attr, fds)
    try:
        if attr.value_size != type_.value_size:
            raise SyscallError(
                EINVAL, f"value_size {attr.value_size} is not the {type_.value_size} bytes of {type_.value_struct.name}"
            )
        if attr.btf_fd is not None and _btf(fds, attr.btf_fd).kernel:
            raise SyscallError(EACCES, "btf_fd must not be a kernel BTF")
    except SyscallError:
        if type_.module is not None:
            type_.module.put()
        raise
    made = StructOpsMap(kernel, attr, type_)
    kernel.maps.add(made)
    return made


def _check_attr(attr: MapAttr) -> None:
    wrong = (
        (attr.key_size != 4, "key_size must be 4"),
        (attr.max_entries != 1, "max_entries must be 1"),
        (attr.map_flags & ~ALLOWED_FLAGS, f"map_flags {attr.map_flags:#x} has unknown bits"),
        (not attr.btf_vmlinux_value_type_id, "btf_vmlinux_value_type_id is missing"),
        (attr.btf_key_type_id or attr.btf_value_type_id, "a struct_ops map takes no BTF of key or value"),
        (attr.map_extra, "map_extra must be 0"),
        (
            attr.value_type_btf_obj_fd and not attr.map_flags & BPF_F_VTYPE_BTF_OBJ_FD,
            "value_type_btf_obj_fd needs BPF_F_VTYPE_BTF_OBJ_FD",
        ),
        (not _valid_name(attr.name), f"{attr.name!r} is no object name"),
    )
    for failed, reason in wrong:
        if failed:
            raise SyscallError(EINVAL, reason)


def _valid_name(name: str) -> bool:
    """bpf_obj_name_cpy: at most 15 of letters, digits, "_" and "."."""
    return len(name) < BPF_OBJ_NAME_LEN and all(each.isascii() and (each.isalnum() or each in "_.") for each in name)


def _find_type(kernel: Kernel, attr: MapAttr, fds: FdTable) -> RegisteredType:
    """The type whose value this is; with a module's BTF, the module is pinned."""
    btf, module = kernel.btf, None
    if attr.map_flags & BPF_F_VTYPE_BTF_OBJ_FD:
        found = _btf(fds, attr.value_type_btf_obj_fd)
        btf, module = found.btf, found.module
        if module is None:
            raise SyscallError(EINVAL, "value_type_btf_obj_fd is not the BTF of a module")
        if not module.try_get():
            raise SyscallError(EINVAL, f"module {module.name} is going away")
    type_ = kernel.registry.by_value_id(attr.btf_vmlinux_value_type_id, btf)
    if type_ is None:
        if module is not None:
            module.put()
        raise SyscallError(ENOTSUPP, f"type id {attr.btf_vmlinux_value_type_id} is not the value of a struct_ops type")
    return type_


def _btf(fds: FdTable, fd: int) -> BtfObject:
    found = fds.get(fd)
    if not isinstance(found, BtfObject):
        raise SyscallError(EINVAL, f"fd {fd} is not BTF")
    return found
