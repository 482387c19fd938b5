# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A struct_ops link as its owner sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bpfvm.struct_ops.attach import BpfLink, BpfMap
from bpfvm.struct_ops.constants import BPF_F_REPLACE

if TYPE_CHECKING:
    from bpfvm.session.loaded import LoadedObject


class Link:
    """Connects a map of ``owner`` to its subsystem; ``map_name`` follows updates. SyscallError as bpf(2) does."""

    def __init__(self, owner: LoadedObject, map_name: str, handle: BpfLink) -> None:
        self.owner = owner
        self.map_name = map_name
        self._handle = handle
        self._path = ""
        self.closed = False

    def update(self, owner: LoadedObject, map_name: str, *, old_map: BpfMap | None = None) -> None:
        """Put another map behind the link; with ``old_map`` only if that is there now (BPF_F_REPLACE), else EPERM."""
        new = owner.struct_ops[map_name]
        if old_map is None:
            self._handle.update_map(new)
        else:
            new.populate()
            self._handle.sys.link_update(self._handle.fd, new.fd, BPF_F_REPLACE, old_map.fd)
        self.owner, self.map_name = owner, map_name

    def detach(self) -> None:
        """BPF_LINK_DETACH (or deletion of the element of a map without link)."""
        self._handle.detach()

    def close(self) -> None:
        """Close the descriptor; without a pin this detaches."""
        if not self.closed:
            self.closed = True
            self._handle.destroy()

    def pin(self, path: str) -> None:
        """Pin below /sys/fs/bpf/."""
        self._handle.pin(path)
        self._path = path

    def unpin(self) -> None:
        """Remove the pin."""
        self._handle.sys.unlink(self._path)

    def info(self) -> dict[str, Any]:
        """What BPF_OBJ_GET_INFO_BY_FD shows."""
        return dict(self._handle.sys.link(self._handle.fd).info())
