# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which bytes of the emulated memory belong to whom: size classes with free lists, the shape of the kernel's SLUB.

Small objects come from slabs of one size class, lowest address first; a freed object is the next one handed out for its
class (last in, first out, as SLUB's per-CPU free list). Objects above 8 KiB take whole pages. Everything depends
only on the order of calls, so addresses are the same on every run. Unlike SLUB no free pointer is stored inside free
objects: their old contents stay readable until they are handed out again, which is what a stale pointer sees in a
production kernel.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

from bpfvm.errors import UsageError

PAGE = 4096
SIZE_CLASSES = (8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192)
"""kmalloc's (mm/slab_common.c kmalloc_info, 6.18), in bytes"""
REDZONE = 16
"""bytes that are never part of an object, behind each object when redzones are on"""
QUARANTINE_BYTES = 1 << 20
"""freed bytes held back before the oldest freed object may be handed out again"""


class Block:
    """One object: ``size`` bytes were asked for, ``room`` bytes are set aside from ``start`` (an offset)."""

    __slots__ = ("live", "room", "size", "start", "what")

    def __init__(self, start: int, size: int, room: int, what: str) -> None:
        self.start = start
        self.size = size
        self.room = room
        self.what = what
        self.live = True


class _Class:
    """Objects of ``room`` bytes: freed ones, and the rest of a slab."""

    __slots__ = ("end", "free", "next", "room")

    def __init__(self, room: int) -> None:
        self.room = room
        self.free: list[int] = []
        self.next = 0
        self.end = 0


class Allocator:
    """Hands out offsets in [PAGE, limit). The first page is never handed out."""

    __slots__ = (
        "_blocks",
        "_classes",
        "_held",
        "_held_bytes",
        "_quarantine",
        "_region_rooms",
        "_region_starts",
        "brk",
        "limit",
        "redzone",
    )

    def __init__(self, limit: int, *, redzones: bool = False) -> None:
        self.brk = PAGE
        self.limit = limit
        self.redzone = REDZONE if redzones else 0
        self._classes: dict[int, _Class] = {}
        self._blocks: dict[int, Block] = {}
        self._region_starts: list[int] = []
        self._region_rooms: list[int] = []
        self._quarantine = redzones
        self._held: deque[Block] = deque()
        self._held_bytes = 0

    def alloc(self, size: int, align: int = 8, what: str = "") -> tuple[Block, bool] | None:
        """A new block and whether its bytes were used before; None when the memory is used up.

        Raises UsageError for a size below 1 or an alignment that isn't a power of two up to a page.
        """
        if size < 1 or align < 1 or align & (align - 1) or align > PAGE:
            raise UsageError(f"can't allocate {size} bytes aligned to {align}")
        room = self._room(size + self.redzone, align)
        pool = self._classes.get(room)
        if pool is None:
            pool = self._classes[room] = _Class(room)
        if pool.free:
            start, used = pool.free.pop(), True
        elif pool.next < pool.end or self._grow(pool):
            start, used = pool.next, False
            pool.next += room
        else:
            return None
        block = self._blocks[start] = Block(start, size, room, what)
        return block, used

    @staticmethod
    def _room(size: int, align: int) -> int:
        for room in SIZE_CLASSES:
            if room >= size and room % align == 0:
                return room
        return -(-size // PAGE) * PAGE

    def _grow(self, pool: _Class) -> bool:
        room = pool.room
        slab = room if room > SIZE_CLASSES[-1] else PAGE if room <= 512 else 8 * PAGE
        if self.brk + slab > self.limit:
            slab = room if room % PAGE == 0 else PAGE
            if self.brk + slab > self.limit or slab < room:
                return False
        pool.next = self.brk
        pool.end = self.brk + slab // room * room
        self._region_starts.append(self.brk)
        self._region_rooms.append(room)
        self.brk += slab
        return True

    def free(self, start: int) -> Block | None:
        """Give the block at ``start`` back; it may be freed already (then it is listed twice, as SLUB would). None:
        no block."""
        block = self._blocks.get(start)
        if block is None:
            return None
        block.live = False
        if not self._quarantine:
            self._classes[block.room].free.append(start)
            return block
        self._held.append(block)
        self._held_bytes += block.room
        while self._held_bytes > QUARANTINE_BYTES and len(self._held) > 1:
            oldest = self._held.popleft()
            self._held_bytes -= oldest.room
            self._classes[oldest.room].free.append(oldest.start)
        return block

    def at(self, start: int) -> Block | None:
        """The block, live or freed, that begins at ``start``."""
        return self._blocks.get(start)

    def around(self, offset: int) -> Block | None:
        """The block, live or freed, in whose room ``offset`` lies."""
        index = bisect_right(self._region_starts, offset) - 1
        if index < 0:
            return None
        begin, room = self._region_starts[index], self._region_rooms[index]
        return self._blocks.get(begin + (offset - begin) // room * room)

    def live_blocks(self) -> list[Block]:
        """All blocks in use, by address: what a leak check looks at."""
        return [block for _, block in sorted(self._blocks.items()) if block.live]
