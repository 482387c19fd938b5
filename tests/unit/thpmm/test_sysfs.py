# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The knobs: exact strings, defaults, errors, masks."""

from __future__ import annotations

import pytest

from bpfvm.errors import SyscallError
from thpmm.sysfs import AllocPolicy, Sysfs
from thpmm.vmstat import Vmstat


@pytest.fixture
def sysfs() -> Sysfs:
    return Sysfs(Vmstat())


@pytest.mark.parametrize(
    ("knob", "text"),
    [
        ("enabled", "always [madvise] never"),
        ("defrag", "always defer defer+madvise [madvise] never"),
        ("shmem_enabled", "always within_size advise [never] deny force"),
        ("hugepages-2048kB/enabled", "always [inherit] madvise never"),
        ("hugepages-64kB", "always inherit madvise [never]"),
        ("hugepages-8kB/shmem_enabled", "always inherit within_size advise [never]"),
        ("hpage_pmd_size", "2097152"),
        ("use_zero_page", "1"),
        ("khugepaged/pages_to_scan", "4096"),
        ("khugepaged/scan_sleep_millisecs", "10000"),
        ("khugepaged/alloc_sleep_millisecs", "60000"),
        ("khugepaged/max_ptes_none", "511"),
        ("khugepaged/max_ptes_swap", "64"),
        ("khugepaged/max_ptes_shared", "256"),
        ("khugepaged/defrag", "1"),
        ("hugepages-16kB/stats/swpin", "0"),
        ("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never"),
    ],
)
def test_defaults(sysfs: Sysfs, knob: str, text: str) -> None:
    assert sysfs.read(knob) == text


@pytest.mark.parametrize(
    ("knob", "value", "errno"),
    [
        ("enabled", "inherit", "EINVAL"),
        ("enabled", "", "EINVAL"),
        ("hugepages-64kB", "defer", "EINVAL"),
        ("hugepages-8kB/enabled", "always", "ENOENT"),
        ("hugepages-12kB", "always", "ENOENT"),
        ("nothing", "1", "ENOENT"),
        ("hpage_pmd_size", "1", "EACCES"),
        ("hugepages-64kB/stats/swpin", "1", "EACCES"),
        ("khugepaged/max_ptes_none", "512", "EINVAL"),
        ("khugepaged/max_ptes_none", "-1", "EINVAL"),
        ("khugepaged/pages_to_scan", "0", "EINVAL"),
        ("use_zero_page", "2", "EINVAL"),
    ],
)
def test_refused(sysfs: Sysfs, knob: str, value: str, errno: str) -> None:
    with pytest.raises(SyscallError) as error:
        sysfs.write(knob, value)
    assert error.value.name == errno


def test_masks_follow(sysfs: Sysfs) -> None:
    assert (sysfs.always_orders, sysfs.madvise_orders, sysfs.inherit_orders) == (0, 0, 1 << 9)
    sysfs.write("hugepages-64kB", "always\n")
    sysfs.write("hugepages-16kB", "madvise")
    sysfs.write("hugepages-2048kB", "never")
    assert (sysfs.always_orders, sysfs.madvise_orders, sysfs.inherit_orders) == (1 << 4, 1 << 2, 0)
    assert sysfs.read("hugepages-64kB") == "[always] inherit madvise never"


@pytest.mark.parametrize(
    ("defrag", "advised", "others"),
    [
        ("always", AllocPolicy(direct=True, retry=True), AllocPolicy(direct=True)),
        ("defer", AllocPolicy(wake=True), AllocPolicy(wake=True)),
        ("defer+madvise", AllocPolicy(direct=True), AllocPolicy(wake=True)),
        ("madvise", AllocPolicy(direct=True), AllocPolicy()),
        ("never", AllocPolicy(), AllocPolicy()),
    ],
)
def test_defrag(sysfs: Sysfs, defrag: str, advised: AllocPolicy, others: AllocPolicy) -> None:
    sysfs.write("defrag", defrag)
    assert (sysfs.thp_policy(True), sysfs.thp_policy(False)) == (advised, others)


def test_whether_a_pmd_is_possible_at_all(sysfs: Sysfs) -> None:
    sysfs.write("enabled", "never")
    assert not sysfs.pmd_enabled()
    sysfs.write("hugepages-2048kB", "madvise")
    assert sysfs.pmd_enabled()
    sysfs.write("hugepages-2048kB", "inherit")
    assert not sysfs.pmd_enabled()
    sysfs.write("shmem_enabled", "force")
    assert sysfs.pmd_enabled()
    sysfs.write("shmem_enabled", "advise")
    sysfs.write("hugepages-2048kB/shmem_enabled", "never")
    assert not sysfs.pmd_enabled()
