# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The bpf(2) commands a loader uses on struct_ops objects, on the file descriptors of one process
(kernel/bpf/syscall.c, 6.18)."""

from __future__ import annotations

from errno import EINVAL
from typing import TYPE_CHECKING, TypeVar

from bpfvm.errors import SyscallError
from bpfvm.struct_ops.constants import BPF_F_REPLACE, BPF_STRUCT_OPS
from bpfvm.struct_ops.link import StructOpsLink
from bpfvm.struct_ops.map import MapAttr, StructOpsMap
from bpfvm.struct_ops.map_create import create_map
from bpfvm.struct_ops.module import BtfObject
from bpfvm.struct_ops.objects import FdTable, KernelObject
from bpfvm.struct_ops.progs import LoadedProg

if TYPE_CHECKING:
    from bpfvm.struct_ops.kernel import Kernel

Object = TypeVar("Object", bound=KernelObject)


class Syscalls:
    """bpf(2) for one process. Every failure is a SyscallError; ``exit`` is what happens when the process ends."""

    __slots__ = ("capable", "fds", "kernel")

    def __init__(self, kernel: Kernel, fds: FdTable | None = None, *, capable: bool = True) -> None:
        self.kernel = kernel
        self.fds = FdTable() if fds is None else fds
        self.capable = capable

    def _get(self, fd: int, kind: type[Object]) -> Object:
        found = self.fds.get(fd)
        if not isinstance(found, kind):
            raise SyscallError(EINVAL, f"fd {fd} is a {found.kind}, not a {kind.kind}")
        return found

    def map(self, fd: int) -> StructOpsMap:
        """The map behind a descriptor. Raises SyscallError EBADF, EINVAL."""
        return self._get(fd, StructOpsMap)

    def prog(self, fd: int) -> LoadedProg:
        """The program behind a descriptor. Raises SyscallError EBADF, EINVAL."""
        return self._get(fd, LoadedProg)

    def link(self, fd: int) -> StructOpsLink:
        """The link behind a descriptor. Raises SyscallError EBADF, EINVAL."""
        return self._get(fd, StructOpsLink)

    def btf_open(self, btf: BtfObject) -> int:
        """A descriptor for BTF (BPF_BTF_LOAD, or BPF_BTF_GET_FD_BY_ID for a module's)."""
        return self.fds.install(btf)

    def map_create(self, attr: MapAttr) -> int:
        """BPF_MAP_CREATE; see map_create.create_map."""
        return self.fds.install(create_map(self.kernel, attr, fds=self.fds, capable=self.capable))

    def map_update_elem(self, fd: int, key: int, value: bytes, flags: int = 0) -> int:
        """BPF_MAP_UPDATE_ELEM; see StructOpsMap.update_elem."""
        return self.map(fd).update_elem(key, value, flags, fds=self.fds)

    def map_lookup_elem(self, fd: int, key: int) -> bytes:
        """BPF_MAP_LOOKUP_ELEM."""
        return self.map(fd).lookup_elem(key)

    def map_get_next_key(self, fd: int, key: int | None) -> int:
        """BPF_MAP_GET_NEXT_KEY."""
        return self.map(fd).next_key(key)

    def map_delete_elem(self, fd: int, key: int) -> None:
        """BPF_MAP_DELETE_ELEM."""
        self.map(fd).delete_elem(key)

    def map_freeze(self, fd: int) -> None:
        """BPF_MAP_FREEZE."""
        self.map(fd).freeze()

    def link_create(self, map_fd: int, attach_type: int = BPF_STRUCT_OPS) -> int:
        """BPF_LINK_CREATE. Raises SyscallError: EBADF, EINVAL, or what the type's ``reg`` returned."""
        if attach_type != BPF_STRUCT_OPS:
            raise SyscallError(EINVAL, f"attach type {attach_type} does not take a map")
        return self.fds.install(self.kernel.links.create(self.map(map_fd)))

    def link_update(self, link_fd: int, new_map_fd: int, flags: int = 0, old_map_fd: int = 0) -> None:
        """BPF_LINK_UPDATE. With BPF_F_REPLACE the link must have the map ``old_map_fd``; without, that must be 0."""
        if flags & ~BPF_F_REPLACE:
            raise SyscallError(EINVAL, f"flags {flags:#x} has unknown bits")
        link, new = self.link(link_fd), self.map(new_map_fd)
        old = self.map(old_map_fd) if flags & BPF_F_REPLACE else None
        if old is None and old_map_fd:
            raise SyscallError(EINVAL, "old_map_fd needs BPF_F_REPLACE")
        link.update(new, old)

    def link_detach(self, fd: int) -> None:
        """BPF_LINK_DETACH."""
        self.link(fd).detach()

    def obj_pin(self, path: str, fd: int) -> None:
        """BPF_OBJ_PIN. Raises SyscallError EBADF, EPERM, EEXIST."""
        self.kernel.bpffs.pin(path, self.fds.get(fd))

    def obj_get(self, path: str) -> int:
        """BPF_OBJ_GET. Raises SyscallError ENOENT."""
        return self.fds.open(self.kernel.bpffs.get(path))

    def unlink(self, path: str) -> None:
        """unlink(2) of a pin. Raises SyscallError ENOENT."""
        self.kernel.bpffs.unlink(path)

    def map_get_fd_by_id(self, map_id: int) -> int:
        """BPF_MAP_GET_FD_BY_ID. Raises SyscallError ENOENT."""
        return self.fds.open(self.kernel.maps.by_id(map_id))

    def prog_get_fd_by_id(self, prog_id: int) -> int:
        """BPF_PROG_GET_FD_BY_ID. Raises SyscallError ENOENT."""
        return self.fds.open(self.kernel.progs.by_id(prog_id))

    def link_get_fd_by_id(self, link_id: int) -> int:
        """BPF_LINK_GET_FD_BY_ID. Raises SyscallError ENOENT."""
        return self.fds.open(self.kernel.links.by_id(link_id))

    def close(self, fd: int) -> None:
        """close(2). Raises SyscallError EBADF."""
        self.fds.close(fd)

    def exit(self) -> None:
        """The process ends: every descriptor is closed."""
        self.fds.close_all()
