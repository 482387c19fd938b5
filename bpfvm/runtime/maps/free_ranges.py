# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The free pages of an arena (kernel/bpf/range_tree.c, 6.18): which ones are given is what programs can see, so ranges
are split, joined and chosen as there."""

from __future__ import annotations


class FreeRanges:
    """Ranges of free pages, first and last of each, in the order in which they came to be as they are."""

    __slots__ = ("_ranges",)

    def __init__(self, count: int) -> None:
        self._ranges: list[tuple[int, int]] = [(0, count - 1)]

    def find(self, count: int) -> int:
        """The first page of the smallest range that holds ``count`` pages, of several the youngest; -1 without one."""
        best = None
        for first, last in self._ranges:
            if last - first + 1 >= count and (best is None or last - first <= best[1] - best[0]):
                best = first, last
        return best[0] if best is not None else -1

    def contains(self, first: int, count: int) -> bool:
        """Are they all free?"""
        return any(start <= first and first + count - 1 <= last for start, last in self._ranges)

    def clear(self, first: int, count: int) -> None:
        """They are no longer free."""
        last = first + count - 1
        for each in sorted(each for each in self._ranges if each[0] <= last and each[1] >= first):
            self._ranges.remove(each)
            if each[0] < first:
                self._ranges.append((each[0], first - 1))
            if each[1] > last:
                self._ranges.append((last + 1, each[1]))

    def set(self, first: int, count: int) -> None:
        """They are free."""
        if self.contains(first, count):
            return
        self.clear(first, count)
        joined = first, first + count - 1
        for each in [each for each in self._ranges if each[1] + 1 == first or each[0] == first + count]:
            self._ranges.remove(each)
            joined = min(joined[0], each[0]), max(joined[1], each[1])
        self._ranges.append(joined)
