# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Blocks nested into `while True`, `if` and `else`, as Python has no goto.

A jump to what comes next in the text is nothing at all; to the head of the innermost loop `continue`; to what follows
that loop `break`. Every other jump leaves its target's number in `b`: text in between is skipped while `b` is set
(`if not b`), loops in between are left. `b` is 0 when no jump is under way.
"""

from __future__ import annotations

from typing import Final

from bpfvm.engine.fast.flow import Flow
from bpfvm.engine.fast.graph import Graph
from bpfvm.engine.fast.registers import Line
from bpfvm.engine.fast.spot import NOWHERE, Scope, Spot, Way, find
from bpfvm.engine.fast.text import Text

MAX_LOOPS: Final = 18
"""Loops within each other; CPython takes 20 blocks."""
MAX_INDENT: Final = 80
"""Levels of indentation; CPython takes 100."""
MAX_RECURSION: Final = 90
"""Levels of `Nest._tree`, each of which takes some frames of Python's."""


class TooDeep(Exception):
    """More nesting than Python's compiler takes."""


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
        self._tree(self._flow.entry, Spot(self.lines))
        return self.lines

    def _tree(self, slot: int, spot: Spot) -> Way:
        """The block and all that is placed below it."""
        self._level += 1
        if self._level > MAX_RECURSION or spot.depth > MAX_INDENT or spot.loops > MAX_LOOPS:
            raise TooDeep
        pending: set[int] = set()
        while True:
            labels = tuple(self._graph.placed.get(slot, ()))
            body = self._graph.loops.get(slot, set())
            after = tuple(each for each in labels if each not in body)
            within, onward = spot.before(after), NOWHERE
            if body:
                under_way, ends = self._loop(slot, tuple(each for each in labels if each in body), within)
            else:
                under_way, ends, onward = self._block(slot, within)
            pending |= under_way
            if onward != NOWHERE:
                if not after:
                    slot = onward
                    continue
                more, ends = self._tree(onward, within)
                pending |= more
            if not after:
                break
            for index, label in enumerate(after[:-1]):
                pending, ends = self._label(label, spot.before(after[index + 1 :]), pending)
            last = after[-1]
            if pending - {last}:
                pending, ends = self._label(last, spot, pending)
                break
            if pending:
                spot.put("b = 0")
            pending, slot = set(), last
        self._level -= 1
        return pending, ends

    def _label(self, slot: int, spot: Spot, pending: set[int]) -> Way:
        """A block that others before it jump to, or past."""
        others = pending - {slot}
        if not others:
            if pending:
                spot.put("b = 0")
            return self._tree(slot, spot)
        inside = spot.inside()
        if slot in pending:
            spot.put(f"if not b or b == {slot + 1}:")
            inside.put("b = 0")
        else:
            spot.put("if not b:")
        mark = len(spot.out)
        under_way, _ = self._tree(slot, inside)
        if mark == len(spot.out):
            inside.put("pass")
        return others | under_way, False

    def _loop(self, slot: int, labels: tuple[int, ...], spot: Spot) -> Way:
        """The loop with head `slot`; `labels` are to come behind the head, inside of it."""
        loop = Scope(spot.scope, header=slot, after=spot.fall)
        self._open.add(slot)
        spot.put("while True:")
        head = len(spot.out)
        turn = Spot(spot.out, spot.depth + 1, spot.loops + 1, loop, slot)
        pending, _, onward = self._block(slot, turn.before(labels))
        if onward != NOWHERE:
            more, _ = self._tree(onward, turn.before(labels))
            pending |= more
        for index, label in enumerate(labels):
            pending, _ = self._label(label, turn.before(labels[index + 1 :]), pending)
        if slot in pending:
            spot.out.insert(head, Line(turn.depth, "b = 0", NOWHERE))
            pending.discard(slot)
        assert not pending
        self._open.discard(slot)
        return self._left(loop, spot), not loop.left

    def _left(self, loop: Scope, spot: Spot) -> set[int]:
        """Behind a loop: jumps that leave further loops go on; where the others are under way to."""
        pending: set[int] = set()
        for target in sorted(loop.exits):
            crossed, innermost = find(spot.scope, target)
            if crossed and innermost is not None:
                spot.put(f"if b == {target + 1}: break")
                innermost.exits.add(target)
                innermost.left = True
            else:
                pending.add(target)
        return pending

    def _block(self, slot: int, spot: Spot) -> tuple[set[int], bool, int]:
        """The block's own text and its jumps. The third result is a block whose text is to go on right here."""
        text = self._texts[slot]
        spot.copy(text.lines)
        if text.leave:
            return set(), True, NOWHERE
        if text.test:
            return self._decision(text, spot)
        if self._inlined(text.block.next):
            return set(), False, text.block.next
        return (*self._jump(text.block.next, spot), NOWHERE)

    def _decision(self, text: Text, spot: Spot) -> tuple[set[int], bool, int]:
        """The condition at the end of a block, and both ways on; as `_block`."""
        block = text.block
        yes: list[Line] = []
        pending, yes_ends = self._jump(block.taken, spot.inside(yes))
        if yes_ends:
            spot.put(f"if {text.test}:", block.stop)
            spot.out.extend(yes)
            if text.stay:
                spot.put(text.stay, block.stop)
            if self._inlined(block.next):
                return pending, False, block.next
            more, ends = self._jump(block.next, spot)
            return pending | more, ends, NOWHERE
        no: list[Line] = []
        if text.stay:
            spot.inside(no).put(text.stay, block.stop)
        more, no_ends = self._jump(block.next, spot.inside(no))
        if no:
            spot.put(f"if {text.opposite}:", block.stop)
            spot.out.extend(no)
            if no_ends:
                spot.out.extend([line._replace(depth=line.depth - 1) for line in yes])
            elif yes:
                spot.put("else:")
                spot.out.extend(yes)
        elif yes:
            spot.put(f"if {text.test}:", block.stop)
            spot.out.extend(yes)
        return pending | more, False, NOWHERE

    def _inlined(self, slot: int) -> bool:
        """Does only one jump lead to this block, so that its text goes there?"""
        return slot not in self._home and slot not in self._copied and slot not in self._open

    def _jump(self, slot: int, spot: Spot) -> Way:
        """Go to a block."""
        if slot in self._copied:
            spot.copy(self._texts[slot].lines)
            return set(), True
        if slot == spot.fall:
            return set(), False
        if self._inlined(slot):
            return self._tree(slot, spot)
        crossed, innermost = find(spot.scope, slot)
        if innermost is not None and slot == innermost.header:
            spot.put("continue")
            return set(), True
        if crossed and innermost is not None:
            innermost.left = True
            if crossed > 1 or slot != innermost.after:
                self.flagged = True
                innermost.exits.add(slot)
                spot.put(f"b = {slot + 1}")
            spot.put("break")
            return set(), True
        self.flagged = True
        spot.put(f"b = {slot + 1}")
        return {slot}, False
