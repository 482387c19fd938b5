# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What an address maps to: per 2 MiB nothing, a huge entry or a table of 512 entries; per 1 GiB whether there is a
table at all.

Entries hold folios. Rss counters and reverse map are the callers' business (thpmm/rmap.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from thpmm.folio import Folio
from thpmm.orders import PAGE_SHIFT, PAGE_SIZE, PMD_SHIFT, PTRS_PER_PTE, PUD_SHIFT


@dataclass(slots=True)
class Pte:
    """Present when ``folio`` is set (page ``index`` of it), a swap entry when ``swap`` >= 0, otherwise the zero
    page."""

    folio: Folio | None = None
    index: int = 0
    write: bool = False
    dirty: bool = False
    young: bool = True
    swap: int = -1

    @property
    def zero(self) -> bool:
        """Is it the shared zero page?"""
        return self.folio is None and self.swap < 0


@dataclass(slots=True)
class HugePmd:
    """A 2 MiB entry; ``folio`` None is the huge zero folio."""

    folio: Folio | None
    write: bool = False
    dirty: bool = False
    young: bool = True


PteTable = dict[int, Pte]
"""index in the table (0 … 511) → entry; absent = none."""


class PageTable:
    """The tables of one address space."""

    __slots__ = ("pmds", "puds")

    def __init__(self) -> None:
        self.pmds: dict[int, HugePmd | PteTable] = {}
        self.puds: set[int] = set()

    def pud_none(self, addr: int) -> bool:
        """Is there no table for this GiB yet?"""
        return addr >> PUD_SHIFT not in self.puds

    def alloc_pud(self, addr: int) -> None:
        """Make the table that this GiB's PMD entries live in."""
        self.puds.add(addr >> PUD_SHIFT)

    def pmd(self, addr: int) -> HugePmd | PteTable | None:
        """The entry of the 2 MiB around an address."""
        return self.pmds.get(addr >> PMD_SHIFT)

    def set_pmd(self, addr: int, entry: HugePmd | PteTable) -> None:
        """Install an entry for the 2 MiB around an address."""
        self.alloc_pud(addr)
        self.pmds[addr >> PMD_SHIFT] = entry

    def clear_pmd(self, addr: int) -> None:
        """Remove it."""
        self.pmds.pop(addr >> PMD_SHIFT, None)

    def table(self, addr: int) -> PteTable:
        """The table of 512 entries around an address, made when there is none. Raises TypeError on a huge entry."""
        entry = self.pmd(addr)
        if entry is None:
            entry = {}
            self.set_pmd(addr, entry)
        if isinstance(entry, HugePmd):
            raise TypeError(f"{addr:#x} is mapped huge")
        return entry

    def pte(self, addr: int) -> Pte | None:
        """The PTE of an address; None when there is none (or the PMD is huge)."""
        entry = self.pmd(addr)
        return entry.get(pte_index(addr)) if isinstance(entry, dict) else None

    def pmds_in(self, start: int, end: int) -> Iterator[tuple[int, HugePmd | PteTable]]:
        """(address of the 2 MiB, entry) of those that overlap [start, end), ascending; entries may be removed
        meanwhile."""
        first, last = start >> PMD_SHIFT, (end - 1) >> PMD_SHIFT
        if last - first < len(self.pmds):
            found = [number for number in range(first, last + 1) if number in self.pmds]
        else:
            found = sorted(number for number in self.pmds if first <= number <= last)
        for number in found:
            yield number << PMD_SHIFT, self.pmds[number]

    def ptes_in(self, start: int, end: int) -> Iterator[tuple[int, Pte]]:
        """(address, entry) of all PTEs in [start, end), ascending; entries may be removed meanwhile."""
        for base, entry in self.pmds_in(start, end):
            if isinstance(entry, dict):
                for index in sorted(entry):
                    addr = base + (index << PAGE_SHIFT)
                    if start <= addr < end:
                        yield addr, entry[index]

    def clear_pte(self, addr: int) -> None:
        """Remove one PTE; the table stays."""
        entry = self.pmd(addr)
        if isinstance(entry, dict):
            entry.pop(pte_index(addr), None)

    def range_none(self, addr: int, nr_pages: int) -> bool:
        """Are all these PTEs, within one table, empty (pte_range_none)?"""
        entry = self.pmd(addr)
        if not entry:
            return True
        if isinstance(entry, HugePmd):
            return False
        first = pte_index(addr)
        return not any(index in entry for index in range(first, first + nr_pages))

    def free_empty(self, start: int, end: int) -> None:
        """Drop empty tables that lie wholly in [start, end) (free_pgd_range)."""
        for base, entry in list(self.pmds_in(start, end)):
            if isinstance(entry, dict) and not entry and start <= base and base + PTRS_PER_PTE * PAGE_SIZE <= end:
                self.clear_pmd(base)
        for pud in [pud for pud in self.puds if start <= pud << PUD_SHIFT and (pud + 1) << PUD_SHIFT <= end]:
            self.puds.discard(pud)


def pte_index(addr: int) -> int:
    """Place of an address's entry in its table of 512."""
    return addr >> PAGE_SHIFT & (PTRS_PER_PTE - 1)
