# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Pressure stall information for memory: time lost, and its running averages (kernel/sched/psi.c, 6.18)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thpmm.kobject import KObject

if TYPE_CHECKING:
    from thpmm.machine import Machine

PSI_MEM_SOME = 2
PSI_MEM_FULL = 3
WINDOWS = (10, 60, 300)
FSHIFT = 11
FIXED_1 = 1 << FSHIFT
EXP = (1677, 1981, 2034)
"""What remains of an average after one period, for each window, in units of 1/2048."""
PERIOD_NS = 2_000_000_000


class PsiGroup(KObject):
    """struct psi_group: ``total`` in ns (the averages' aggregator), ``avg`` in per cent with 11 fraction bits."""

    STRUCT = "psi_group"
    __slots__ = ("_seen", "parent", "updated_ns")

    def __init__(self, machine: Machine, parent: PsiGroup | None = None) -> None:
        super().__init__(machine)
        self.parent = parent
        self.updated_ns = machine.now()
        self._seen = {PSI_MEM_SOME: 0, PSI_MEM_FULL: 0}

    def total(self, state: int) -> int:
        """Stall time in ns."""
        return self.machine.memory.u64(self.at("total") + 8 * state)

    def avg(self, state: int, window: int) -> int:
        """Fixed-point average of the window with this index (0: 10 s, 1: 60 s, 2: 300 s)."""
        return self.machine.memory.u64(self.at("avg") + 8 * (3 * state + window))

    def set_avg(self, state: int, window: int, value: int) -> None:
        """Store an average (fixed point)."""
        self.machine.memory.set_u64(self.at("avg") + 8 * (3 * state + window), value)

    def stall(self, nanoseconds: int, *, full: bool) -> None:
        """Someone waited for memory; ``full``: nobody else got anything done meanwhile. Counts for all parents too."""
        group: PsiGroup | None = self
        while group is not None:
            for state in (PSI_MEM_SOME, PSI_MEM_FULL) if full else (PSI_MEM_SOME,):
                group.machine.memory.set_u64(group.at("total") + 8 * state, group.total(state) + nanoseconds)
            group = group.parent

    def update(self) -> None:
        """Fold every period that has passed since the last call into the averages (update_averages)."""
        periods, _ = divmod(self.machine.now() - self.updated_ns, PERIOD_NS)
        if periods <= 0:
            return
        self.updated_ns += periods * PERIOD_NS
        for state, seen in self._seen.items():
            total = self.total(state)
            self._seen[state] = total
            share = min((total - seen) * 100 // (periods * PERIOD_NS), 100) << FSHIFT
            for window, exp in enumerate(EXP):
                average = self.avg(state, window)
                for _ in range(min(periods, 10_000)):
                    average = calc_load(average, exp, share)
                self.set_avg(state, window, average)

    def force(self, state: int, percent: float) -> None:
        """Set all three averages of a state, as if the pressure had lasted."""
        for window in range(len(WINDOWS)):
            self.set_avg(state, window, round(percent * FIXED_1))

    def text(self) -> str:
        """Contents of memory.pressure (psi_show)."""
        lines = []
        for name, state in (("some", PSI_MEM_SOME), ("full", PSI_MEM_FULL)):
            shown = " ".join(f"avg{seconds}={_percent(self.avg(state, i))}" for i, seconds in enumerate(WINDOWS))
            lines.append(f"{name} {shown} total={self.total(state) // 1000}\n")
        return "".join(lines)


def _percent(value: int) -> str:
    return f"{value >> FSHIFT}.{(value & (FIXED_1 - 1)) * 100 >> FSHIFT:02d}"


def calc_load(load: int, exp: int, active: int) -> int:
    """One period of exponential decay, rounded up while rising (include/linux/sched/loadavg.h)."""
    raised = load * exp + active * (FIXED_1 - exp)
    if active >= load:
        raised += FIXED_1 - 1
    return raised >> FSHIFT
