# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Getting a folio: watermarks, compaction, reclaim, as hard as the caller allows (mm/page_alloc.c,
mm/compaction.c, simplified).

Waiting is simulated: the clock moves on and the time counts as memory pressure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thpmm.folio import Folio, FolioKind
from thpmm.sysfs import AllocPolicy

if TYPE_CHECKING:
    from thpmm.cgroup import Cgroup
    from thpmm.machine import Machine

SCAN_NS_PER_PAGE = 50
MIGRATE_NS_PER_PAGE = 2_000
MAX_MIGRATED = 2048
"""Pages that one attempt at compaction may move."""

ORDER0 = AllocPolicy(direct=True, retry=True)


def alloc_folio(
    machine: Machine, order: int, policy: AllocPolicy, memcg: Cgroup, *, kind: FolioKind = "anon"
) -> Folio | None:
    """A folio, not charged yet; None when there is no block and the policy allows no more (or nothing helped)."""
    pfn = _fast(machine, order, machine.zone.watermarks.low)
    if pfn is None and policy.wake:
        kswapd(machine)
    if pfn is None and policy.direct:
        pfn = _slow(machine, order, policy, memcg)
    if pfn is None:
        return None
    folio = Folio(order, pfn, kind)
    machine.zone.owner[pfn] = folio
    machine.reclaim.add(folio)
    if kind == "anon":
        machine.vmstat.count_mthp(order, "nr_anon")
    return folio


def alloc_charged(
    machine: Machine, order: int, policy: AllocPolicy, memcg: Cgroup, *, kind: FolioKind = "anon"
) -> tuple[Folio | None, str]:
    """A folio charged to ``memcg``, or None and why: "alloc" or "charge"."""
    folio = alloc_folio(machine, order, policy, memcg, kind=kind)
    if folio is None:
        return None, "alloc"
    if memcg.charge(folio):
        return folio, ""
    discard(machine, folio)
    return None, "charge"


def discard(machine: Machine, folio: Folio) -> None:
    """Free a folio that was never mapped or charged."""
    machine.reclaim.forget(folio)
    if folio.kind == "anon":
        machine.vmstat.count_mthp(folio.order, "nr_anon", -1)
    machine.zone.free(folio.pfn, folio.order)


def _fast(machine: Machine, order: int, watermark: int) -> int | None:
    if machine.zone.free_pages - (1 << order) < watermark:
        return None
    return machine.zone.alloc(order)


def _slow(machine: Machine, order: int, policy: AllocPolicy, memcg: Cgroup) -> int | None:
    """__alloc_pages_slowpath(): compaction first for large orders, then reclaim, then once more if allowed."""
    zone = machine.zone
    for _ in range(2 if policy.retry else 1):
        if order and direct_compact(machine, order, memcg):
            pfn = _fast(machine, order, zone.watermarks.min)
            if pfn is not None:
                return pfn
        short = zone.watermarks.low + (1 << order) - zone.free_pages
        if short > 0:
            machine.vmstat.count("allocstall_movable")
            machine.reclaim.shrink(short)
        pfn = _fast(machine, order, zone.watermarks.min)
        if pfn is not None:
            return pfn
    return None


def kswapd(machine: Machine) -> None:
    """Background reclaim up to the high watermark: helps the next allocation, not this one."""
    short = machine.zone.watermarks.high - machine.zone.free_pages
    if short > 0:
        machine.reclaim.shrink(short)


def direct_compact(machine: Machine, order: int, memcg: Cgroup) -> bool:
    """Move pages away until a block of ``order`` is free; counts compact_stall and how it ended."""
    if machine.zone.has_block(order):
        return True
    machine.vmstat.count("compact_stall")
    machine.stall(machine.zone.nr_pages * SCAN_NS_PER_PAGE, memcg)
    for block, used in _candidates(machine, order):
        if used > MAX_MIGRATED or used > machine.zone.free_pages:
            break
        if _empty_block(machine, block, order):
            machine.stall(used * MIGRATE_NS_PER_PAGE, memcg)
            machine.vmstat.count("compact_success")
            return True
    machine.vmstat.count("compact_fail")
    return False


def _candidates(machine: Machine, order: int) -> list[tuple[int, int]]:
    """(block, pages in use) of blocks that hold only movable folios that lie wholly inside, fewest pages first."""
    used: dict[int, int] = {}
    stuck: set[int] = set()
    for pfn, size in machine.zone.allocated.items():
        block = pfn >> order << order
        used[block] = used.get(block, 0) + (1 << size)
        if size >= order or not isinstance(machine.zone.owner[pfn], Folio):
            stuck.add(block)
    return sorted(
        ((block, pages) for block, pages in used.items() if block not in stuck), key=lambda item: (item[1], item[0])
    )


def _empty_block(machine: Machine, block: int, order: int) -> bool:
    """Migrate everything in one block elsewhere; on failure nothing is undone that already moved."""
    zone = machine.zone
    isolated = zone.isolate(block, order)
    moved: list[tuple[int, int]] = []
    complete = True
    for pfn in sorted(pfn for pfn in zone.allocated if block <= pfn < block + (1 << order) and pfn not in isolated):
        folio = zone.owner[pfn]
        assert isinstance(folio, Folio)
        target = zone.alloc(folio.order, "movable", folio)
        if target is None:
            complete = False
            break
        moved.append((pfn, folio.order))
        folio.pfn = target
        machine.vmstat.count("pgmigrate_success", folio.nr_pages)
    for pfn, size in (*moved, *isolated.items()):
        zone.free(pfn, size)
    return complete
