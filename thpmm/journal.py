# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What happened in a step: every call of the BPF-THP hook, counters, console lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bpfvm.events import Event
from thpmm.tva import TVA_NAMES

if TYPE_CHECKING:
    from thpmm.machine import Machine


@dataclass(frozen=True, slots=True)
class HookCall(Event):
    """One call of bpf_hook_thp_get_orders(). ``ran``: a program was run; then ``map_name``/``map_id`` are those of
    its map and ``returned`` is what it gave back (C int; None when it crashed). ``comm``, ``pid``: the current task.
    ``mm``: the address space asked about."""

    type: int
    orders: int
    ran: bool
    map_name: str | None
    map_id: int
    returned: int | None
    result: int
    comm: str
    pid: int
    mm: int
    vm_start: int
    vm_end: int

    @property
    def type_name(self) -> str:
        """TVA_PAGEFAULT, …"""
        return TVA_NAMES[self.type]


@dataclass(slots=True)
class Seen:
    """A step's record; complete once the step is over."""

    calls: tuple[HookCall, ...] = ()
    counters: dict[str, int] = field(default_factory=dict)
    console: tuple[str, ...] = ()

    @property
    def managed_by(self) -> str | tuple[str, ...] | None:
        """The map whose program really ran; None if none did, several in order of their first call."""
        names = tuple(dict.fromkeys(call.map_name for call in self.calls if call.map_name is not None))
        return None if not names else names[0] if len(names) == 1 else names


class Journal:
    """All hook calls since boot, or since clear()."""

    __slots__ = ("calls", "machine")

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.calls: list[HookCall] = []

    def note(self, call: HookCall) -> None:
        """Keep a call, and tell observers."""
        self.calls.append(call)
        if self.machine.kernel.sink.active:
            self.machine.kernel.sink.emit(call)

    def mark(self) -> tuple[int, int, dict[str, int]]:
        """Where a step begins."""
        return len(self.calls), len(self.machine.kernel.runtime.console), self.machine.vmstat.snapshot()

    def since(self, mark: tuple[int, int, dict[str, int]]) -> Seen:
        """What happened since then; counters only where they changed."""
        calls, lines, before = mark
        now = self.machine.vmstat.snapshot()
        return Seen(
            tuple(self.calls[calls:]),
            {name: value - before[name] for name, value in now.items() if value != before[name]},
            tuple(self.machine.kernel.runtime.console[lines:]),
        )

    def clear(self) -> None:
        """Forget old calls (long runs)."""
        self.calls.clear()
