# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Callbacks that run after the program: timers and work queues (kernel/bpf/helpers.c bpf_timer_*, bpf_wq_*; 6.18).

They run when somebody lets time pass (``Runtime.elapse``), earliest first, each on the CPU that runs then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bpfvm.runtime.maps.base import Map


@dataclass(slots=True, eq=False)
class Callback:
    """A timer or work item at ``place`` in a value of ``map``. ``run`` calls the program's function with r1 … r3;
    ``expires``: ns since boot, None when it isn't started."""

    map: Map
    place: int
    run: Callable[[int, int, int], int] | None = None
    expires: int | None = None
    order: int = 0


class Later:
    """All timers and work items by the address of their field."""

    __slots__ = ("_all", "_order", "running")

    def __init__(self) -> None:
        self._all: dict[int, Callback] = {}
        self._order = 0
        self.running: Callback | None = None

    def get(self, place: int) -> Callback | None:
        """What was made at this address."""
        return self._all.get(place)

    def make(self, found: Map, place: int) -> bool:
        """A new one; False when there is one already."""
        if place in self._all:
            return False
        self._all[place] = Callback(found, place)
        return True

    def forget(self, place: int) -> None:
        """The value it lies in goes away: it never runs again."""
        gone = self._all.pop(place, None)
        if gone is not None:
            gone.expires = None

    def start(self, callback: Callback, expires: int) -> None:
        """Run it at that time; those of one time run in the order in which they were started."""
        self._order += 1
        callback.expires, callback.order = expires, self._order

    def due(self, now: int) -> Callback | None:
        """The next one whose time has come."""
        ready = [each for each in self._all.values() if each.expires is not None and each.expires <= now]
        return min(ready, key=lambda each: (each.expires, each.order), default=None)

    def fire(self, callback: Callback) -> None:
        """Call the program's function with (map, key, value)."""
        callback.expires = None
        before, self.running = self.running, callback
        try:
            if callback.run is not None:
                callback.run(callback.map.addr, *callback.map.element_around(callback.place))
        finally:
            self.running = before
