# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Folio orders as bit masks: bit n stands for 2^n pages of 4 KiB (include/linux/huge_mm.h, 6.18, x86-64)."""

from __future__ import annotations

from collections.abc import Iterator

PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT
PMD_ORDER = 9
PUD_ORDER = 18
PMD_SHIFT = PAGE_SHIFT + PMD_ORDER
PUD_SHIFT = PAGE_SHIFT + PUD_ORDER
PMD_SIZE = 1 << PMD_SHIFT
PTRS_PER_PTE = 1 << PMD_ORDER
U64 = (1 << 64) - 1

THP_ORDERS_ALL_ANON = ((1 << (PMD_ORDER + 1)) - 1) & ~0b11
THP_ORDERS_ALL_SPECIAL = 1 << PMD_ORDER | 1 << PUD_ORDER
THP_ORDERS_ALL_FILE = ((1 << (PMD_ORDER + 1)) - 1) & ~0b1
THP_ORDERS_ALL = THP_ORDERS_ALL_ANON | THP_ORDERS_ALL_SPECIAL | THP_ORDERS_ALL_FILE
THP_ORDERS_MTHP = (1 << PMD_ORDER) - 1

ANON_ORDERS = tuple(range(2, PMD_ORDER + 1))
"""Orders that have an ``enabled`` knob."""


def size_kb(order: int) -> int:
    """Size of a folio of this order in KiB, as in the name of its sysfs directory."""
    return 4 << order


def order_of_kb(kilobytes: int) -> int | None:
    """The order whose folios have this size, None when no order has."""
    order = (kilobytes >> 2).bit_length() - 1
    return order if order >= 0 and size_kb(order) == kilobytes else None


def highest_order(orders: int) -> int:
    """The highest set bit; -1 for none."""
    return orders.bit_length() - 1


def from_highest(orders: int) -> Iterator[int]:
    """Every set bit, the highest first (highest_order, next_order)."""
    while orders:
        order = orders.bit_length() - 1
        yield order
        orders &= ~(1 << order)


def align_down(addr: int, order: int) -> int:
    """The start of the naturally aligned block of this order around an address."""
    return addr & ~((PAGE_SIZE << order) - 1)


def align_up(addr: int, order: int) -> int:
    """The first block start of this order at or behind an address."""
    return align_down(addr + (PAGE_SIZE << order) - 1, order)
