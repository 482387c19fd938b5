# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What happened, as values: every observer (log, JSON, tables, steppers) is a function that takes events.

With no sink attached an event is not even built: emitters ask ``if sink.active`` first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events."""


Observer = Callable[[Event], None]


class Sink:
    """Hands events to observers in the order they were added."""

    __slots__ = ("_observers", "active")

    def __init__(self) -> None:
        self._observers: tuple[Observer, ...] = ()
        self.active = False

    def add(self, observer: Observer) -> Callable[[], None]:
        """Attach an observer; returns a function that detaches it."""
        self._observers += (observer,)
        self.active = True

        def remove() -> None:
            self._observers = tuple(each for each in self._observers if each is not observer)
            self.active = bool(self._observers)

        return remove

    def emit(self, event: Event) -> None:
        """Hand one event to every observer."""
        for observer in self._observers:
            observer(event)
