# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The huge zero folio that read faults map (mm/huge_memory.c mm_get_huge_zero_folio, 6.18)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thpmm.mm_flags import MMF_HUGE_ZERO_FOLIO
from thpmm.orders import PMD_ORDER

if TYPE_CHECKING:
    from thpmm.machine import Machine
    from thpmm.mm import Mm

OWNER = "huge zero folio"


class HugeZero:
    """Allocated at first use and kept; ``users`` counts address spaces that ever mapped it."""

    __slots__ = ("machine", "pfn", "users")

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.pfn: int | None = None
        self.users = 0

    def get(self, mm: Mm) -> bool:
        """Let an address space use it, once; False when there is no memory for it."""
        if mm.test_flag(MMF_HUGE_ZERO_FOLIO):
            return True
        if self.pfn is None:
            self.pfn = self.machine.zone.alloc(PMD_ORDER, "unmovable", OWNER)
            self.machine.vmstat.count("thp_zero_page_alloc_failed" if self.pfn is None else "thp_zero_page_alloc")
        if self.pfn is None:
            return False
        mm.set_flag(MMF_HUGE_ZERO_FOLIO)
        self.users += 1
        return True

    def put(self, mm: Mm) -> None:
        """An address space is gone."""
        if mm.test_flag(MMF_HUGE_ZERO_FOLIO):
            self.users -= 1
