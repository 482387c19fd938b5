# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""libbpf's handles for struct_ops: create a planned map, attach it, update its link, let go
(tools/lib/bpf/libbpf.c, 6.12)."""

from __future__ import annotations

from collections.abc import Mapping
from errno import EBUSY, EINVAL

from bpfvm.errors import SyscallError
from bpfvm.struct_ops.load import MapPlan
from bpfvm.struct_ops.map import StructOpsMap
from bpfvm.struct_ops.module import BtfObject
from bpfvm.struct_ops.syscall import Syscalls


class BpfMap:
    """``struct bpf_map`` of libbpf for a struct_ops variable; ``fd`` is -1 until ``create``."""

    def __init__(self, plan: MapPlan, syscalls: Syscalls) -> None:
        self.plan = plan
        self.sys = syscalls
        self.fd = -1
        self.value = b""

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def kernel_map(self) -> StructOpsMap:
        """The kernel's object. Raises SyscallError EINVAL before ``create``."""
        self._need_fd()
        return self.sys.map(self.fd)

    def create(self) -> int:
        """BPF_MAP_CREATE; returns the descriptor. Raises SyscallError."""
        module = self.plan.module
        if module is None:
            self.fd = self.sys.map_create(self.plan.attr())
            return self.fd
        btf_fd = self.sys.btf_open(BtfObject(module.btf, module=module))
        try:
            self.fd = self.sys.map_create(self.plan.attr(module_btf_fd=btf_fd))
        finally:
            self.sys.close(btf_fd)
        return self.fd

    def set_programs(self, prog_fds: Mapping[str, int]) -> None:
        """After the programs are loaded: their descriptors go into the value's function slots."""
        self.value = self.plan.value_with(prog_fds)

    def _need_fd(self) -> None:
        if self.fd < 0:
            raise SyscallError(EINVAL, f"map '{self.name}': can't attach BPF map without FD (was it created?)")

    def populate(self) -> None:
        """BPF_MAP_UPDATE_ELEM; EBUSY is fine for a BPF_F_LINK map, which may be attached several times."""
        self._need_fd()
        try:
            self.sys.map_update_elem(self.fd, 0, self.value)
        except SyscallError as error:
            if error.errno != EBUSY or not self.plan.is_link_map:
                raise

    def attach(self) -> BpfLink:
        """bpf_map__attach_struct_ops. Raises SyscallError."""
        self.populate()
        if not self.plan.is_link_map:
            return BpfLink(self.sys, self.fd, is_link=False)
        return BpfLink(self.sys, self.sys.link_create(self.fd), is_link=True)

    def close(self) -> None:
        """Close the map's descriptor, if it has one."""
        if self.fd >= 0:
            self.sys.close(self.fd)
            self.fd = -1


class BpfLink:
    """``struct bpf_link``: a descriptor of a link, or, without BPF_F_LINK (``is_link`` False), the map's own."""

    def __init__(self, syscalls: Syscalls, fd: int, *, is_link: bool) -> None:
        self.sys = syscalls
        self.fd = fd
        self.is_link = is_link
        self.disconnected = False

    def update_map(self, new: BpfMap) -> None:
        """bpf_link__update_map: populate ``new`` and put it behind the link. Raises SyscallError."""
        if not self.is_link:
            raise SyscallError(EINVAL, "a struct_ops map without BPF_F_LINK can't be updated")
        new._need_fd()
        try:
            self.sys.map_update_elem(new.fd, 0, new.value)
        except SyscallError as error:
            if error.errno != EBUSY:
                raise
        self.sys.link_update(self.fd, new.fd)

    def detach(self) -> None:
        """bpf_link__detach, or what stands for it without a link: delete the element. Raises SyscallError."""
        if self.is_link:
            self.sys.link_detach(self.fd)
        else:
            self.sys.map_delete_elem(self.fd, 0)

    def disconnect(self) -> None:
        """bpf_link__disconnect: ``destroy`` won't detach anything any more, nor close the link's descriptor."""
        self.disconnected = True

    def pin(self, path: str) -> None:
        """bpf_link__pin. Raises SyscallError."""
        self.sys.obj_pin(path, self.fd)

    def destroy(self) -> None:
        """bpf_link__destroy: closes a link's descriptor; a link-less map is unregistered and keeps its own."""
        if self.disconnected:
            return
        if self.is_link:
            self.sys.close(self.fd)
        else:
            self.sys.map_delete_elem(self.fd, 0)


def attach_struct_ops(maps: Mapping[str, BpfMap], name: str) -> BpfLink:
    """Attach by name what may be any map of an object. Raises SyscallError EINVAL for one that isn't struct_ops."""
    found = maps.get(name)
    if found is None:
        raise SyscallError(EINVAL, f"map '{name}': can't attach non-struct_ops map")
    return found.attach()
