# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The shape of a function's control flow: order, dominators, loops, and where each block's text is to be placed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from bpfvm.engine.fast.flow import Flow

MAX_BLOCKS: Final = 2_000
"""Blocks of the largest function whose shape is looked into: dominators take quadratic time at worst."""


class Irreducible(Exception):
    """A loop has two entries, so no `while` can be written for it; or the function is too large to look."""


@dataclass(slots=True)
class Graph:
    """order: position of each block in reverse postorder. idom: immediate dominator. loops: header -> its blocks.

    placed: block -> blocks whose text follows its own, in order: those that several jumps lead to, and those that loops
    are left for. inlined blocks have one place that leads to them, and their text goes there.
    """

    order: dict[int, int]
    idom: dict[int, int]
    loops: dict[int, set[int]] = field(default_factory=dict)
    placed: dict[int, list[int]] = field(default_factory=dict)

    def dominates(self, a: int, b: int) -> bool:
        """Does every way to b lead through a?"""
        while self.order[b] > self.order[a]:
            b = self.idom[b]
        return a == b


def shape(flow: Flow, copied: set[int]) -> Graph:
    """The shape of `flow`; `copied` blocks are written again wherever a jump leads to them, so they need no place.
    Raises Irreducible."""
    if len(flow.blocks) > MAX_BLOCKS:
        raise Irreducible
    order = {slot: index for index, slot in enumerate(_reverse_postorder(flow))}
    sources: dict[int, list[int]] = {slot: [] for slot in order}
    for slot in order:
        for to in flow.blocks[slot].successors:
            sources[to].append(slot)
    graph = Graph(order, _dominators(flow.entry, order, sources))
    for slot in order:
        for to in flow.blocks[slot].successors:
            if order[to] <= order[slot]:
                if not graph.dominates(to, slot):
                    raise Irreducible
                graph.loops.setdefault(to, {to}).update(_body(to, slot, sources))
    _place(flow, graph, sources, copied)
    return graph


def _reverse_postorder(flow: Flow) -> list[int]:
    done: list[int] = []
    seen = {flow.entry}
    stack = [(flow.entry, iter(flow.blocks[flow.entry].successors))]
    while stack:
        slot, rest = stack[-1]
        for to in rest:
            if to not in seen:
                seen.add(to)
                stack.append((to, iter(flow.blocks[to].successors)))
                break
        else:
            stack.pop()
            done.append(slot)
    return done[::-1]


def _dominators(entry: int, order: dict[int, int], sources: dict[int, list[int]]) -> dict[int, int]:
    """Iterate to the fixed point in reverse postorder."""
    idom = {entry: entry}
    changed = True
    while changed:
        changed = False
        for slot in order:
            if slot == entry:
                continue
            known = [each for each in sources[slot] if each in idom]
            best = known[0]
            for other in known[1:]:
                while best != other:
                    if order[best] > order[other]:
                        best = idom[best]
                    else:
                        other = idom[other]
            if idom.get(slot) != best:
                idom[slot] = best
                changed = True
    return idom


def _body(header: int, tail: int, sources: dict[int, list[int]]) -> set[int]:
    """The blocks from which the back edge tail -> header is reached without passing the header."""
    body, todo = {header}, [tail]
    while todo:
        slot = todo.pop()
        if slot not in body:
            body.add(slot)
            todo += sources[slot]
    return body


def _place(flow: Flow, graph: Graph, sources: dict[int, list[int]], copied: set[int]) -> None:
    """Blocks with several forward ways in come after their dominator; blocks that a loop is left for after the loop."""
    around: dict[int, list[int]] = {slot: [] for slot in graph.order}
    for header in sorted(graph.loops, key=lambda each: len(graph.loops[each]), reverse=True):
        for slot in graph.loops[header]:
            around[slot].append(header)
    for slot in graph.order:
        if slot == flow.entry or slot in copied:
            continue
        ways = [each for each in sources[slot] if graph.order[each] < graph.order[slot]]
        left = [header for header in around[graph.idom[slot]] if slot not in graph.loops[header]]
        if left:
            outermost = min(left, key=graph.order.__getitem__)
            graph.placed.setdefault(outermost, []).append(slot)
        elif len(ways) > 1:
            graph.placed.setdefault(graph.idom[slot], []).append(slot)
