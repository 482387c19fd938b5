# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Places in the text of a function, and what surrounds them: where a jump from there has to go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from bpfvm.engine.fast.registers import Line

NOWHERE: Final = -1
"""No block, no instruction."""


@dataclass(slots=True)
class Scope:
    """What surrounds a place in the text: blocks still to come at this level, or (header set) a loop, after which
    comes `after`. exits: blocks that jumps leaving this loop are under way to; left: is there any `break`?"""

    outer: Scope | None
    labels: tuple[int, ...] = ()
    header: int = NOWHERE
    after: int = NOWHERE
    exits: set[int] = field(default_factory=set)
    left: bool = False


def find(scope: Scope | None, slot: int) -> tuple[int, Scope | None]:
    """Loops between a place in `scope` and the block `slot`, and the innermost of them (or the one `slot` heads)."""
    crossed, innermost = 0, None
    while scope is not None:
        if scope.header != NOWHERE:
            innermost = innermost or scope
            if slot == scope.header:
                return crossed, innermost
            crossed += 1
        elif slot in scope.labels:
            return crossed, innermost
        scope = scope.outer
    raise AssertionError(f"no place for the block at {slot}")


class Spot(NamedTuple):
    """A place in the text: lines go to `out`, indented by `depth`; running on from there arrives at the block `fall`.
    loops: how many are around it."""

    out: list[Line]
    depth: int = 0
    loops: int = 0
    scope: Scope | None = None
    fall: int = NOWHERE

    def put(self, text: str, slot: int = NOWHERE) -> None:
        """Write a line that belongs to the instruction at `slot`, or to none."""
        self.out.append(Line(self.depth, text, slot))

    def copy(self, lines: Iterable[Line]) -> None:
        """Write lines that were made for the outermost level."""
        self.out.extend([line._replace(depth=line.depth + self.depth) for line in lines])

    def inside(self, out: list[Line] | None = None) -> Spot:
        """The place behind an `if` written here; with `out`, its lines are put together there first."""
        return self._replace(depth=self.depth + 1, out=self.out if out is None else out)

    def before(self, labels: tuple[int, ...]) -> Spot:
        """The same place when these blocks are still to come at its level."""
        return self._replace(scope=Scope(self.scope, labels), fall=labels[0]) if labels else self


Way = tuple[set[int], bool]
"""What is known behind a piece of text: the blocks that jumps are under way to, and whether control never runs on."""
