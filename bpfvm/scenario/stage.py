# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a running story knows: the session, and the names its steps gave to objects, links and mappings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bpfvm.errors import UsageError
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.open import open_object
from bpfvm.paths import find_object
from bpfvm.scenario.model import Scenario
from bpfvm.session import LoadedObject, Session

PAGE = 4096
_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


@dataclass(slots=True)
class Stage:
    """The state of one telling of a story."""

    scenario: Scenario
    session: Session
    specs: dict[str, ObjectSpec] = field(default_factory=dict)
    opened: dict[str, LoadedObject] = field(default_factory=dict)
    links: dict[str, Any] = field(default_factory=dict)
    mappings: dict[str, tuple[int, int]] = field(default_factory=dict)
    pids: dict[str, int] = field(default_factory=dict)
    """pids by task name, kept after the task is gone: stories attach to dead pids on purpose"""

    @property
    def thp(self) -> Any:
        return self.session.thp

    def spec(self, name: str) -> ObjectSpec:
        """The object file that a story calls ``name``, opened once."""
        if name not in self.specs:
            written = self.scenario.objects.get(name)
            if written is None:
                known = ", ".join(self.scenario.objects) or "none"
                raise UsageError(f"no object `{name}`; the story's objects are {known}")
            self.specs[name] = open_object(find_object(written, beside=Path(self.scenario.path).parent))
        return self.specs[name]

    def split_map(self, written: str) -> tuple[str, str]:
        """``pol.pol_a`` → object and map; a bare map name belongs to the only object."""
        name, dot, map_name = written.partition(".")
        if dot:
            return name, map_name
        if len(self.scenario.objects) == 1:
            return next(iter(self.scenario.objects)), written
        raise UsageError(f"map `{written}`: write OBJECT.MAP")

    def settings(self, given: Mapping[str, Any] | None, map_name: str = "") -> dict[str, int | str]:
        """``set`` of a step with task names turned into pids; a bare member name belongs to ``map_name``."""
        return {self._target(key, map_name): self.number_or_pid(value) for key, value in (given or {}).items()}

    @staticmethod
    def _target(key: str, map_name: str) -> str:
        return f"{map_name}.{key}" if map_name and "." not in key else key

    def number_or_pid(self, value: Any) -> int | str:
        """A number stays; a task's name becomes its pid; other texts stay (string members)."""
        if isinstance(value, bool | int):
            return int(value)
        text = str(value)
        if text in self.pids:
            return self.pids[text]
        try:
            return int(text, 0)
        except ValueError:
            return text

    def load(self, object_name: str, into: str, settings: Mapping[str, int | str]) -> LoadedObject:
        """Load an object under the name ``into``; the same name again gives the object already loaded."""
        if into and into in self.opened:
            return self.opened[into]
        loaded = self.session.load(self.spec(object_name), set=settings)
        if into:
            self.opened[into] = loaded
        return loaded

    def link(self, name: str) -> Any:
        if name not in self.links:
            raise UsageError(f"no link `{name}`; links so far: {', '.join(self.links) or 'none'}")
        return self.links[name]

    def address(self, at: Any) -> int:
        """``m``, ``[m, offset]`` or a number → an address."""
        if isinstance(at, int):
            return at
        if isinstance(at, list) and len(at) == 2:
            return self._mapping(str(at[0]))[0] + size_in_bytes(at[1])
        return self._mapping(str(at))[0]

    def length(self, at: Any, given: Any) -> int:
        """The given length, else the rest of the mapping that ``at`` is in."""
        if given is not None:
            return size_in_bytes(given)
        start = self.address(at)
        for base, size in self.mappings.values():
            if base <= start < base + size:
                return base + size - start
        raise UsageError(f"`at: {at}` is in no mapping of this story: give a length")

    def _mapping(self, name: str) -> tuple[int, int]:
        if name not in self.mappings:
            raise UsageError(f"no mapping `{name}`; mappings so far: {', '.join(self.mappings) or 'none'}")
        return self.mappings[name]


def size_in_bytes(value: Any) -> int:
    """``4096``, ``"0x1000"``, ``"2M"``, ``"64KiB"`` → bytes. Raises UsageError."""
    if isinstance(value, int):
        return value
    text = str(value).strip().lower().removesuffix("b").removesuffix("i")
    unit = _UNITS.get(text[-1:], 0)
    try:
        return int(text[:-1], 0) * unit if unit else int(text, 0)
    except ValueError as error:
        raise UsageError(f"`{value}` is not a size: write 4096, 64K or 2M") from error
