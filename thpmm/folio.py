# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Folios: 2^order frames that are allocated, mapped and freed together (include/linux/mm_types.h struct folio).

No program can reach them in this emulation, so they are Python objects, not bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from thpmm.cgroup import Cgroup
    from thpmm.file import File
    from thpmm.mm import Mm

FolioKind = Literal["anon", "file", "shmem"]


class Folio:
    """``ptes`` and ``pmds`` are the reverse map: (address space, virtual address) of every mapping → page index
    mapped there."""

    __slots__ = ("file", "index_maps", "kind", "memcg", "order", "partially_mapped", "pfn", "pmds", "ptes", "young")

    def __init__(self, order: int, pfn: int, kind: FolioKind = "anon") -> None:
        self.order = order
        self.pfn = pfn
        self.kind = kind
        self.memcg: Cgroup | None = None
        self.file: tuple[File, int] | None = None
        self.ptes: dict[tuple[Mm, int], int] = {}
        self.pmds: dict[tuple[Mm, int], None] = {}
        self.index_maps: dict[int, int] = {}
        self.partially_mapped = False
        self.young = True

    def __repr__(self) -> str:
        return f"<folio order {self.order} pfn {self.pfn:#x} mapcount {self.mapcount}>"

    @property
    def nr_pages(self) -> int:
        """Number of 4 KiB pages."""
        return 1 << self.order

    @property
    def mapcount(self) -> int:
        """Mappings by a PMD count once, mappings by PTEs once per page (folio_mapcount)."""
        return len(self.ptes) + len(self.pmds)

    @property
    def mapped_shared(self) -> bool:
        """Does more than one address space map it (folio_maybe_mapped_shared)?"""
        mms = {mm for mm, _ in self.ptes}
        mms.update(mm for mm, _ in self.pmds)
        return len(mms) > 1

    def exclusive_page(self, index: int) -> bool:
        """Is this page mapped just once, and may so be written without a copy?"""
        return len(self.pmds) + self.index_maps.get(index, 0) == 1 and not self.mapped_shared

    def map_pte(self, mm: Mm, addr: int, index: int) -> None:
        """A PTE at ``addr`` now maps page ``index``."""
        self.ptes[(mm, addr)] = index
        self.index_maps[index] = self.index_maps.get(index, 0) + 1

    def unmap_pte(self, mm: Mm, addr: int) -> None:
        """The PTE at ``addr`` doesn't any more."""
        index = self.ptes.pop((mm, addr))
        self.index_maps[index] -= 1
        if not self.index_maps[index]:
            del self.index_maps[index]

    def has_unmapped_pages(self) -> bool:
        """Is a page of it mapped nowhere while another is?"""
        return not self.pmds and 0 < len(self.index_maps) < self.nr_pages
