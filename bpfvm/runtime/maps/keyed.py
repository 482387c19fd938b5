# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Elements by key, in insertion order, with a constant-time successor."""

from __future__ import annotations

from collections.abc import ValuesView
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Element:
    """An element's block: the key lies at ``addr``, its values (one, or one per CPU) at ``values``. serial: grows with
    each element that is put in; hash: of the key, -1 until somebody needs it."""

    addr: int
    values: tuple[int, ...]
    key: bytes = b""
    place: int = 0
    serial: int = 0
    hash: int = -1


class Ordered:
    """A dict that can also say which key follows a given one. Replacing an element keeps its key's place."""

    __slots__ = ("_by_key", "_order", "_serial")

    def __init__(self) -> None:
        self._serial = 0
        self._by_key: dict[bytes, Element] = {}
        self._order: list[bytes | None] = []

    def __len__(self) -> int:
        return len(self._by_key)

    def get(self, key: bytes) -> Element | None:
        """The element with this key."""
        return self._by_key.get(key)

    def values(self) -> ValuesView[Element]:
        """All elements in order."""
        return self._by_key.values()

    def put(self, key: bytes, element: Element) -> None:
        """Insert at the end, or replace in place."""
        old = self._by_key.get(key)
        if old is not None:
            element.place = old.place
        else:
            element.place = len(self._order)
            self._order.append(key)
        self._serial += 1
        element.serial, element.hash = self._serial, -1
        self._by_key[key] = element

    def remove(self, key: bytes) -> Element | None:
        """Take an element out; None when there is none."""
        element = self._by_key.pop(key, None)
        if element is not None:
            self._order[element.place] = None
            if len(self._order) > 32 and len(self._order) > 2 * len(self._by_key):
                self._compact()
        return element

    def _compact(self) -> None:
        self._order = list(self._by_key)
        for place, element in enumerate(self._by_key.values()):
            element.place = place

    def after(self, key: bytes | None) -> bytes | None:
        """The key behind ``key``, the first one for None or a key that isn't there; None at the end."""
        element = self._by_key.get(key) if key is not None else None
        for place in range(element.place + 1 if element is not None else 0, len(self._order)):
            found = self._order[place]
            if found is not None:
                return found
        return None
