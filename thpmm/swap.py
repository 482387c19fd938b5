# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Swap: slots on a synchronous device (as zram), given to folios in contiguous, aligned runs where possible
(mm/swapfile.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thpmm.orders import PMD_ORDER
from thpmm.page_table import Pte, pte_index
from thpmm.rmap import RSS_KIND, SWAP_ENTRIES, free_folio, split_folio, split_huge_pmd

if TYPE_CHECKING:
    from thpmm.folio import Folio
    from thpmm.machine import Machine


class Swap:
    """``slots`` pages; a slot is free when nothing refers to it."""

    __slots__ = ("_count", "_used", "machine", "slots", "zswap_enabled")

    def __init__(self, machine: Machine, slots: int) -> None:
        self.machine = machine
        self.slots = slots
        self.zswap_enabled = False
        self._used = bytearray(slots)
        self._count: dict[int, int] = {}

    @property
    def free_slots(self) -> int:
        """Slots that nothing refers to."""
        return self.slots - len(self._count)

    def alloc(self, order: int) -> int | None:
        """The first slot of a free run of 2^order that is aligned to its length; None when there is none."""
        length = 1 << order
        wanted = bytes(length)
        at = self._used.find(wanted)
        while at >= 0:
            aligned = (at + length - 1) & ~(length - 1)
            if aligned == at:
                return at
            at = self._used.find(wanted, aligned)
        return None

    def get(self, slot: int) -> None:
        """One more entry refers to a slot (swap_duplicate)."""
        self._count[slot] = self._count.get(slot, 0) + 1
        self._used[slot] = 1

    def put(self, slot: int) -> None:
        """One entry less (swap_free)."""
        self._count[slot] -= 1
        if self._count[slot] == 0:
            del self._count[slot]
            self._used[slot] = 0

    def count(self, slot: int) -> int:
        """Entries that refer to a slot."""
        return self._count.get(slot, 0)

    def out(self, folio: Folio) -> bool:
        """Write an anonymous folio out and free it: whole if a run is free, else split. False when swap is full."""
        if self.free_slots < folio.nr_pages:
            return False
        first = self.alloc(folio.order)
        if first is None:
            return self._out_split(folio)
        if folio.order == PMD_ORDER:
            self.machine.vmstat.count("thp_swpout")
        self.machine.vmstat.count_mthp(folio.order, "swpout")
        self._write(folio, first)
        return True

    def _out_split(self, folio: Folio) -> bool:
        if folio.order == PMD_ORDER:
            self.machine.vmstat.count("thp_swpout_fallback")
        self.machine.vmstat.count_mthp(folio.order, "swpout_fallback")
        frames = range(folio.pfn, folio.pfn + folio.nr_pages)
        split_folio(self.machine, folio)
        for frame in frames:
            single = self.machine.folio_at(frame)
            slot = self.alloc(0) if single is not None else None
            if single is not None and slot is not None:
                self._write(single, slot)
        return True

    def _write(self, folio: Folio, first: int) -> None:
        """Every mapping becomes a swap entry (try_to_unmap); huge ones are split first."""
        for mm, addr in list(folio.pmds):
            split_huge_pmd(mm, addr)
        for (mm, addr), index in list(folio.ptes.items()):
            folio.unmap_pte(mm, addr)
            mm.page_table.table(addr)[pte_index(addr)] = Pte(swap=first + index)
            mm.add_rss(RSS_KIND["anon"], -1)
            mm.add_rss(SWAP_ENTRIES, 1)
            self.get(first + index)
        self.machine.vmstat.count("pswpout", folio.nr_pages)
        free_folio(self.machine, folio)
