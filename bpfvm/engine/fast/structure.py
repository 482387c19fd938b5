# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Blocks nested into `while True`, `if` and `else`, as Python has no goto.

A jump to what comes next in the text is nothing at all; to the head of the innermost loop `continue`; to what follows
that loop `break`. Every other jump leaves its target's number in `b`: text in between is skipped while `b` is set
(`if not b`), loops in between are left. `b` is 0 when no jump is under way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from bpfvm.engine.fast.flow import Flow
from bpfvm.engine.fast.graph import Graph
from bpfvm.engine.fast.registers import Line
from bpfvm.engine.fast.text import Text

NOWHERE: Final = -1


class TooDeep(Exception):
    """More nesting than Python's compiler takes."""


MAX_LOOPS: Final = 18
MAX_INDENT: Final = 80
MAX_RECURSION: Final = 90


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


def _find(scope: Scope | None, slot: int) -> tuple[int, Scope | None]:
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


class Nest:
    """Writes one function; `lines` is the result, `flagged` says whether it uses `b`."""

    def __init__(self, flow: Flow, graph: Graph, texts: dict[int, Text], copied: set[int]) -> None:
        self._flow = flow
        self._graph = graph
        self._texts = texts
        self._copied = copied
        self._home = {slot for slots in graph.placed.values() for slot in slots}
        self._open: set[int] = set()
        self._level = 0
        self.flagged = False
        self.lines: list[Line] = []

    def write(self) -> list[Line]:
        """The whole function. Raises TooDeep."""
        self._tree(self._flow.entry, NOWHERE, None, 0, self.lines, 0)
        return self.lines

    def _tree(
        self, slot: int, fall: int, scope: Scope | None, depth: int, out: list[Line], loops: int
    ) -> tuple[set[int], bool]:
        """The block and all that is placed below it; running on arrives at `fall`.

        Gives the blocks that jumps are under way to afterwards, and whether control never runs on."""
        self._level += 1
        if self._level > MAX_RECURSION or depth > MAX_INDENT or loops > MAX_LOOPS:
            raise TooDeep
        pending: set[int] = set()
        while True:
            labels = tuple(self._graph.placed.get(slot, ()))
            body = self._graph.loops.get(slot)
            after = tuple(each for each in labels if body is None or each not in body)
            first = after[0] if after else fall
            within = Scope(scope, after) if after else scope
            ends, onward = False, NOWHERE
            if body is None:
                under_way, ends, onward = self._block(slot, first, within, depth, out, loops)
            else:
                inside = tuple(each for each in labels if each in body)
                under_way, ends = self._loop(slot, inside, first, within, depth, out, loops)
            pending |= under_way
            if onward != NOWHERE:
                if not after:
                    slot = onward
                    continue
                more, ends = self._tree(onward, first, within, depth, out, loops)
                pending |= more
            if not after:
                break
            for index, label in enumerate(after[:-1]):
                rest = after[index + 1 :]
                pending, ends = self._label(label, rest[0], Scope(scope, rest), depth, out, loops, pending)
            last = after[-1]
            if pending - {last}:
                pending, ends = self._label(last, fall, scope, depth, out, loops, pending)
                break
            if pending:
                out.append(Line(depth, "b = 0", -1))
            pending, slot = set(), last
        self._level -= 1
        return pending, ends

    def _label(
        self, slot: int, fall: int, scope: Scope | None, depth: int, out: list[Line], loops: int, pending: set[int]
    ) -> tuple[set[int], bool]:
        """A block that others before it jump to, or past."""
        others = pending - {slot}
        if not others:
            if pending:
                out.append(Line(depth, "b = 0", -1))
            return self._tree(slot, fall, scope, depth, out, loops)
        if slot in pending:
            out.append(Line(depth, f"if not b or b == {slot + 1}:", -1))
            out.append(Line(depth + 1, "b = 0", -1))
        else:
            out.append(Line(depth, "if not b:", -1))
        mark = len(out)
        under_way, _ = self._tree(slot, fall, scope, depth + 1, out, loops)
        if mark == len(out):
            out.append(Line(depth + 1, "pass", -1))
        return others | under_way, False

    def _loop(
        self,
        slot: int,
        inside: tuple[int, ...],
        after: int,
        scope: Scope | None,
        depth: int,
        out: list[Line],
        loops: int,
    ) -> tuple[set[int], bool]:
        loop = Scope(scope, header=slot, after=after)
        self._open.add(slot)
        out.append(Line(depth, "while True:", -1))
        head = len(out)
        within = Scope(loop, inside) if inside else loop
        first = inside[0] if inside else slot
        pending, _, onward = self._block(slot, first, within, depth + 1, out, loops + 1)
        if onward != NOWHERE:
            more, _ = self._tree(onward, first, within, depth + 1, out, loops + 1)
            pending |= more
        for index, label in enumerate(inside):
            rest = inside[index + 1 :]
            pending, _ = self._label(
                label,
                rest[0] if rest else slot,
                Scope(loop, rest) if rest else loop,
                depth + 1,
                out,
                loops + 1,
                pending,
            )
        if slot in pending:
            out.insert(head, Line(depth + 1, "b = 0", -1))
            pending.discard(slot)
        assert not pending
        for target in sorted(loop.exits):
            crossed, innermost = _find(scope, target)
            if crossed and innermost is not None:
                out.append(Line(depth, f"if b == {target + 1}: break", -1))
                innermost.exits.add(target)
                innermost.left = True
            else:
                pending.add(target)
        self._open.discard(slot)
        return pending, not loop.left

    def _block(
        self, slot: int, fall: int, scope: Scope | None, depth: int, out: list[Line], loops: int
    ) -> tuple[set[int], bool, int]:
        """The block's own text and its jumps. The third result is a block whose text is to go on right here."""
        text = self._texts[slot]
        out += [line._replace(depth=line.depth + depth) for line in text.lines]
        block = text.block
        if text.leave:
            return set(), True, NOWHERE
        if not text.test:
            if self._inlined(block.next):
                return set(), False, block.next
            return (*self._jump(block.next, fall, scope, depth, out, loops), NOWHERE)
        yes: list[Line] = []
        pending, yes_ends = self._jump(block.taken, fall, scope, depth + 1, yes, loops)
        if yes_ends:
            out.append(Line(depth, f"if {text.test}:", block.stop))
            out += yes
            if text.stay:
                out.append(Line(depth, text.stay, block.stop))
            if self._inlined(block.next):
                return pending, False, block.next
            more, ends = self._jump(block.next, fall, scope, depth, out, loops)
            return pending | more, ends, NOWHERE
        no: list[Line] = [Line(depth + 1, text.stay, block.stop)] if text.stay else []
        more, no_ends = self._jump(block.next, fall, scope, depth + 1, no, loops)
        if no:
            out.append(Line(depth, f"if {text.opposite}:", block.stop))
            out += no
            if no_ends:
                out += [line._replace(depth=line.depth - 1) for line in yes]
            elif yes:
                out.append(Line(depth, "else:", -1))
                out += yes
        elif yes:
            out.append(Line(depth, f"if {text.test}:", block.stop))
            out += yes
        return pending | more, False, NOWHERE

    def _inlined(self, slot: int) -> bool:
        """Does only one jump lead to this block, so that its text goes there?"""
        return slot not in self._home and slot not in self._copied and slot not in self._open

    def _jump(
        self, slot: int, fall: int, scope: Scope | None, depth: int, out: list[Line], loops: int
    ) -> tuple[set[int], bool]:
        if slot in self._copied:
            out += [line._replace(depth=line.depth + depth) for line in self._texts[slot].lines]
            return set(), True
        if slot == fall:
            return set(), False
        if self._inlined(slot):
            return self._tree(slot, fall, scope, depth, out, loops)
        crossed, innermost = _find(scope, slot)
        if innermost is not None and slot == innermost.header:
            out.append(Line(depth, "continue", -1))
            return set(), True
        if crossed and innermost is not None:
            innermost.left = True
            if crossed == 1 and slot == innermost.after:
                out.append(Line(depth, "break", -1))
                return set(), True
            self.flagged = True
            innermost.exits.add(slot)
            out.append(Line(depth, f"b = {slot + 1}", -1))
            out.append(Line(depth, "break", -1))
            return set(), True
        self.flagged = True
        out.append(Line(depth, f"b = {slot + 1}", -1))
        return {slot}, False
