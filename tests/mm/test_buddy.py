# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The page allocator's invariants: blocks never overlap, are aligned, and everything merges again."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfvm.errors import InternalError, UsageError
from thpmm.buddy import MAX_ORDER, Zone

PAGES = 4 << MAX_ORDER


def check(zone: Zone) -> None:
    """Allocated and free blocks together cover every frame exactly once."""
    covered = bytearray(zone.nr_pages)
    for pfn, order in (*zone.allocated.items(), *zone._block_order.items()):
        assert pfn & ((1 << order) - 1) == 0
        assert not any(covered[pfn : pfn + (1 << order)])
        covered[pfn : pfn + (1 << order)] = b"\1" * (1 << order)
    assert all(covered)
    assert sum(zone.free_blocks(order) << order for order in range(MAX_ORDER + 1)) == zone.free_pages


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, MAX_ORDER), st.booleans(), st.integers(0, 1000)), max_size=60))
def test_random_use(steps: list[tuple[int, bool, int]]) -> None:
    zone = Zone(PAGES)
    for order, free, choice in steps:
        if free and zone.allocated:
            pfn = sorted(zone.allocated)[choice % len(zone.allocated)]
            zone.free(pfn, zone.allocated[pfn])
        else:
            zone.alloc(order, "unmovable" if choice & 1 else "movable")
    check(zone)
    for pfn, order in list(zone.allocated.items()):
        zone.free(pfn, order)
    assert zone.buddyinfo() == (0,) * MAX_ORDER + (4,)


def test_same_calls_same_frames() -> None:
    first, second = Zone(PAGES), Zone(PAGES)
    assert [first.alloc(order) for order in (0, 3, 9, 1)] == [second.alloc(order) for order in (0, 3, 9, 1)]


def test_exhaustion() -> None:
    zone = Zone(1 << MAX_ORDER)
    assert zone.alloc(MAX_ORDER) == 0
    assert zone.alloc(0) is None
    zone.free(0, MAX_ORDER)
    assert zone.alloc(9) is not None


def test_split_and_take_exactly() -> None:
    zone = Zone(PAGES)
    pfn = zone.alloc(3)
    assert pfn is not None
    zone.split(pfn, 3)
    for single in range(pfn, pfn + 8):
        zone.free(single, 0)
    assert zone.alloc_at(1234, 0, "me")
    assert not zone.alloc_at(1234, 0, "you")
    check(zone)
    zone.free(1234, 0)
    assert zone.buddyinfo()[MAX_ORDER] == 4


def test_fragmenter() -> None:
    zone = Zone(PAGES)
    assert zone.fragment(1.0) == PAGES >> 9
    assert not zone.has_block(9)
    assert zone.has_block(8)
    assert zone.fragmentation_index(9) == 876
    assert zone.fragmentation_index(8) == -1000
    assert zone.unpin() == PAGES >> 9
    assert zone.buddyinfo()[MAX_ORDER] == 4


def test_misuse() -> None:
    zone = Zone(PAGES)
    with pytest.raises(InternalError):
        zone.free(0, 0)
    with pytest.raises(UsageError):
        zone.alloc(11)
    with pytest.raises(UsageError):
        Zone(100)
