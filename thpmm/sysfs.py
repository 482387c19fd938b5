# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The knobs under /sys/kernel/mm/transparent_hugepage, with the kernel's strings (mm/huge_memory.c, shmem.c,
khugepaged.c)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bpfvm.errors import SyscallError
from thpmm.errnos import EACCES, EINVAL, ENOENT
from thpmm.orders import ANON_ORDERS, PMD_ORDER, PMD_SIZE, order_of_kb, size_kb
from thpmm.vmstat import MTHP_STATS, Vmstat

ENABLED = ("always", "madvise", "never")
DEFRAG = ("always", "defer", "defer+madvise", "madvise", "never")
SIZE_ENABLED = ("always", "inherit", "madvise", "never")
SHMEM_ENABLED = ("always", "within_size", "advise", "never", "deny", "force")
SIZE_SHMEM_ENABLED = ("always", "inherit", "within_size", "advise", "never")

CHOICES: dict[str, tuple[tuple[str, ...], str]] = {
    "enabled": (ENABLED, "madvise"),
    "defrag": (DEFRAG, "madvise"),
    "shmem_enabled": (SHMEM_ENABLED, "never"),
}
"""knob: (values in the order they are shown, default)."""

NUMBERS: dict[str, tuple[int, int, int]] = {
    "use_zero_page": (1, 0, 1),
    "shrink_underused": (1, 0, 1),
    "khugepaged/defrag": (1, 0, 1),
    "khugepaged/pages_to_scan": (8 * 512, 1, (1 << 32) - 1),
    "khugepaged/scan_sleep_millisecs": (10_000, 0, (1 << 32) - 1),
    "khugepaged/alloc_sleep_millisecs": (60_000, 0, (1 << 32) - 1),
    "khugepaged/max_ptes_none": (511, 0, 511),
    "khugepaged/max_ptes_swap": (64, 0, 511),
    "khugepaged/max_ptes_shared": (256, 0, 511),
}
"""knob: (default, least, most)."""


def _size_knobs() -> dict[str, tuple[tuple[str, ...], str]]:
    knobs: dict[str, tuple[tuple[str, ...], str]] = {}
    for order in range(1, PMD_ORDER + 1):
        directory = f"hugepages-{size_kb(order)}kB"
        default = "inherit" if order == PMD_ORDER else "never"
        if order in ANON_ORDERS:
            knobs[f"{directory}/enabled"] = (SIZE_ENABLED, default)
        knobs[f"{directory}/shmem_enabled"] = (SIZE_SHMEM_ENABLED, default)
    return knobs


SIZE_CHOICES = _size_knobs()


@dataclass(frozen=True, slots=True)
class AllocPolicy:
    """How hard an allocation tries (C.6): ``direct`` compaction and reclaim, ``retry`` once more, ``wake`` kswapd."""

    direct: bool = False
    retry: bool = False
    wake: bool = False


