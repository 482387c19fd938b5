# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Blocks as the leaves of a decision tree inside one loop: for control flow that can't be nested (see `structure`)."""

from __future__ import annotations

from bpfvm.engine.fast.flow import Flow
from bpfvm.engine.fast.registers import Line
from bpfvm.engine.fast.text import Text


def write(flow: Flow, texts: dict[int, Text]) -> list[Line]:
    """The whole function: `b` is the number of the block to go on with."""
    numbers = {slot: index for index, slot in enumerate(texts)}
    leaves = [_leaf(texts[slot], numbers) for slot in texts]
    out = [Line(0, f"b = {numbers[flow.entry]}", -1), Line(0, "while True:", -1)]
    _split(leaves, 0, len(leaves), 1, out)
    return out


def _split(leaves: list[list[Line]], low: int, high: int, depth: int, out: list[Line]) -> None:
    if high - low == 1:
        out += [line._replace(depth=line.depth + depth) for line in leaves[low]]
        return
    middle = (low + high) >> 1
    out.append(Line(depth, f"if b < {middle}:", -1))
    _split(leaves, low, middle, depth + 1, out)
    out.append(Line(depth, "else:", -1))
    _split(leaves, middle, high, depth + 1, out)


def _leaf(text: Text, numbers: dict[int, int]) -> list[Line]:
    block = text.block
    if text.leave:
        return text.lines
    if not text.test:
        return [*text.lines, Line(0, f"b = {numbers[block.next]}", -1)]
    stay = f"{text.stay}; " if text.stay else ""
    return [
        *text.lines,
        Line(0, f"if {text.test}: b = {numbers[block.taken]}", block.stop),
        Line(0, f"else: {stay}b = {numbers[block.next]}", block.stop),
    ]
