# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Storage that belongs to a kernel object: BPF_MAP_TYPE_TASK_STORAGE, INODE_STORAGE, SK_STORAGE, CGRP_STORAGE
(kernel/bpf/bpf_local_storage.c, 6.18).

An owner is the address of its kernel object. User space names owners by descriptors there, by address here:
``get_of``, ``update_of``, ``delete_of``.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.errors import ENOTSUPP
from bpfvm.isa import map_types as mt
from bpfvm.obj.model import MapSpec
from bpfvm.runtime.maps.base import Map
from bpfvm.runtime.maps.hash import check_flags

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

F_CLONE: Final = 1 << 9
GET_F_CREATE: Final = 1
"""BPF_LOCAL_STORAGE_GET_F_CREATE"""
ELEM_SIZE: Final = 128
"""sizeof(struct bpf_local_storage_elem)"""
MAX_VALUE: Final = 0xFFFF - ELEM_SIZE


class LocalStorageMap(Map):
    """A value per owner, zero until somebody stores into it."""

    __slots__ = ("_values",)

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        flags = spec.map_flags
        if flags & ~(mt.BPF_F_NO_PREALLOC | F_CLONE) or not flags & mt.BPF_F_NO_PREALLOC or spec.max_entries:
            return -errno.EINVAL
        if spec.key_size != 4 or not spec.value_size or not spec.key_type_id or not spec.value_type_id:
            return -errno.EINVAL
        return -errno.E2BIG if spec.value_size > MAX_VALUE else 0

    def __init__(self, rt: Runtime, spec: MapSpec, map_id: int) -> None:
        super().__init__(rt, spec, map_id)
        self._values: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._values)

    def destroy(self) -> None:
        for addr in self._values.values():
            self.memory.free(addr)
        super().destroy()

    # --- the program's side -----------------------------------------------------------------------------------------
    def storage(self, owner: int, initial: int, flags: int) -> int:
        """bpf_*_storage_get: address of the owner's value, made (as a copy of what is at ``initial``) when ``flags``
        say so; 0 without one."""
        if flags & ~GET_F_CREATE or not owner:
            return 0
        addr = self._values.get(owner, 0)
        if not addr and flags & GET_F_CREATE:
            addr = self._values[owner] = self.memory.alloc(self.value_size, what=self.spec.name)
            if initial:
                self._store_value(addr, self.memory.read(initial, self.value_size))
        return addr

    def drop(self, owner: int) -> int:
        """bpf_*_storage_delete: 0, -ENOENT without a value, -EINVAL without an owner."""
        if not owner:
            return -errno.EINVAL
        addr = self._values.pop(owner, 0)
        self.memory.free(addr)
        return 0 if addr else -errno.ENOENT

    # --- user space's side ------------------------------------------------------------------------------------------
    def get_of(self, owner: int) -> bytes:
        """BPF_MAP_LOOKUP_ELEM. Raises SyscallError(ENOENT)."""
        addr = self._values.get(owner, 0)
        return (
            self._without_special(self.memory.read(addr, self.value_size)) if addr else self._fail(-errno.ENOENT, "get")
        )

    def update_of(self, owner: int, value: bytes, flags: int = 0) -> None:
        """BPF_MAP_UPDATE_ELEM. Raises SyscallError(EEXIST, ENOENT, EINVAL)."""
        self._done(check_flags(owner in self._values, flags), "update")
        if flags & mt.BPF_F_LOCK and not self.has_lock:
            self._fail(-errno.EINVAL, "update")
        self._store_value(self.storage(owner, 0, GET_F_CREATE), value)

    def delete_of(self, owner: int) -> None:
        """BPF_MAP_DELETE_ELEM. Raises SyscallError(ENOENT)."""
        self._done(self.drop(owner), "delete")

    def _value(self, key: bytes) -> bytes | int:
        return -errno.EBADF

    def _replace(self, key: bytes, value: bytes, flags: int) -> int:
        return -errno.EBADF

    def delete_elem(self, key: bytes) -> int:
        return -errno.EBADF

    def _next_key(self, key: bytes | None) -> bytes | int:
        return -ENOTSUPP


class TaskStorageMap(LocalStorageMap):
    """Owned by a task_struct."""

    kind = "task_storage"
    __slots__ = ()


class InodeStorageMap(LocalStorageMap):
    """Owned by an inode."""

    kind = "inode_storage"
    __slots__ = ()


class SkStorageMap(LocalStorageMap):
    """Owned by a sock."""

    kind = "sk_storage"
    __slots__ = ()


class CgrpStorageMap(LocalStorageMap):
    """Owned by a cgroup."""

    kind = "cgrp_storage"
    __slots__ = ()