class Sysfs:
    """Values of all knobs; the masks of orders that the allocation paths ask for are kept along."""

    __slots__ = ("_choices", "_numbers", "_vmstat", "always_orders", "inherit_orders", "madvise_orders", "readonly")

    def __init__(self, vmstat: Vmstat, settings: Mapping[str, str | int] | None = None) -> None:
        self._vmstat = vmstat
        self._choices = {knob: default for knob, (_, default) in (CHOICES | SIZE_CHOICES).items()}
        self._numbers = {knob: default for knob, (default, _, _) in NUMBERS.items()}
        self.readonly: dict[str, Callable[[], int]] = {"hpage_pmd_size": lambda: PMD_SIZE}
        self.always_orders = self.madvise_orders = self.inherit_orders = 0
        self._update_masks()
        for knob, value in (settings or {}).items():
            self.write(knob, str(value))

    def _path(self, knob: str) -> str:
        """A size's directory alone means its ``enabled``."""
        knob = knob.removeprefix("/sys/kernel/mm/").removeprefix("transparent_hugepage/").strip("/")
        return f"{knob}/enabled" if knob.startswith("hugepages-") and "/" not in knob else knob

    def read(self, knob: str) -> str:
        """The text of the file, without newline. Raises SyscallError(ENOENT)."""
        path = self._path(knob)
        if path in self._choices:
            values = (CHOICES | SIZE_CHOICES)[path][0]
            return " ".join(f"[{value}]" if value == self._choices[path] else value for value in values)
        if path in self._numbers:
            return str(self._numbers[path])
        if path in self.readonly:
            return str(self.readonly[path]())
        return str(self._stat(path))

    def _stat(self, path: str) -> int:
        directory, _, name = path.partition("/stats/")
        kilobytes = directory.removeprefix("hugepages-").removesuffix("kB")
        order = order_of_kb(int(kilobytes)) if kilobytes.isdigit() else None
        if order is None or order not in self._vmstat.mthp or name not in MTHP_STATS:
            raise SyscallError(ENOENT, f"transparent_hugepage/{path}")
        return self._vmstat.mthp[order][name]

    def write(self, knob: str, value: str) -> None:
        """Store a setting. Raises SyscallError: ENOENT no such knob, EACCES read-only, EINVAL not one of its values."""
        path, value = self._path(knob), value.strip()
        if path in self._choices:
            if value not in (CHOICES | SIZE_CHOICES)[path][0]:
                raise SyscallError(EINVAL, f"transparent_hugepage/{path}: '{value}'")
            self._choices[path] = value
            self._update_masks()
        elif path in self._numbers:
            _, least, most = NUMBERS[path]
            if not value.isdecimal() or not least <= int(value) <= most:
                raise SyscallError(EINVAL, f"transparent_hugepage/{path}: '{value}'")
            self._numbers[path] = int(value)
        else:
            self.read(path)
            raise SyscallError(EACCES, f"transparent_hugepage/{path} is read-only")

    def _update_masks(self) -> None:
        masks = dict.fromkeys(SIZE_ENABLED, 0)
        for order in ANON_ORDERS:
            masks[self._choices[f"hugepages-{size_kb(order)}kB/enabled"]] |= 1 << order
        self.always_orders, self.madvise_orders = masks["always"], masks["madvise"]
        self.inherit_orders = masks["inherit"]

    def number(self, knob: str) -> int:
        """A numeric knob's value."""
        return self._numbers[knob]

    def choice(self, knob: str) -> str:
        """A choice's value, without brackets."""
        return self._choices[knob]

    @property
    def global_always(self) -> bool:
        """hugepage_global_always()."""
        return self._choices["enabled"] == "always"

    @property
    def global_enabled(self) -> bool:
        """hugepage_global_enabled(): always or madvise."""
        return self._choices["enabled"] != "never"

    def pmd_enabled(self) -> bool:
        """Can any PMD-sized collapse succeed at all (mm/khugepaged.c hugepage_pmd_enabled)?"""
        if self.global_enabled:
            return True
        if (self.always_orders | self.madvise_orders) >> PMD_ORDER & 1:
            return True
        return self._shmem_pmd_enabled()

    def _shmem_pmd_enabled(self) -> bool:
        """shmem_hpage_pmd_enabled()."""
        setting = self._choices["shmem_enabled"]
        if setting in ("deny", "force"):
            return setting == "force"
        size = self._choices[f"hugepages-{size_kb(PMD_ORDER)}kB/shmem_enabled"]
        return setting != "never" if size == "inherit" else size != "never"

    def thp_policy(self, madvised: bool) -> AllocPolicy:
        """The effect of ``defrag`` on a fault's allocation (vma_thp_gfp_mask)."""
        defrag = self._choices["defrag"]
        if defrag == "always":
            return AllocPolicy(direct=True, retry=madvised)
        if defrag == "defer":
            return AllocPolicy(wake=True)
        if defrag == "defer+madvise":
            return AllocPolicy(direct=madvised, wake=not madvised)
        return AllocPolicy(direct=madvised and defrag == "madvise")

    def khugepaged_policy(self) -> AllocPolicy:
        """What khugepaged allocates with (alloc_hugepage_khugepaged_gfpmask)."""
        return AllocPolicy(direct=self._numbers["khugepaged/defrag"] == 1)
