# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BPF_MAP_TYPE_ARENA: pages that programs and user space share (kernel/bpf/arena.c, 6.18).

As in the kernel 4 GiB of addresses are set aside, so that an arena pointer's lower half can't lead anywhere else.
What programs do where no page is allocated: `bpfvm.engine.arena`.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from bpfvm.engine.arena import AREA, BEFORE, PAGE_SHIFT, WINDOW, page_table
from bpfvm.errors import SyscallError
from bpfvm.isa import map_types as mt
from bpfvm.isa.word import U32_MAX, u32
from bpfvm.memory.fault import PAGE_SIZE
from bpfvm.obj.model import MapSpec
from bpfvm.runtime.maps.base import Map
from bpfvm.runtime.maps.free_ranges import FreeRanges

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

SEGV_ON_FAULT, NO_USER_CONV = 1 << 17, 1 << 18
USER_START: Final = 0x7F00_0000_0000
"""where user space maps an arena that doesn't say"""


class ArenaMap(Map):
    """``window``: the kernel's address for a lower half of 0; ``user_start``: the first page's address in user space.
    Pages are numbered from there."""

    kind = "arena"
    __slots__ = ("_block", "_free", "_there", "user_start", "window")

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        flags, start, size = spec.map_flags, spec.map_extra, spec.max_entries * PAGE_SIZE
        if spec.key_size or spec.value_size or not spec.max_entries or not flags & mt.BPF_F_MMAPABLE:
            return -errno.EINVAL
        if flags & ~(mt.BPF_F_MMAPABLE | SEGV_ON_FAULT | NO_USER_CONV) or start & PAGE_SIZE - 1:
            return -errno.EINVAL
        if size > WINDOW:
            return -errno.E2BIG
        return -errno.ERANGE if start >> 32 != start + size - 1 >> 32 else 0

    def __init__(self, rt: Runtime, spec: MapSpec, map_id: int) -> None:
        super().__init__(rt, spec, map_id)
        self.user_start = spec.map_extra or USER_START
        self._block = self.memory.alloc_sparse(AREA, what=f"arena '{spec.name}'; see Session(arenas=True)")
        self.window = self._block + BEFORE
        self._free = FreeRanges(self.max_entries)
        self._there: set[int] = set()
        initial = spec.initial or b""
        self.memory.write(self.kernel_address(0), initial)
        self._place(range(-(-len(initial) // PAGE_SIZE)))

    def destroy(self) -> None:
        self.memory.free(self._block)
        super().destroy()

    def kernel_address(self, page: int) -> int:
        """Where a page's bytes are."""
        return self.window + u32(self.user_start + page * PAGE_SIZE)

    def direct_value(self) -> int:
        return self.user_start

    # --- the program's side -----------------------------------------------------------------------------------------
    def _page_of(self, address: int) -> int:
        """Number of the page at this user address, of which only the lower half counts."""
        return u32(address - u32(self.user_start)) // PAGE_SIZE

    def alloc_pages(self, address: int, count: int, node: int) -> int:
        """User address of ``count`` zeroed pages, at ``address`` unless that is 0; 0 when they aren't to be had."""
        if node not in (-1, 0) or not 0 < count <= self.max_entries or address & PAGE_SIZE - 1:
            return 0
        first = self._page_of(address) if address else self._free.find(count)
        if first < 0 or first > self.max_entries - count or not self._free.contains(first, count):
            return 0
        self._place(range(first, first + count))
        return self.user_start & ~U32_MAX | u32(self.user_start + first * PAGE_SIZE)

    def _place(self, pages: range) -> None:
        """Pages are there from now on."""
        if pages:
            self._free.clear(pages.start, len(pages))
        self._there.update(pages)
        self._show(pages, 1)

    def _show(self, pages: Iterable[int], there: int) -> None:
        """What the table that engines look into says about pages."""
        first = page_table(self.window) + (BEFORE >> PAGE_SHIFT)
        for page in pages:
            self.memory.store(first + (self.kernel_address(page) - self.window >> PAGE_SHIFT), 1, there)

    def free_pages(self, address: int, count: int) -> None:
        """Give pages back, also reserved ones; what isn't the arena's is left out."""
        first = self._page_of(address)
        if first >= self.max_entries:
            return
        freed = range(first, min(first + count, self.max_entries))
        gone = self._there.intersection(freed)
        for page in gone:
            self.memory.write(self.kernel_address(page), bytes(PAGE_SIZE))
        self._show(gone, 0)
        self._there -= gone
        self._free.set(first, len(freed))

    def reserve_pages(self, address: int, count: int) -> int:
        """Keep pages from being allocated; 0 or a negative errno."""
        first = self._page_of(address)
        if first + count > self.max_entries:
            return -errno.EINVAL
        if not self._free.contains(first, count):
            return -errno.EBUSY
        self._free.clear(first, count)
        return 0

    def update_elem(self, key: bytes, value: bytes, flags: int) -> int:
        return -errno.EOPNOTSUPP

    def delete_elem(self, key: bytes) -> int:
        return -errno.EOPNOTSUPP

    # --- user space's side ------------------------------------------------------------------------------------------
    def read(self, address: int, size: int) -> bytes:
        """Bytes at a user address of the mapped arena. Pages that aren't there come to be (arena_vm_fault). Raises
        SyscallError(EFAULT) outside of the arena, and where BPF_F_SEGV_ON_FAULT forbids that."""
        self._touch(address, size)
        return self.memory.read(self.window + u32(address), size)

    def write(self, address: int, data: bytes) -> None:
        """Store at a user address; as read."""
        self._touch(address, len(data))
        self.memory.write(self.window + u32(address), data)

    def _touch(self, address: int, size: int) -> None:
        offset = address - self.user_start
        if not 0 <= offset <= offset + size <= self.max_entries * PAGE_SIZE:
            raise SyscallError(errno.EFAULT, f"{address:#x} is not in {self!r}")
        for page in range(offset // PAGE_SIZE, -(-(offset + size) // PAGE_SIZE)):
            if page in self._there:
                continue
            if self.spec.map_flags & SEGV_ON_FAULT:
                raise SyscallError(errno.EFAULT, f"page {page} of {self!r} is not allocated")
            self._place(range(page, page + 1))

    def _value(self, key: bytes) -> bytes | int:
        return -errno.EINVAL

    def _replace(self, key: bytes, value: bytes, flags: int) -> int:
        return -errno.EOPNOTSUPP

    def _next_key(self, key: bytes | None) -> bytes | int:
        return -errno.EOPNOTSUPP


def arena_of(maps: Iterable[Map]) -> tuple[int, int] | None:
    """(window, start in user space) of the arena among a program's maps: what its image needs. Without user addresses
    (BPF_F_NO_USER_CONV) a cast to one gives the lower half."""
    for each in maps:
        if isinstance(each, ArenaMap):
            return each.window, 0 if each.spec.map_flags & NO_USER_CONV else each.user_start
    return None
