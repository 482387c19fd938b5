# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One function of a program as a Python function: its source, and which instruction each line belongs to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from bpfvm.engine.fast import dispatch
from bpfvm.engine.fast.flow import TAIL_CALL, Block, Flow, TooLarge, build
from bpfvm.engine.fast.graph import Irreducible, shape
from bpfvm.engine.fast.live import live_out
from bpfvm.engine.fast.ranges import UNKNOWN, State, analyse
from bpfvm.engine.fast.registers import Line
from bpfvm.engine.fast.structure import Nest, TooDeep
from bpfvm.engine.fast.text import REFRESH, Target, Text, write
from bpfvm.isa.insn import imm64

MAX_ANALYSED: Final = 6_000
"""Instructions of the largest function whose register ranges are looked into."""
COPIED: Final = 4
"""An exit of at most so many instructions is written again wherever a jump leads to it."""


@dataclass(frozen=True, slots=True)
class Translation:
    """source: defines `name`. slots and rests by line number (from 0): the instruction a line belongs to, and how many
    instructions of its block come after it."""

    name: str
    source: str
    slots: tuple[int, ...]
    rests: tuple[int, ...]


def tail_calls(flow: Flow) -> bool:
    """Can the function become another program?"""
    return any(item.op.name == "call" and item.insn.imm == TAIL_CALL for item in flow.items)


def flow_of(target: Target, entry: int) -> Flow:
    """The function's blocks; a function too large is one block that is left to the interpreter."""
    try:
        return build(target.image, entry, split_calls=target.fuel)
    except TooLarge:
        return Flow(entry, {entry: Block(entry, kind="interp", stop=entry)})


def translate(target: Target, entry: int) -> Translation:
    """The function at slot `entry` for `target`."""
    flow = flow_of(target, entry)
    items = flow.items
    insns = target.image.insns
    target.wides.update(
        {item.slot: imm64(item.insn, insns[item.slot + 1]) for item in items if item.op.name == "ld_imm64"}
    )
    states: dict[int, State] = {}
    if len(items) <= MAX_ANALYSED:
        states = analyse(flow, target.wides)
    live = live_out(flow)
    texts = {slot: write(block, states.get(slot, UNKNOWN), live[slot], target) for slot, block in flow.blocks.items()}
    body = _nested(flow, texts)
    return _function(f"f{entry}", body, target)


def _nested(flow: Flow, texts: dict[int, Text]) -> list[Line]:
    copied = {
        slot
        for slot, block in flow.blocks.items()
        if texts[slot].leave and len(block.items) <= COPIED and slot != flow.entry
    }
    try:
        nest = Nest(flow, shape(flow, copied), texts, copied)
        lines = nest.write()
    except (Irreducible, TooDeep):
        return dispatch.write(flow, texts)
    return [Line(0, "b = 0", -1), *lines] if nest.flagged else lines


_PARAMETERS: Final = "d, r1=0, r2=0, r3=0, r4=0, r5=0, r0=0, r6=0, r7=0, r8=0, r9=0, budget=-1"
_NAMES: Final = re.compile(r"[a-z][a-z0-9]*")
_PROLOGUE: Final = (
    # name, line that the body needs if it uses the name
    ("budget", "if budget < 0: budget = M.may_goto_budget"),
    ("fuel", "fuel = M._fuel"),
    ("lim", REFRESH),
    ("r10", "r10 = STACK + (d << 9)"),
    ("s1", "s1 = STACK - BASE + (d << 9)"),
    ("s2", "s2 = STACK - BASE + (d << 9) >> 1"),
    ("s4", "s4 = STACK - BASE + (d << 9) >> 2"),
    ("s8", "s8 = STACK - BASE + (d << 9) >> 3"),
)


def _function(name: str, body: list[Line], target: Target) -> Translation:
    if not any("<= lim" in line.text for line in body):
        body = [line for line in body if line.text != REFRESH]
    text = "\n".join(line.text for line in body)
    lines = [Line(-1, f"def {name}({_PARAMETERS}):", -1)]
    used = set(_NAMES.findall(text))
    lines += [Line(0, each, -1) for name, each in _PROLOGUE if name in used]
    lines += body
    source = "\n".join(" " * (line.depth + 1) + line.text for line in lines) + "\n"
    return Translation(name, source, tuple(line.slot for line in lines), tuple(line.rest for line in lines))
