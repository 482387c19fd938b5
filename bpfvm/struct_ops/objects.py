# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Kernel objects that user space reaches through ids, file descriptors and paths."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from errno import EBADF, EEXIST, ENOENT, EPERM
from typing import Generic, TypeVar

from bpfvm.errors import SyscallError

T = TypeVar("T")


class KernelObject(ABC):
    """Something with a reference count; the last ``put`` releases it. A new object's one reference belongs to its
    creator."""

    kind = ""
    """"map" | "prog" | "link" | "btf" """

    def __init__(self) -> None:
        self.refcnt = 1

    def get(self) -> None:
        """Take a reference."""
        self.refcnt += 1

    def put(self) -> None:
        """Drop a reference; the last one releases the object."""
        self.refcnt -= 1
        if self.refcnt == 0:
            self.release()

    def fd_get(self) -> None:
        """A further file descriptor or pin refers to the object."""
        self.get()

    def fd_put(self) -> None:
        """A file descriptor or pin is gone."""
        self.put()

    @abstractmethod
    def release(self) -> None:
        """Called when the last reference is gone."""


class IdTable(Generic[T]):
    """Ids from 1, handed out cyclically like the kernel's idr_alloc_cyclic: a freed id isn't used again soon."""

    __slots__ = ("_by_id", "last")

    def __init__(self) -> None:
        self._by_id: dict[int, T] = {}
        self.last = 0

    def add(self, item: T) -> int:
        """Give ``item`` the next id."""
        item_id = self.reserve()
        self.put(item_id, item)
        return item_id

    def reserve(self) -> int:
        """The next id, for an object that isn't visible yet; used up even if it never will be."""
        self.last += 1
        return self.last

    def put(self, item_id: int, item: T) -> None:
        """Make ``item`` visible under an id that was reserved, or handed out elsewhere."""
        self._by_id[item_id] = item

    def remove(self, item_id: int) -> None:
        """Forget an id; harmless when it is gone already."""
        self._by_id.pop(item_id, None)

    def get(self, item_id: int) -> T:
        """The object with this id. Raises SyscallError ENOENT."""
        found = self._by_id.get(item_id)
        if found is None:
            raise SyscallError(ENOENT, f"no object with id {item_id}")
        return found

    def __iter__(self) -> Iterator[T]:
        return iter([self._by_id[key] for key in sorted(self._by_id)])

    def __len__(self) -> int:
        return len(self._by_id)


class FdTable:
    """The file descriptors of one process: numbers from 3, lowest free one first."""

    __slots__ = ("_open",)
    FIRST = 3

    def __init__(self) -> None:
        self._open: dict[int, KernelObject] = {}

    def install(self, item: KernelObject) -> int:
        """Give ``item`` a descriptor, which takes over the caller's reference."""
        fd = self.FIRST
        while fd in self._open:
            fd += 1
        self._open[fd] = item
        return fd

    def open(self, item: KernelObject) -> int:
        """A further descriptor of an object that others refer to already."""
        item.fd_get()
        return self.install(item)

    def get(self, fd: int) -> KernelObject:
        """The object behind ``fd``, without a reference. Raises SyscallError EBADF."""
        found = self._open.get(fd)
        if found is None:
            raise SyscallError(EBADF, f"fd {fd} is not open")
        return found

    def dup(self, fd: int) -> int:
        """A second descriptor of the same object. Raises SyscallError EBADF."""
        return self.open(self.get(fd))

    def close(self, fd: int) -> None:
        """Drop a descriptor and its reference. Raises SyscallError EBADF."""
        item = self.get(fd)
        del self._open[fd]
        item.fd_put()

    def close_all(self) -> None:
        """What process exit does: every descriptor, in ascending order."""
        for fd in sorted(self._open):
            self.close(fd)

    def __len__(self) -> int:
        return len(self._open)


class BpfFs:
    """Pins below /sys/fs/bpf: a path holds one reference of an object."""

    __slots__ = ("_pins",)
    MOUNT = "/sys/fs/bpf/"

    def __init__(self) -> None:
        self._pins: dict[str, KernelObject] = {}

    def pin(self, path: str, item: KernelObject) -> None:
        """BPF_OBJ_PIN. Raises SyscallError EPERM outside of the mount, EEXIST."""
        if not path.startswith(self.MOUNT):
            raise SyscallError(EPERM, f"{path} is not below {self.MOUNT}")
        if path in self._pins:
            raise SyscallError(EEXIST, f"{path} exists")
        item.fd_get()
        self._pins[path] = item

    def get(self, path: str) -> KernelObject:
        """The object pinned at ``path``. Raises SyscallError ENOENT."""
        found = self._pins.get(path)
        if found is None:
            raise SyscallError(ENOENT, f"nothing is pinned at {path}")
        return found

    def unlink(self, path: str) -> None:
        """Remove a pin, and with it its reference. Raises SyscallError ENOENT."""
        item = self.get(path)
        del self._pins[path]
        item.fd_put()

    def paths(self) -> list[str]:
        """All pinned paths, sorted."""
        return sorted(self._pins)
