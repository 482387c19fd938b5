# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which behaviour BPF-THP has: the postings v11 and v12 as they are, and ``fixed`` with every remedy of ours.

A hazard is a fault of the posted patch; a remedy removes one or several of them and can be switched by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from bpfvm.errors import UsageError

REMEDIES: dict[str, tuple[tuple[str, ...], str]] = {
    "null_mm_is_einval": (("H1",), "reg() of a task without mm returns -EINVAL at once"),
    "clear_bpf_mm_at_copy": (("H2", "H4"), "fork empties the child's bpf_mm right after mm_struct was copied"),
    "exec_copies": (("H3",), "exec adds the new mm beside the old one instead of moving the policy"),
    "update_refuses_same": (("H5",), "link update to the instance that is attached already returns -EINVAL"),
    "list_init_once": (("H6",), "mm_list is initialised when the map is populated, never again"),
    "update_refuses_in_use": (("H7",), "link update to an instance that another link uses returns -EBUSY"),
    "unlink_before_clear": (("H8",), "unreg unlinks before it clears; exit takes the lock while the node is linked"),
    "recheck_mm": (("H9",), "reg() returns -ESRCH when the task changed its mm meanwhile"),
    "negative_keeps": (("H10-negative",), "a negative order keeps the mask as it is"),
    "range_check": (("H10-range",), "an order above 63 means no THP"),
    "hook_after_sysfs": (("H12",), "the program sees the mask that sysfs left; forced collapse excepted"),
    "hook_after_disabled": (("H13",), "the program isn't asked where THP is disabled for the process or the VMA"),
    "update_checks_pid": (("H14",), "link update to an instance with another pid returns -EINVAL"),
    "search_thread_group": (("H16",), "the pid of an exited leader stands for its living threads"),
}
"""remedy: (hazards it removes, what it does)."""

GROUPS = {"H10": ("H10-negative", "H10-range")}
HAZARDS = tuple(hazard for hazards, _ in REMEDIES.values() for hazard in hazards)
PATCHES = {4: "TVA_SWAP_PAGEFAULT", 5: "THP through khugepaged only", 6: "global mode"}


def _hazards(names: Iterable[str]) -> frozenset[str]:
    """Raises UsageError for a name that isn't a hazard."""
    wanted: set[str] = set()
    for name in names:
        found = GROUPS.get(name, (name,))
        if not set(found) <= set(HAZARDS):
            raise UsageError(f"no hazard '{name}' to switch: choose from {', '.join((*GROUPS, *HAZARDS))}")
        wanted.update(found)
    return frozenset(wanted)


@dataclass(frozen=True, slots=True)
class ThpProfile:
    """``remedies`` are the names of those in force; ``patches`` the further patches of the series that are applied."""

    name: str
    remedies: frozenset[str] = frozenset()
    patches: frozenset[int] = frozenset()

    def has(self, remedy: str) -> bool:
        """Is this remedy in force?"""
        return remedy in self.remedies

    def hazards(self) -> tuple[str, ...]:
        """The hazards this profile still has."""
        gone = {hazard for remedy in self.remedies for hazard in REMEDIES[remedy][0]}
        return tuple(hazard for hazard in HAZARDS if hazard not in gone)

    def fixing(self, names: Iterable[str]) -> ThpProfile:
        """With the remedies against these hazards switched on. Raises UsageError."""
        wanted = _hazards(names)
        more = {remedy for remedy, (hazards, _) in REMEDIES.items() if wanted & set(hazards)}
        return replace(self, remedies=self.remedies | more)

    def keeping(self, names: Iterable[str]) -> ThpProfile:
        """With the remedies against these hazards switched off. Raises UsageError."""
        wanted = _hazards(names)
        fewer = {remedy for remedy, (hazards, _) in REMEDIES.items() if wanted & set(hazards)}
        return replace(self, remedies=self.remedies - fewer)


PROFILES = {
    "v11": ThpProfile("v11"),
    "v12": ThpProfile("v12", frozenset({"null_mm_is_einval", "negative_keeps"})),
    "fixed": ThpProfile("fixed", frozenset(REMEDIES)),
}


def thp_profile(
    name: str | ThpProfile, *, fixes: Iterable[str] = (), hazards: Iterable[str] = (), patches: Iterable[int] = ()
) -> ThpProfile:
    """The profile of this name, changed by single fixes, hazards and patches. Raises UsageError."""
    if isinstance(name, str):
        if name not in PROFILES:
            raise UsageError(f"no BPF-THP profile '{name}': choose one of {', '.join(PROFILES)}")
        found = PROFILES[name]
    else:
        found = name
    unknown = set(patches) - set(PATCHES)
    if unknown:
        raise UsageError(f"no patch {sorted(unknown)} of the series is emulated: choose from {sorted(PATCHES)}")
    return replace(found.fixing(fixes).keeping(hazards), patches=found.patches | frozenset(patches))
