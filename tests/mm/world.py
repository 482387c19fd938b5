# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""An emulated machine with policies that are Python functions, for tests of the mm that need no BPF program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import thpmm
from bpfvm.memory import Memory
from bpfvm.runtime.runtime import Runtime
from bpfvm.struct_ops import Kernel, StructOpsLink, StructOpsMap, Syscalls
from bpfvm.struct_ops.constants import BPF_F_LINK
from bpfvm.struct_ops.map import MapAttr
from thpmm.mm import Mm

Policy = Callable[[int, int, int], int]
"""(address of the vm_area_struct, type, orders) → order."""
KB64 = {"enabled": "always", "hugepages-64kB": "inherit"}


def top(vma: int, tva: int, orders: int) -> int:
    """The largest order asked for."""
    return orders.bit_length() - 1


class World:
    """Kernel, thp, and the bpf(2) calls of one loader process."""

    def __init__(self, profile: str = "v11", checker: str = "off", **options: Any) -> None:
        patch04 = 4 in options.get("patches", ())
        options.setdefault("sysfs", {"enabled": "always"})
        options.setdefault("memory_mb", 64)
        self.memory = Memory(64 << 20, checker=checker)
        btf = thpmm.kernel_btf(patch04=patch04)
        self.kernel = Kernel(self.memory, btf, Runtime(self.memory, btf), checker=checker)
        self.thp = thpmm.boot(self.kernel, profile, **options)
        self.sys = Syscalls(self.kernel)
        found = self.kernel.registry.by_name("bpf_thp_ops")
        assert found is not None
        self.type = found

    def policy(self, name: str, function: Policy = top, *, pid: int = 0, link: bool = True) -> int:
        """Descriptor of a populated map whose program is ``function``. Raises SyscallError."""

        def run(context: int) -> int:
            vma, tva, orders = (self.memory.u64(context + 8 * index) for index in range(3))
            return function(vma, tva & 0xFFFFFFFF, orders)

        prog = self.kernel.progs.load(name, run, attach_btf_id=self.type.type_id, expected_attach_type=1)
        prog_fd = self.sys.fds.install(prog)
        attr = MapAttr(name, self.type.value_id, self.type.value_size, map_flags=BPF_F_LINK if link else 0)
        map_fd = self.sys.map_create(attr)
        self.populate(map_fd, prog_fd, pid)
        self.sys.close(prog_fd)
        return map_fd

    def populate(self, map_fd: int, prog_fd: int, pid: int) -> None:
        """BPF_MAP_UPDATE_ELEM."""
        value = bytearray(self.type.value_size)
        at = self.type.data_offset
        value[at : at + 4] = (pid & 0xFFFFFFFF).to_bytes(4, "little")
        value[at + 8 : at + 16] = prog_fd.to_bytes(8, "little")
        self.sys.map_update_elem(map_fd, 0, bytes(value))

    def attach(self, name: str, task: str | int, function: Policy = top) -> int:
        """Descriptor of a link that puts a task under a new policy; its map has only that reference. Raises
        SyscallError."""
        pid = task if isinstance(task, int) else self.thp.task(task).pid
        map_fd = self.policy(name, function, pid=pid)
        try:
            return self.sys.link_create(map_fd)
        finally:
            self.sys.close(map_fd)

    def link(self, fd: int) -> StructOpsLink:
        """The link behind a descriptor."""
        return self.sys.link(fd)

    def map(self, fd: int) -> StructOpsMap:
        """The map behind a descriptor."""
        return self.sys.map(fd)

    def mm(self, task: str) -> Mm:
        """A task's address space."""
        found = self.thp.task(task).mm
        assert found is not None
        return found

    def manager(self, task: str) -> str | tuple[str, ...] | None:
        """Whose program runs when the task touches fresh memory."""
        return self.thp.fresh_fault(task).managed_by
