# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""thp_vma_allowable_orders(): sysfs, advice, prctl, kind and shape of the VMA."""

from __future__ import annotations

import pytest

from bpfvm.errors import SyscallError
from tests.mm.world import World
from thpmm.orders import THP_ORDERS_ALL
from thpmm.thp import thp_vma_allowable_orders
from thpmm.tva import TVA_FORCED_COLLAPSE, TVA_KHUGEPAGED, TVA_PAGEFAULT, TVA_SMAPS
from thpmm.vm_flags import VM_PFNMAP
from thpmm.vma import Vma

MB2 = 2 << 20
PMD = 1 << 9


def vma_of(world: World, addr: int) -> Vma:
    mm = world.mm("a")
    found = mm.vmas.lookup(addr)
    assert found is not None
    return found


def orders(world: World, addr: int, tva: int, mask: int = THP_ORDERS_ALL) -> int:
    return thp_vma_allowable_orders(world.thp.machine, vma_of(world, addr), tva, mask)


def anon(world: World, length: int = 2 * MB2, *, touched: bool = True) -> int:
    base = world.thp.fresh_mapping("a", length)
    if touched:
        world.thp.fault("a", base)
    return base


@pytest.fixture
def world() -> World:
    made = World()
    made.thp.spawn("a")
    return made


@pytest.mark.parametrize(
    ("global_", "size", "advice", "allowed"),
    [
        ("always", "inherit", None, True),
        ("always", "inherit", "nohugepage", False),
        ("always", "never", "hugepage", False),
        ("madvise", "inherit", None, False),
        ("madvise", "inherit", "hugepage", True),
        ("madvise", "always", None, True),
        ("madvise", "madvise", "hugepage", True),
        ("never", "inherit", "hugepage", False),
        ("never", "always", None, True),
        ("never", "madvise", "hugepage", True),
        ("never", "madvise", None, False),
    ],
)
def test_knobs_and_advice(world: World, global_: str, size: str, advice: str | None, allowed: bool) -> None:
    base = anon(world)
    if advice:
        world.thp.madvise("a", base, 2 * MB2, advice)
    world.thp.sysfs_write("enabled", global_)
    world.thp.sysfs_write("hugepages-2048kB", size)
    assert orders(world, base, TVA_PAGEFAULT) == (PMD if allowed else 0)
    forced = PMD if advice != "nohugepage" else 0
    assert orders(world, base, TVA_FORCED_COLLAPSE, PMD) == forced


@pytest.mark.parametrize(
    ("flags", "advice", "fault", "collapse"),
    [(0, None, 0, 0), (0, "hugepage", 0, 0), (2, None, 0, PMD), (2, "hugepage", PMD, PMD)],
)
def test_prctl(world: World, flags: int, advice: str | None, fault: int, collapse: int) -> None:
    base = anon(world)
    if advice:
        world.thp.madvise("a", base, 2 * MB2, advice)
    world.thp.prctl_thp_disable("a", 1, flags)
    assert world.thp.prctl_get_thp_disable("a") == (3 if flags else 1)
    assert orders(world, base, TVA_PAGEFAULT) == fault
    assert orders(world, base, TVA_FORCED_COLLAPSE, PMD) == collapse


def test_prctl_over_fork_and_exec(world: World) -> None:
    thp = world.thp
    thp.prctl_thp_disable("a", 1, 2)
    thp.fork("a", "b")
    thp.exec("b")
    assert thp.prctl_get_thp_disable("b") == 3
    thp.prctl_thp_disable("b", 0)
    assert (thp.prctl_get_thp_disable("a"), thp.prctl_get_thp_disable("b")) == (3, 0)
    for value, flags in ((0, 2), (1, 1), (1, 4)):
        with pytest.raises(SyscallError) as error:
            thp.prctl_thp_disable("a", value, flags)
        assert error.value.name == "EINVAL"


