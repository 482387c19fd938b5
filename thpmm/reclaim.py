# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Getting pages back: split what is only partly used, drop clean file pages, swap out anonymous ones (mm/vmscan.c,
simplified).

One list, oldest first, with a second chance for folios that were touched since the last look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thpmm.rmap import free_folio, split_folio, zap_pte

if TYPE_CHECKING:
    from thpmm.cgroup import Cgroup
    from thpmm.folio import Folio
    from thpmm.machine import Machine

RECLAIM_NS_PER_PAGE = 20_000
"""Simulated time to write one page to swap."""


class Reclaim:
    """``lru``: folios that can be reclaimed, oldest first; ``deferred_split``: large ones of which pages are
    unmapped."""

    __slots__ = ("deferred_split", "lru", "machine")

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.lru: dict[Folio, None] = {}
        self.deferred_split: dict[Folio, None] = {}

    def add(self, folio: Folio) -> None:
        """A new folio (folio_add_lru)."""
        self.lru[folio] = None

    def forget(self, folio: Folio) -> None:
        """It is being freed."""
        self.lru.pop(folio, None)
        self.deferred_split.pop(folio, None)

    def shrink(self, nr_pages: int, *, memcg: Cgroup | None = None) -> int:
        """Free at least ``nr_pages`` (of one cgroup's subtree) if possible; returns how many. Waiting counts as
        pressure."""
        freed = self._split_deferred(memcg)
        rotations = len(self.lru)
        while freed < nr_pages and self.lru:
            folio = next((each for each in self.lru if memcg is None or _in(each.memcg, memcg)), None)
            if folio is None:
                break
            del self.lru[folio]
            if folio.young and rotations > 0:
                rotations -= 1
                folio.young = False
                self.lru[folio] = None
                continue
            got = self._reclaim(folio)
            if got == 0:
                break
            freed += got
        self.machine.stall(freed * RECLAIM_NS_PER_PAGE, memcg)
        self.machine.vmstat.count("pgsteal_direct", freed)
        return freed

    def _split_deferred(self, memcg: Cgroup | None) -> int:
        before = self.machine.zone.free_pages
        for folio in list(self.deferred_split):
            if memcg is None or _in(folio.memcg, memcg):
                split_folio(self.machine, folio)
        return self.machine.zone.free_pages - before

    def _reclaim(self, folio: Folio) -> int:
        """Pages freed; 0 (and the folio back on the list) when there is nowhere to put them."""
        nr_pages = folio.nr_pages
        if folio.kind == "file" and folio.file is not None:
            for mm, addr in list(folio.ptes):
                zap_pte(mm, addr)
            file, index = folio.file
            for page in range(nr_pages):
                del file.pages[index + page]
            free_folio(self.machine, folio)
            return nr_pages
        if folio.kind == "anon" and self.machine.swap.out(folio):
            return nr_pages
        self.lru[folio] = None
        return 0


def _in(group: Cgroup | None, ancestor: Cgroup) -> bool:
    return group is not None and ancestor in group.lineage()
