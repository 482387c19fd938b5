# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Links: what connects a READY map to its subsystem (bpf_struct_ops_link, kernel/bpf/bpf_struct_ops.c, 6.12 to
6.18)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from errno import EINVAL, ENOLINK, EOPNOTSUPP, EPERM
from typing import TYPE_CHECKING

from bpfvm.errors import SyscallError
from bpfvm.events import Event
from bpfvm.struct_ops.constants import BPF_LINK_TYPE_STRUCT_OPS, EPOLLHUP
from bpfvm.struct_ops.map import StructOpsMap
from bpfvm.struct_ops.objects import IdTable, KernelObject

if TYPE_CHECKING:
    from bpfvm.struct_ops.kernel import Kernel


@dataclass(frozen=True, slots=True)
class LinkChanged(Event):
    """A link was created, updated, detached or released; ``map_id`` is what it points to now, 0 for nothing."""

    link_id: int
    what: str
    map_id: int


class StructOpsLink(KernelObject):
    """``map`` is None before registration succeeded and after a detach. ``on_hup`` are pollers to wake at detach."""

    kind = "link"

    def __init__(self, kernel: Kernel) -> None:
        super().__init__()
        self.kernel = kernel
        self.id = 0
        self.map: StructOpsMap | None = None
        self.on_hup: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        return f"<struct_ops link {self.id} map {self.map.id if self.map else 0}>"

    def update(self, new: StructOpsMap, expected_old: StructOpsMap | None = None) -> None:
        """Replace the map behind the link. Nothing forbids ``new`` to be the map it has already.

        Raises SyscallError: EINVAL (new map not ready, or of another type), EOPNOTSUPP (type can't), ENOLINK
        (detached), EPERM (map isn't ``expected_old``), or what the type's ``update`` returned; then nothing has
        changed.
        """
        if not new.ready_to_link:
            raise SyscallError(EINVAL, f"map {new.name} is not a populated BPF_F_LINK map")
        update = new.type.desc.update
        if update is None:
            raise SyscallError(EOPNOTSUPP, f"struct {new.type.name} has no update")
        function = "bpf_struct_ops_map_link_update"
        with self.kernel.update_mutex.held(function):
            old = self.map
            if old is None:
                raise SyscallError(ENOLINK, "the link is detached")
            if expected_old is not None and old is not expected_old:
                raise SyscallError(EPERM, f"the link has map {old.name}, not {expected_old.name}")
            if new.type.desc is not old.type.desc:
                raise SyscallError(EINVAL, f"map {new.name} is not of struct {old.type.name}")
            with self.kernel.in_function(function):
                error = update(new.kdata, old.kdata, self)
            if error:
                raise SyscallError(error, f"struct {new.type.name} refused the update")
            new.get()
            self.map = new
            self._emit("update")
            old.put()

    def detach(self) -> None:
        """BPF_LINK_DETACH: unregister and let go of the map; harmless when it is detached already."""
        function = "bpf_struct_ops_map_link_detach"
        with self.kernel.update_mutex.held(function):
            old = self.map
            if old is None:
                return
            with self.kernel.in_function(function):
                old.type.desc.unreg(old.kdata, self)
            self.map = None
            self._emit("detach")
            old.put()
        for wake in tuple(self.on_hup):
            wake()

    def release(self) -> None:
        """Last descriptor or pin gone: unregister if still attached. This happens outside of update_mutex."""
        old = self.map
        if old is not None:
            with self.kernel.in_function("bpf_struct_ops_map_link_dealloc"):
                old.type.desc.unreg(old.kdata, self)
            self.map = None
        self.kernel.links.ids.remove(self.id)
        self._emit("release")
        if old is not None:
            old.put()

    def poll(self) -> int:
        """EPOLLHUP once detached, else 0."""
        return 0 if self.map is not None else EPOLLHUP

    def fdinfo(self) -> str:
        """The link's lines of /proc/PID/fdinfo/FD."""
        text = f"link_type:\tstruct_ops\nlink_id:\t{self.id}\n"
        return text if self.map is None else f"{text}map_id:\t{self.map.id}\n"

    def info(self) -> dict[str, int]:
        """struct bpf_link_info as BPF_OBJ_GET_INFO_BY_FD fills it; the map's id is 0 once detached."""
        return {
            "type": BPF_LINK_TYPE_STRUCT_OPS,
            "id": self.id,
            "prog_id": 0,
            "struct_ops.map_id": self.map.id if self.map else 0,
        }

    def _emit(self, what: str) -> None:
        if self.kernel.sink.active:
            self.kernel.sink.emit(LinkChanged(self.id, what, self.map.id if self.map else 0))


class LinkTable:
    """All struct_ops links of a kernel."""

    __slots__ = ("_kernel", "ids")

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.ids: IdTable[StructOpsLink] = IdTable()

    def __iter__(self) -> Iterator[StructOpsLink]:
        return iter(self.ids)

    def __len__(self) -> int:
        return len(self.ids)

    def by_id(self, link_id: int) -> StructOpsLink:
        """The link with this id. Raises SyscallError ENOENT."""
        return self.ids.get(link_id)

    def create(self, st_map: StructOpsMap) -> StructOpsLink:
        """BPF_LINK_CREATE: register the instance; the link's one reference is the caller's. A map may back several
        links.

        Raises SyscallError EINVAL for a map that isn't populated or not meant for links, or what ``reg`` returned.
        """
        if not st_map.ready_to_link:
            raise SyscallError(EINVAL, f"map {st_map.name} is not a populated BPF_F_LINK map")
        kernel, function = self._kernel, "bpf_struct_ops_link_create"
        link = StructOpsLink(kernel)
        link.id = self.ids.reserve()
        with kernel.update_mutex.held(function):
            with kernel.in_function(function):
                error = st_map.type.desc.reg(st_map.kdata, link)
            if error:
                raise SyscallError(error, f"struct {st_map.type.name} refused the registration")
            st_map.get()
            link.map = st_map
        self.ids.put(link.id, link)
        link._emit("create")
        return link
