# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Shadow memory of the ``kasan`` checker level: one byte says how much of each 8-byte granule may be touched.

The codes are generic KASAN's (mm/kasan/kasan.h, 6.18): 0 all eight bytes, 1…7 that many leading bytes, negative
codes none.
"""

from __future__ import annotations

from mmap import mmap

from bpfvm.memory.mapping import reserve

GRANULE_SHIFT = 3
SLAB_REDZONE = 0xFC
"""behind an object, or never handed out"""
SLAB_FREE = 0xFB
"""inside an object that was freed"""


class Shadow:
    """Which bytes may be touched. Offsets are from the start of the emulated memory; one shadow byte per 8 bytes."""

    __slots__ = ("bytes",)

    def __init__(self, size: int) -> None:
        self.bytes: mmap = reserve(size >> GRANULE_SHIFT)

    def poison(self, start: int, size: int, code: int) -> None:
        """Mark ``size`` bytes (a multiple of 8) from ``start`` (aligned to 8) with ``code``."""
        first, count = start >> GRANULE_SHIFT, size >> GRANULE_SHIFT
        self.bytes[first : first + count] = bytes([code]) * count

    def unpoison(self, start: int, size: int) -> None:
        """Open exactly ``size`` bytes from ``start`` (aligned to 8)."""
        first, full = start >> GRANULE_SHIFT, size >> GRANULE_SHIFT
        self.bytes[first : first + full] = bytes(full)
        if size & 7:
            self.bytes[first + full] = size & 7

    def allows(self, start: int, size: int) -> bool:
        """May all of ``size`` (≥ 1) bytes from ``start`` be touched?"""
        last = start + size - 1
        first_granule, last_granule = start >> GRANULE_SHIFT, last >> GRANULE_SHIFT
        code = self.bytes[last_granule]
        if code and (code > 7 or (last & 7) >= code):
            return False
        if first_granule == last_granule:
            return True
        return not any(self.bytes[first_granule:last_granule])

    def first_bad(self, start: int, size: int) -> tuple[int, int]:
        """(offset, shadow code) of the first byte of the range that may not be touched; (-1, 0) when all may."""
        for offset in range(start, start + size):
            code = self.bytes[offset >> GRANULE_SHIFT]
            if code and (code > 7 or (offset & 7) >= code):
                return offset, code
        return -1, 0
