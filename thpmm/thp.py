# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which folio orders a VMA may have: thp_vma_allowable_orders() (include/linux/huge_mm.h, mm/huge_memory.c, 6.18 +
v11).

The order of the steps is the behaviour: what a program sees, and when it isn't asked, follows from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thpmm.mm_flags import MMF_DISABLE_THP_COMPLETELY, MMF_DISABLE_THP_EXCEPT_ADVISED
from thpmm.orders import (
    PAGE_SHIFT,
    PAGE_SIZE,
    THP_ORDERS_ALL_ANON,
    THP_ORDERS_ALL_FILE,
    THP_ORDERS_ALL_SPECIAL,
    align_down,
    from_highest,
)
from thpmm.shmem import shmem_allowable_huge_orders
from thpmm.tva import TVA_FORCED_COLLAPSE, TVA_PAGEFAULT, TVA_SMAPS, TVA_SWAP_PAGEFAULT
from thpmm.vm_flags import VM_HUGEPAGE, VM_MIXEDMAP, VM_NO_KHUGEPAGED, VM_NOHUGEPAGE, VM_PFNMAP

if TYPE_CHECKING:
    from thpmm.machine import Machine
    from thpmm.vma import Vma

FAULTS = (TVA_PAGEFAULT, TVA_SWAP_PAGEFAULT)


def thp_vma_allowable_orders(machine: Machine, vma: Vma, tva: int, orders: int) -> int:
    """The orders of the mask ``orders`` that ``vma`` may get now, for the purpose ``tva`` (enum tva_type)."""
    profile, hook = machine.profile, machine.bpf_thp.get_orders
    after_sysfs = profile.has("hook_after_sysfs")
    if profile.has("hook_after_disabled") and vma_thp_disabled(vma, tva):
        return 0
    if not after_sysfs:
        orders &= hook(vma, tva, orders)
        if not orders:
            return 0
    if tva != TVA_FORCED_COLLAPSE and vma.anonymous:
        orders &= sysfs_orders(machine, vma)
        if not orders:
            return 0
    if after_sysfs:
        orders &= hook(vma, tva, orders)
        if not orders:
            return 0
    return _allowable(machine, vma, tva, orders)


def thp_vma_allowable_order(machine: Machine, vma: Vma, tva: int, order: int) -> bool:
    """The same for one order."""
    return thp_vma_allowable_orders(machine, vma, tva, 1 << order) != 0


def sysfs_orders(machine: Machine, vma: Vma) -> int:
    """Sizes that the ``enabled`` files allow for an anonymous VMA."""
    sysfs = machine.sysfs
    advised = vma.vm_flags & VM_HUGEPAGE
    mask = sysfs.always_orders
    if advised:
        mask |= sysfs.madvise_orders
    if sysfs.global_always or (advised and sysfs.global_enabled):
        mask |= sysfs.inherit_orders
    return mask


def vma_thp_disabled(vma: Vma, tva: int) -> bool:
    """By advice or by prctl; the order of the tests decides (include/linux/huge_mm.h, 6.18)."""
    vm_flags, mm = vma.vm_flags, vma.mm
    if vm_flags & VM_NOHUGEPAGE or mm.test_flag(MMF_DISABLE_THP_COMPLETELY):
        return True
    if vm_flags & VM_HUGEPAGE or tva == TVA_FORCED_COLLAPSE:
        return False
    return mm.test_flag(MMF_DISABLE_THP_EXCEPT_ADVISED)


def _supported(vma: Vma) -> int:
    if vma.anonymous:
        return THP_ORDERS_ALL_ANON
    if (vma.file is not None and vma.file.dax) or vma.vm_flags & (VM_PFNMAP | VM_MIXEDMAP):
        return THP_ORDERS_ALL_SPECIAL
    return THP_ORDERS_ALL_FILE


def _allowable(machine: Machine, vma: Vma, tva: int, orders: int) -> int:
    """__thp_vma_allowable_orders()."""
    in_fault, vm_flags = tva in FAULTS, vma.vm_flags
    orders &= _supported(vma)
    if not orders or not vma.vm_mm:
        return 0
    if not machine.has_transparent_hugepage or vma_thp_disabled(vma, tva):
        return 0
    if vma.file is not None and vma.file.dax:
        return orders if in_fault else 0
    if not in_fault and tva != TVA_SMAPS and vm_flags & VM_NO_KHUGEPAGED:
        return 0
    if not in_fault:
        orders = _fitting_last_block(vma, orders)
        if not orders:
            return 0
        if vma.file is not None and vma.file.shmem:
            return orders & shmem_allowable_huge_orders(machine, vma, forced=tva == TVA_FORCED_COLLAPSE)
    if not vma.anonymous:
        return orders if _file_allowable(machine, vma, tva) else 0
    if vma.temporary_stack:
        return 0
    if vma.anon is None:
        return orders if in_fault or tva == TVA_SMAPS else 0
    return orders


def _file_allowable(machine: Machine, vma: Vma, tva: int) -> bool:
    """Files, other than shmem outside of faults."""
    advised = vma.vm_flags & VM_HUGEPAGE
    sysfs, file = machine.sysfs, vma.file
    if tva != TVA_FORCED_COLLAPSE and not (sysfs.global_always or (sysfs.global_enabled and advised)):
        return False
    if file is None:
        return False
    if tva in FAULTS:
        return file.dax
    if tva == TVA_SMAPS and file.dax:
        return True
    return file.thp_capable


def thp_vma_suitable_order(vma: Vma, addr: int, order: int) -> bool:
    """Does the aligned block around ``addr`` lie inside of the VMA (and the file's pages line up)?"""
    size = PAGE_SIZE << order
    if not vma.anonymous and ((vma.vm_start >> PAGE_SHIFT) - vma.vm_pgoff) & ((1 << order) - 1):
        return False
    return vma.contains(align_down(addr, order), size)


def thp_vma_suitable_orders(vma: Vma, addr: int, orders: int) -> int:
    """``orders`` without the large ones whose block around ``addr`` doesn't fit; below the first that fits all do."""
    for order in from_highest(orders):
        if thp_vma_suitable_order(vma, addr, order):
            return orders & ((1 << (order + 1)) - 1)
    return 0


def _fitting_last_block(vma: Vma, orders: int) -> int:
    """Outside of faults: drop orders from the top until the last aligned block of one fits into the VMA."""
    for order in from_highest(orders):
        if thp_vma_suitable_order(vma, vma.vm_end - (PAGE_SIZE << order), order):
            return orders & ((1 << (order + 1)) - 1)
    return 0
