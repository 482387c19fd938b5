# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The VMAs of one address space by address (the kernel's maple tree): sorted, never overlapping."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bpfvm.errors import InternalError

if TYPE_CHECKING:
    from thpmm.vma import Vma


class VmaTree:
    """Start addresses and VMAs in two parallel lists; a VMA whose bounds change is removed before and inserted
    after."""

    __slots__ = ("_starts", "_vmas")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._vmas: list[Vma] = []

    def __iter__(self) -> Iterator[Vma]:
        """All VMAs, ascending; the tree may change meanwhile."""
        return iter(self._vmas[:])

    def __len__(self) -> int:
        return len(self._vmas)

    def insert(self, vma: Vma) -> None:
        """Add a VMA that overlaps none."""
        start = vma.vm_start
        place = bisect_left(self._starts, start)
        if (place and self._vmas[place - 1].vm_end > start) or (
            place < len(self._vmas) and self._starts[place] < vma.vm_end
        ):
            raise InternalError(f"{vma} overlaps another VMA")
        self._starts.insert(place, start)
        self._vmas.insert(place, vma)

    def remove(self, vma: Vma) -> None:
        """Take a VMA out."""
        place = bisect_left(self._starts, vma.vm_start)
        del self._starts[place]
        del self._vmas[place]

    def find_vma(self, addr: int) -> Vma | None:
        """The first VMA that ends above ``addr``; it may begin above it, too."""
        place = bisect_right(self._starts, addr) - 1
        if place >= 0 and self._vmas[place].vm_end > addr:
            return self._vmas[place]
        return self._vmas[place + 1] if place + 1 < len(self._vmas) else None

    def lookup(self, addr: int) -> Vma | None:
        """The VMA that contains ``addr`` (vma_lookup)."""
        vma = self.find_vma(addr)
        return vma if vma is not None and vma.vm_start <= addr else None

    def overlapping(self, start: int, end: int) -> list[Vma]:
        """VMAs with at least a byte in [start, end), ascending."""
        first = bisect_right(self._starts, start) - 1
        if first < 0 or self._vmas[first].vm_end <= start:
            first += 1
        return self._vmas[first : bisect_left(self._starts, end)]

    def prev(self, vma: Vma) -> Vma | None:
        """The VMA below."""
        place = bisect_left(self._starts, vma.vm_start)
        return self._vmas[place - 1] if place else None

    def next(self, vma: Vma) -> Vma | None:
        """The VMA above."""
        place = bisect_left(self._starts, vma.vm_start) + 1
        return self._vmas[place] if place < len(self._vmas) else None

    def unmapped_area(self, length: int, below: int, align: int, least: int) -> int | None:
        """The highest free address range of ``length`` that ends at or below ``below``, aligned (top-down search)."""
        end = below
        for vma in reversed(self._vmas):
            if vma.vm_start >= end:
                continue
            addr = (end - length) & ~(align - 1)
            if addr >= vma.vm_end:
                return addr
            end = min(end, vma.vm_start)
        addr = (end - length) & ~(align - 1)
        return addr if addr >= least else None
