# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Walking the members when a map is populated (bpf_struct_ops_map_update_elem, 6.18)."""

from __future__ import annotations

from errno import EINVAL
from typing import TYPE_CHECKING

from bpfvm.errors import BpfvmError, SyscallError
from bpfvm.struct_ops.constants import BPF_MODULE_OWNER
from bpfvm.struct_ops.objects import FdTable
from bpfvm.struct_ops.progs import LoadedProg

if TYPE_CHECKING:
    from bpfvm.struct_ops.map import StructOpsMap
    from bpfvm.struct_ops.registry import MemberInfo


class Undo(BpfvmError):
    """Population stops and is undone; ``errno`` is what the system call returns: negative, or in one quirk 0 or 1."""

    def __init__(self, errno: int, message: str) -> None:
        super().__init__(message)
        self.errno = errno


class ModuleMemberSet(BpfvmError):
    """A ``struct module *`` member isn't zero. 6.12 undoes the update without setting an error: ``errno`` is the
    last result."""

    def __init__(self, errno: int, member: str) -> None:
        super().__init__(f"member {member} must be zero")
        self.errno = errno


def fill_members(st_map: StructOpsMap, value: bytes, fds: FdTable) -> bytes:
    """Write kdata member by member; returns udata, with program ids in the function slots. Raises Undo,
    ModuleMemberSet."""
    type_, memory = st_map.type, st_map.kernel.memory
    user = bytes(value[type_.data_offset :])
    udata = bytearray(value)
    result = 0
    for index, member in enumerate(type_.members):
        given = user[member.offset : member.offset + member.size]
        if member.is_module:
            if any(given):
                raise ModuleMemberSet(result, member.name)
            memory.store(st_map.kdata + member.offset, 8, BPF_MODULE_OWNER)
            continue
        with st_map.kernel.in_function("bpf_struct_ops_map_update_elem"):
            result = type_.desc.init_member(index, st_map.kdata, user)
        if result < 0:
            raise Undo(result, f"struct {type_.name} refused member {member.name}")
        if result:
            continue
        if member.proto is None:
            if any(given):
                raise Undo(-EINVAL, f"member {member.name} of struct {type_.name} must be zero")
            continue
        prog = _program(st_map, index, member, given, fds)
        if prog is not None:
            start = type_.data_offset + member.offset
            udata[start : start + 8] = prog.id.to_bytes(8, "little")
    return bytes(udata)


def _program(st_map: StructOpsMap, index: int, member: MemberInfo, given: bytes, fds: FdTable) -> LoadedProg | None:
    """Install the program a function slot names; None when the slot is empty."""
    fd = int.from_bytes(given[:4], "little", signed=True)
    if not fd:
        return None
    try:
        prog = fds.get(fd)
        if not isinstance(prog, LoadedProg):
            raise SyscallError(EINVAL, f"fd {fd} is not a program")
        if not _fits(st_map, index, prog) or member.model is None:
            raise SyscallError(EINVAL, f"program {prog.name} was not loaded for {st_map.type.name}.{member.name}")
        prog.get()
        st_map.progs[index] = prog
        made = st_map.area.add(st_map.type.name, member.name, member.model, prog)
    except SyscallError as error:
        raise Undo(-error.errno, error.message) from error
    st_map.kernel.memory.store(st_map.kdata + member.offset, 8, made.addr)
    return prog


def _fits(st_map: StructOpsMap, index: int, prog: LoadedProg) -> bool:
    return (
        prog.prog_type == "struct_ops"
        and prog.attach_btf is st_map.type.btf
        and prog.attach_btf_id == st_map.type.type_id
        and prog.expected_attach_type == index
    )
