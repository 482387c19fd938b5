# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Matching a struct_ops variable with the kernel's struct, member by member (bpf_map__init_kern_struct_ops, libbpf)."""

from __future__ import annotations

from errno import EINVAL, ENOTSUP
from typing import NoReturn

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.errors import SyscallError
from bpfvm.obj.model import ObjectSpec
from bpfvm.struct_ops.constants import BPF_PROG_TYPE_STRUCT_OPS
from bpfvm.struct_ops.load_types import AttachPoint, KernelTypes
from bpfvm.struct_ops.shadow import Shadow


class Matcher:
    """Fills ``value`` (kernel layout) and ``slots``; adds to ``attach`` and ``log``, which all variables of an
    object share.

    ``in_use`` is member → program after the shadow was taken over, ``switched_off`` the declared programs that lost
    their slot.
    """

    def __init__(
        self, obj: ObjectSpec, shadow: Shadow, types: KernelTypes, attach: dict[str, AttachPoint], log: list[str]
    ) -> None:
        assert obj.btf is not None
        self.obj = obj
        self.btf: Btf = obj.btf
        self.shadow = shadow
        self.types = types
        self.attach = attach
        self.log = log
        self.value = bytearray(types.value_size)
        self.slots: dict[int, str] = {}
        self.in_use: dict[str, str] = {}
        self.switched_off: set[str] = set()
        self._map = shadow.spec.name

    def run(self) -> None:
        """Raises SyscallError ENOTSUP or EINVAL with libbpf's text."""
        for member in self.shadow.struct.members:
            self._match(member)

    def _match(self, member: t.Member) -> None:
        kernel_index = next(
            (number for number, each in enumerate(self.types.struct.members) if each.name == member.name), None
        )
        if kernel_index is None:
            self._unknown(member)
            return
        kernel_member = self.types.struct.members[kernel_index]
        if member.bitfield_size or kernel_member.bitfield_size:
            self._refuse(f"bitfield {member.name} is not supported")
        mine = self.btf.resolve(member.type)
        theirs = self.types.btf.resolve(kernel_member.type)
        if mine.kind != theirs.kind:
            self._refuse(f"Unmatched member type {member.name} {mine.kind} != {theirs.kind}(kernel)")
        if isinstance(theirs, t.Ptr):
            self._pointer(member, kernel_index, theirs)
        else:
            self._copy(member, kernel_member)

    def _data(self, member: t.Member) -> bytes:
        start = member.bit_offset >> 3
        return bytes(self.shadow.data[start : start + self.btf.size_of(member.type)])

    def _unknown(self, member: t.Member) -> None:
        if any(self._data(member)) or self.shadow.funcs.get(member.name):
            self._refuse(f"Cannot find member {member.name} in kernel BTF")
        self._switch_off(member.name)
        self.log.append(
            f"struct_ops {self._map}: member {member.name} not found in kernel, skipping it as it's set to zero"
        )

    def _switch_off(self, member: str) -> None:
        declared = self.shadow.spec.funcs.get(member)
        if declared:
            self.switched_off.add(declared)

    def _pointer(self, member: t.Member, kernel_index: int, pointer: t.Ptr) -> None:
        program = self.shadow.funcs.get(member.name)
        if self.shadow.spec.funcs.get(member.name) != program:
            self._switch_off(member.name)
        if not program and not any(self._data(member)):
            return
        spec = self.obj.programs.get(program) if program else None
        if spec is None or spec.prog_type != "struct_ops":
            self._refuse(f"member {member.name} is not a struct_ops program")
        if not isinstance(self.types.btf.resolve(pointer.type), t.FuncProto):
            self._refuse(f"kernel member {member.name} is not a func ptr")
        self.in_use[member.name] = spec.name
        self._bind(member.name, kernel_index, spec.name, spec.section)

    def _bind(self, member: str, kernel_index: int, program: str, section: str) -> None:
        types = self.types
        point = AttachPoint(types.type_id, kernel_index, types.btf, types.module, types.struct.name, member)
        earlier = self.attach.setdefault(program, point)
        reuse = (
            f"struct_ops init_kern {self._map} func ptr {member}: invalid reuse of prog {program} in sec {section} "
            f"with type {BPF_PROG_TYPE_STRUCT_OPS}: "
        )
        if earlier.attach_btf_id != types.type_id:
            raise SyscallError(EINVAL, f"{reuse}attach_btf_id {earlier.attach_btf_id} != kern_type_id {types.type_id}")
        if earlier.expected_attach_type != kernel_index:
            raise SyscallError(
                EINVAL, f"{reuse}expected_attach_type {earlier.expected_attach_type} != kern_member_idx {kernel_index}"
            )
        self.slots[types.data_offset + (types.struct.members[kernel_index].bit_offset >> 3)] = program

    def _copy(self, member: t.Member, kernel_member: t.Member) -> None:
        size, kernel_size = self.btf.size_of(member.type), self.types.btf.size_of(kernel_member.type)
        if size != kernel_size:
            self._refuse(f"Error in size of member {member.name}: {size} != {kernel_size}(kernel)")
        start = self.types.data_offset + (kernel_member.bit_offset >> 3)
        self.value[start : start + size] = self._data(member)

    def _refuse(self, text: str) -> NoReturn:
        raise SyscallError(ENOTSUP, f"struct_ops init_kern {self._map}: {text}")
