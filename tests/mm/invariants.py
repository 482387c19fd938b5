# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What must hold for every address space at any time."""

from __future__ import annotations

from thpmm import Thp
from thpmm.folio import Folio
from thpmm.mm import MM_ANONPAGES, MM_FILEPAGES, MM_SHMEMPAGES, MM_SWAPENTS, Mm
from thpmm.page_table import HugePmd


def check_mm(mm: Mm) -> None:
    """VMAs sorted and apart, counters equal to what is there, reverse map and page table the same."""
    end = 0
    for vma in mm.vmas:
        assert end <= vma.vm_start < vma.vm_end
        assert vma.vm_mm == mm.addr
        end = vma.vm_end
    assert mm.map_count == len(mm.vmas)
    assert mm.total_vm == sum(vma.pages for vma in mm.vmas)
    rss = {"anon": 0, "file": 0, "shmem": 0, "swap": 0}
    for base, entry in mm.page_table.pmds_in(0, 1 << 47):
        if isinstance(entry, HugePmd):
            around = mm.vmas.lookup(base)
            assert around is not None
            assert around.contains(base, 1 << 21)
            if entry.folio is not None:
                assert (mm, base) in entry.folio.pmds
                rss[entry.folio.kind] += 512
    for addr, pte in mm.page_table.ptes_in(0, 1 << 47):
        assert mm.vmas.lookup(addr) is not None
        if pte.folio is not None:
            assert pte.folio.ptes[(mm, addr)] == pte.index
            rss[pte.folio.kind] += 1
        elif pte.swap >= 0:
            rss["swap"] += 1
    kinds = {"file": MM_FILEPAGES, "anon": MM_ANONPAGES, "swap": MM_SWAPENTS, "shmem": MM_SHMEMPAGES}
    assert {name: mm.rss(kind) for name, kind in kinds.items()} == rss


def check_machine(thp: Thp) -> None:
    """Every address space, reference counts, and frames against folios."""
    machine = thp.machine
    for mm in machine.mms.values():
        check_mm(mm)
        users = [task for task in machine.tasks.values() if task.mm_addr == mm.addr]
        assert mm.mm_users == len(users)
        assert mm.mm_count == 1 + (mm in machine.khugepaged.mm_slots)
        assert (mm.owner in users) if users else mm.owner is None
    folios = {owner for owner in machine.zone.owner.values() if isinstance(owner, Folio)}
    for folio in folios:
        assert machine.zone.allocated[folio.pfn] == folio.order
        assert folio.mapcount > 0 or folio.kind != "anon"
    charged = sum(folio.nr_pages for folio in folios if folio.memcg is not None and not folio.partially_mapped)
    assert machine.cgroups.root.usage >= charged
    for order, stats in machine.vmstat.mthp.items():
        assert stats["nr_anon"] == sum(folio.kind == "anon" and folio.order == order for folio in folios)
