# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the steps of a story return."""

from __future__ import annotations

from dataclasses import dataclass

from thpmm.journal import HookCall, Seen
from thpmm.khugepaged import Scanned
from thpmm.smaps import SmapsEntry


@dataclass(frozen=True, slots=True)
class StepResult:
    """Common to all: what was ``seen`` during the step."""

    seen: Seen

    @property
    def calls(self) -> tuple[HookCall, ...]:
        """Every call of the hook."""
        return self.seen.calls

    @property
    def managed_by(self) -> str | tuple[str, ...] | None:
        """The map whose program ran."""
        return self.seen.managed_by

    @property
    def counters(self) -> dict[str, int]:
        """Counters that changed, by how much."""
        return self.seen.counters


@dataclass(frozen=True, slots=True)
class FaultResult(StepResult):
    """``order`` of the folio that maps ``addr`` now (-1: nothing does), how the fault was resolved, the signal it
    ended in."""

    addr: int
    order: int
    kind: str
    signal: str | None = None


@dataclass(frozen=True, slots=True)
class CollapseResult(StepResult):
    """Number of 2 MiB blocks that are huge now."""

    collapsed: int


@dataclass(frozen=True, slots=True)
class ScanResult(StepResult):
    """What khugepaged did: blocks collapsed, PTEs looked at, and each block's scan_result."""

    collapsed: int
    scanned_ptes: int
    results: tuple[Scanned, ...]


@dataclass(frozen=True, slots=True)
class SmapsResult(StepResult):
    """The entries, and the file's text."""

    entries: tuple[SmapsEntry, ...]

    @property
    def text(self) -> str:
        """Contents of /proc/PID/smaps."""
        return "".join(entry.text() for entry in self.entries)

    def at(self, addr: int) -> SmapsEntry:
        """The entry of the VMA around an address. Raises KeyError."""
        for entry in self.entries:
            if entry.start <= addr < entry.end:
                return entry
        raise KeyError(hex(addr))
