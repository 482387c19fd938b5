# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Time that only moves when something happens, so that every run sees the same times."""

from __future__ import annotations

from typing import Final

HZ: Final = 250
TICK_NS: Final = 1_000_000_000 // HZ
INITIAL_JIFFIES: Final = (-300 * HZ) & 0xFFFF_FFFF
"""jiffies at boot: wraps after five minutes, to find code that can't take it (include/linux/jiffies.h)"""
TAI_EPOCH_NS: Final = 1_760_000_000_000_000_000
"""International Atomic Time at boot: an arbitrary but fixed October 2025"""
BOOT_NS: Final = 100_000_000_000
READ_NS: Final = 100
"""how far a reading moves the clock, so that two readings are never equal"""


class Clock:
    """Nanoseconds since boot in ``ns``, from BOOT_NS. Setting or advancing it is the session's business."""

    __slots__ = ("ns",)

    def __init__(self, ns: int = BOOT_NS) -> None:
        self.ns = ns

    def __int__(self) -> int:
        return self.ns

    def read(self) -> int:
        """The monotonic time in ns; moves the clock on by READ_NS (ktime_get)."""
        self.ns += READ_NS
        return self.ns

    def advance(self, ns: int) -> None:
        """Let ``ns`` nanoseconds pass."""
        self.ns += max(ns, 0)

    def coarse(self) -> int:
        """The time of the last timer tick, in ns (ktime_get_coarse)."""
        return self.ns - self.ns % TICK_NS

    def tai(self) -> int:
        """International Atomic Time in ns (ktime_get_clocktai); moves the clock like read."""
        return TAI_EPOCH_NS + self.read()

    def jiffies64(self) -> int:
        """Timer ticks, from INITIAL_JIFFIES at boot."""
        return INITIAL_JIFFIES + self.ns // TICK_NS
