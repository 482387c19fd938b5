# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Page frames: one zone with free lists of orders 0–10, split and merged by buddy address (mm/page_alloc.c).

Frames are numbers only; what a frame holds is the owner's business (`Zone.owner`). Lists are last in, first out, so
the same calls give the same frames on every run."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

from bpfvm.errors import InternalError, UsageError
from thpmm.orders import PMD_ORDER

MAX_ORDER = 10
PAGEBLOCK_ORDER = PMD_ORDER
MigrateType = Literal["unmovable", "movable"]
OTHER: dict[MigrateType, MigrateType] = {"unmovable": "movable", "movable": "unmovable"}
PINNED = "pinned"


@dataclass(frozen=True, slots=True)
class Watermarks:
    """Free pages below which allocation reclaims (``low``: kswapd wakes; ``min``: only direct reclaim helps)."""

    min: int
    low: int
    high: int


class Zone:
    """``nr_pages`` frames from frame 0, rounded down to whole blocks of the largest order."""

    __slots__ = ("_block_order", "_free", "_pageblock", "allocated", "free_pages", "nr_pages", "owner", "watermarks")

    def __init__(self, nr_pages: int) -> None:
        self.nr_pages = nr_pages >> MAX_ORDER << MAX_ORDER
        if self.nr_pages == 0:
            raise UsageError(f"{nr_pages} pages are too few: the zone needs at least {1 << MAX_ORDER}")
        self._free: dict[MigrateType, list[dict[int, None]]] = {
            kind: [{} for _ in range(MAX_ORDER + 1)] for kind in OTHER
        }
        self._block_order: dict[int, int] = {}
        self._pageblock: dict[int, MigrateType] = {}
        self.allocated: dict[int, int] = {}
        self.owner: dict[int, object] = {}
        self.free_pages = self.nr_pages
        low = max(16, self.nr_pages >> 8)
        self.watermarks = Watermarks(min=low * 4 // 5, low=low, high=low * 6 // 5)
        for pfn in range(self.nr_pages - (1 << MAX_ORDER), -1, -(1 << MAX_ORDER)):
            self._add(pfn, MAX_ORDER)

    def migratetype(self, pfn: int) -> MigrateType:
        """Of the page block (2 MiB) that the frame lies in."""
        return self._pageblock.get(pfn >> PAGEBLOCK_ORDER, "movable")

    def _add(self, pfn: int, order: int) -> None:
        self._free[self.migratetype(pfn)][order][pfn] = None
        self._block_order[pfn] = order

    def _take(self, pfn: int) -> None:
        order = self._block_order.pop(pfn)
        for kind in OTHER:
            self._free[kind][order].pop(pfn, None)

    def alloc(self, order: int, kind: MigrateType = "movable", owner: object = None) -> int | None:
        """The first frame of 2^order free ones, aligned to their number; None when there is no such block."""
        if not 0 <= order <= MAX_ORDER:
            raise UsageError(f"no blocks of order {order}: 0 to {MAX_ORDER}")
        pfn = self._rmqueue(order, kind)
        if pfn is None:
            pfn = self._steal(order, kind)
        if pfn is not None:
            self._assign(pfn, order, owner)
        return pfn

    def _assign(self, pfn: int, order: int, owner: object) -> None:
        self.allocated[pfn] = order
        self.owner[pfn] = owner
        self.free_pages -= 1 << order

    def _rmqueue(self, order: int, kind: MigrateType) -> int | None:
        """Smallest block that is large enough; the upper halves go back (expand())."""
        for size in range(order, MAX_ORDER + 1):
            blocks = self._free[kind][size]
            if blocks:
                pfn = next(reversed(blocks))
                self._take(pfn)
                self._expand(pfn, size, order)
                return pfn
        return None

    def _expand(self, pfn: int, size: int, order: int) -> None:
        while size > order:
            size -= 1
            self._add(pfn + (1 << size), size)

    def _steal(self, order: int, kind: MigrateType) -> int | None:
        """From the other kind, its largest block first, taking whole page blocks over (__rmqueue_fallback)."""
        for size in range(MAX_ORDER, order - 1, -1):
            blocks = self._free[OTHER[kind]][size]
            if blocks:
                pfn = next(reversed(blocks))
                self._take(pfn)
                if size >= PAGEBLOCK_ORDER:
                    for block in range(pfn >> PAGEBLOCK_ORDER, (pfn + (1 << size)) >> PAGEBLOCK_ORDER):
                        self._pageblock[block] = kind
                self._expand(pfn, size, order)
                return pfn
        return None

    def free(self, pfn: int, order: int) -> None:
        """Give a block back; it merges with its buddy as long as that is free and of the same size."""
        if self.allocated.get(pfn) != order:
            raise InternalError(f"freeing frame {pfn} as order {order}, but it is {self.allocated.get(pfn)}")
        del self.allocated[pfn]
        del self.owner[pfn]
        self.free_pages += 1 << order
        while order < MAX_ORDER and self._block_order.get(pfn ^ (1 << order)) == order:
            buddy = pfn ^ (1 << order)
            self._take(buddy)
            pfn = min(pfn, buddy)
            order += 1
        self._add(pfn, order)

    def split(self, pfn: int, order: int) -> None:
        """Turn one allocated block into 2^order allocated single frames (split_page)."""
        owner = self.owner[pfn]
        if self.allocated.pop(pfn) != order:
            raise InternalError(f"splitting frame {pfn} as order {order}")
        for single in range(pfn, pfn + (1 << order)):
            self.allocated[single] = 0
            self.owner[single] = owner

    def alloc_at(self, pfn: int, order: int, owner: object) -> bool:
        """Take exactly this block if all of it is free (compaction's target, fragmentation)."""
        size = order
        while size <= MAX_ORDER and self._block_order.get(pfn & ~((1 << size) - 1)) != size:
            size += 1
        if size > MAX_ORDER:
            return False
        start = pfn & ~((1 << size) - 1)
        self._take(start)
        while size > order:
            size -= 1
            half = start + (1 << size)
            if pfn >= half:
                self._add(start, size)
                start = half
            else:
                self._add(half, size)
        self._assign(pfn, order, owner)
        return True

    def isolate(self, start: int, order: int) -> dict[int, int]:
        """Take every free block inside of [start, start + 2^order); returns frame → order of what was taken."""
        taken: dict[int, int] = {}
        pfn = start
        while pfn < start + (1 << order):
            size = self._block_order.get(pfn)
            if size is None:
                size = self.allocated.get(pfn, 0)
            elif self.alloc_at(pfn, size, PINNED):
                taken[pfn] = size
            pfn += 1 << size
        return taken

    def free_blocks(self, order: int) -> int:
        """Number of free blocks of exactly this order (a column of /proc/buddyinfo)."""
        return sum(len(self._free[kind][order]) for kind in OTHER)

    def buddyinfo(self) -> tuple[int, ...]:
        """Free blocks per order, 0 … 10."""
        return tuple(self.free_blocks(order) for order in range(MAX_ORDER + 1))

    def has_block(self, order: int) -> bool:
        """Could alloc() serve this order now?"""
        return any(self.free_blocks(size) for size in range(order, MAX_ORDER + 1))

    def fragmentation_index(self, order: int) -> int:
        """Thousandths: towards 0 an allocation fails for lack of memory, towards 1000 for fragmentation; -1000 when it
        would succeed (mm/vmstat.c __fragmentation_index)."""
        blocks = sum(self.buddyinfo())
        if blocks == 0:
            return 0
        if self.has_block(order):
            return -1000
        requested = 1 << order
        return 1000 - (1000 + self.free_pages * 1000 // requested) // blocks

    def fragment(self, fraction: float, seed: int = 0, *, order: int = PAGEBLOCK_ORDER) -> int:
        """Pin one unmovable page in the given share of all blocks of ``order``; returns how many were pinned.

        1.0 leaves no free block of that order anywhere. Pinned frames stay until unpin().
        """
        blocks = list(range(0, self.nr_pages, 1 << order))
        Random(seed).shuffle(blocks)
        wanted = round(len(blocks) * fraction)
        return sum(self._pin_in(block, order) for block in blocks[:wanted])

    def _pin_in(self, block: int, order: int) -> bool:
        middle = block + (1 << order >> 1)
        return any(
            self.alloc_at(pfn, 0, PINNED) for pfn in (middle, *range(block, block + (1 << order))) if self._is_free(pfn)
        )

    def _is_free(self, pfn: int) -> bool:
        return any(self._block_order.get(pfn & ~((1 << size) - 1)) == size for size in range(MAX_ORDER + 1))

    def unpin(self) -> int:
        """Free everything that fragment() pinned; returns how many pages that were."""
        pinned = [pfn for pfn, owner in self.owner.items() if owner is PINNED]
        for pfn in pinned:
            self.free(pfn, 0)
        return len(pinned)
