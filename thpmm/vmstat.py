# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Counters: /proc/vmstat and the per-size statistics of transparent_hugepage (names of 6.18)."""

from __future__ import annotations

from thpmm.orders import PMD_ORDER, size_kb

VMSTAT_NAMES = (
    "thp_fault_alloc",
    "thp_fault_fallback",
    "thp_fault_fallback_charge",
    "thp_collapse_alloc",
    "thp_collapse_alloc_failed",
    "thp_file_alloc",
    "thp_file_fallback",
    "thp_file_fallback_charge",
    "thp_file_mapped",
    "thp_split_page",
    "thp_split_page_failed",
    "thp_deferred_split_page",
    "thp_underused_split_page",
    "thp_split_pmd",
    "thp_scan_exceed_none_pte",
    "thp_scan_exceed_swap_pte",
    "thp_scan_exceed_share_pte",
    "thp_split_pud",
    "thp_zero_page_alloc",
    "thp_zero_page_alloc_failed",
    "thp_swpout",
    "thp_swpout_fallback",
    "pgfault",
    "pgmajfault",
    "pswpin",
    "pswpout",
    "pgsteal_direct",
    "pgmigrate_success",
    "compact_stall",
    "compact_fail",
    "compact_success",
    "allocstall_movable",
    "oom_kill",
)

MTHP_STATS = (
    "anon_fault_alloc",
    "anon_fault_fallback",
    "anon_fault_fallback_charge",
    "zswpout",
    "swpin",
    "swpin_fallback",
    "swpin_fallback_charge",
    "swpout",
    "swpout_fallback",
    "shmem_alloc",
    "shmem_fallback",
    "shmem_fallback_charge",
    "split",
    "split_failed",
    "split_deferred",
    "nr_anon",
    "nr_anon_partially_mapped",
)


class Vmstat:
    """Event counters by name; sizes have their own, per order 1 … PMD_ORDER (mm/huge_memory.c count_mthp_stat)."""

    __slots__ = ("counters", "mthp")

    def __init__(self) -> None:
        self.counters = dict.fromkeys(VMSTAT_NAMES, 0)
        self.mthp = {order: dict.fromkeys(MTHP_STATS, 0) for order in range(1, PMD_ORDER + 1)}

    def count(self, name: str, by: int = 1) -> None:
        """Add to a vmstat counter."""
        self.counters[name] += by

    def count_mthp(self, order: int, name: str, by: int = 1) -> None:
        """Add to a size's counter; order 0 has none and is ignored, as in the kernel."""
        if 0 < order <= PMD_ORDER:
            self.mthp[order][name] += by

    def snapshot(self) -> dict[str, int]:
        """All counters in one dict: vmstat names, and ``hugepages-<kB>kB/<stat>``."""
        all_of = dict(self.counters)
        for order, stats in self.mthp.items():
            prefix = f"hugepages-{size_kb(order)}kB/"
            for name, value in stats.items():
                all_of[prefix + name] = value
        return all_of