def test_outside_of_faults_the_last_block_must_fit(world: World) -> None:
    world.thp.sysfs_write("hugepages-1024kB", "always")
    base = anon(world, MB2 + 4096)
    assert orders(world, base, TVA_KHUGEPAGED) == PMD | 1 << 8
    odd = world.thp.mmap("a", MB2, at=base + 8 * MB2 + 4096)
    world.thp.fault("a", odd)
    assert orders(world, odd, TVA_KHUGEPAGED) == 1 << 8
    assert orders(world, odd, TVA_PAGEFAULT) == PMD | 1 << 8


def test_untouched_memory(world: World) -> None:
    base = anon(world, touched=False)
    assert orders(world, base, TVA_PAGEFAULT) == PMD
    assert orders(world, base, TVA_SMAPS) == PMD
    assert orders(world, base, TVA_KHUGEPAGED) == 0


def test_special_memory(world: World) -> None:
    base = anon(world)
    vma = vma_of(world, base)
    vma.set_flags(vma.vm_flags | VM_PFNMAP)
    assert orders(world, base, TVA_KHUGEPAGED) == 0
    assert orders(world, base, TVA_SMAPS) == PMD
    dax = world.thp.mmap("a", 2 * MB2, flags=["shared"], file="/dax", dax=True)
    assert orders(world, dax, TVA_PAGEFAULT) == PMD | 1 << 18
    assert orders(world, dax, TVA_SMAPS) == 0


@pytest.mark.parametrize(
    ("global_", "advised", "tva", "allowed"),
    [
        ("always", False, TVA_KHUGEPAGED, True),
        ("madvise", False, TVA_KHUGEPAGED, False),
        ("madvise", True, TVA_KHUGEPAGED, True),
        ("never", True, TVA_KHUGEPAGED, False),
        ("never", False, TVA_FORCED_COLLAPSE, True),
        ("always", False, TVA_PAGEFAULT, False),
        ("always", False, TVA_SMAPS, True),
    ],
)
def test_files(world: World, global_: str, advised: bool, tva: int, allowed: bool) -> None:
    world.thp.sysfs_write("enabled", global_)
    base = world.thp.mmap("a", 2 * MB2, at=0x1000_0000, prot="r", flags=["private"], file="/lib", thp_capable=True)
    if advised:
        world.thp.madvise("a", base, 2 * MB2, "hugepage")
    assert bool(orders(world, base, tva, PMD)) is allowed
    plain = world.thp.mmap("a", 2 * MB2, at=0x2000_0000, prot="r", flags=["private"], file="/plain")
    assert orders(world, plain, TVA_FORCED_COLLAPSE, PMD) == 0


@pytest.mark.parametrize(
    ("setting", "advised", "allowed", "forced"),
    [
        ("never", True, 0, PMD),
        ("advise", False, 0, PMD),
        ("advise", True, PMD, PMD),
        ("always", False, PMD, PMD),
        ("within_size", False, PMD, PMD),
        ("deny", True, 0, 0),
        ("force", False, PMD, PMD),
    ],
)
def test_shared_memory(world: World, setting: str, advised: bool, allowed: int, forced: int) -> None:
    world.thp.sysfs_write("shmem_enabled", setting)
    base = world.thp.mmap("a", 2 * MB2, at=0x1000_0000, flags=["shared", "anonymous"])
    if advised:
        world.thp.madvise("a", base, 2 * MB2, "hugepage")
    assert orders(world, base, TVA_KHUGEPAGED, PMD) == allowed
    assert orders(world, base, TVA_FORCED_COLLAPSE, PMD) == forced


def test_the_policy_can_only_narrow(world: World) -> None:
    base = anon(world)
    world.attach("pol", "a", lambda vma, tva, orders: 4)
    assert orders(world, base, TVA_PAGEFAULT) == 0
    world.thp.sysfs_write("hugepages-64kB", "always")
    assert orders(world, base, TVA_PAGEFAULT) == 1 << 4
    assert orders(world, base, TVA_PAGEFAULT, PMD) == 0
