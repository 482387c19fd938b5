# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Files: what a mapping's ``vm_file`` points at, with its page cache (struct file, struct inode)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thpmm.folio import Folio
from thpmm.kobject import Field, KObject

if TYPE_CHECKING:
    from thpmm.machine import Machine


class Inode(KObject):
    """struct inode."""

    STRUCT = "inode"
    i_ino = Field("i_ino")


class File(KObject):
    """struct file. ``dax``: its mappings have a huge_fault handler; ``thp_capable``: a regular file, never written
    to, that khugepaged may collapse (CONFIG_READ_ONLY_THP_FOR_FS); ``shmem``: shared anonymous memory of
    ``size_pages`` pages."""

    STRUCT = "file"
    __slots__ = ("dax", "inode", "pages", "path", "shmem", "size_pages", "thp_capable", "users")
    f_inode = Field("f_inode")

    def __init__(
        self,
        machine: Machine,
        path: str,
        ino: int,
        *,
        shmem: bool = False,
        dax: bool = False,
        thp_capable: bool = False,
        size_pages: int = 1 << 40,
    ) -> None:
        super().__init__(machine)
        self.path = path
        self.shmem = shmem
        self.dax = dax
        self.size_pages = size_pages
        self.thp_capable = thp_capable
        self.users = 0
        self.pages: dict[int, Folio] = {}
        self.inode = Inode(machine)
        self.inode.i_ino = ino
        self.f_inode = self.inode.addr


class Files:
    """Files by path, with inode numbers from 2."""

    __slots__ = ("_by_path", "_last_ino", "_machine")

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._last_ino = 1
        self._by_path: dict[str, File] = {}

    def open(self, path: str, *, dax: bool = False, thp_capable: bool = False) -> File:
        """The file of this path; the first to open it says what kind it is."""
        found = self._by_path.get(path)
        if found is None:
            found = File(self._machine, path, self._ino(), dax=dax, thp_capable=thp_capable)
            self._by_path[path] = found
        return found

    def shmem(self, size_pages: int) -> File:
        """The unnamed file behind a shared anonymous mapping (shmem_zero_setup)."""
        return File(self._machine, "/dev/zero (deleted)", self._ino(), shmem=True, size_pages=size_pages)

    def _ino(self) -> int:
        self._last_ino += 1
        return self._last_ino
