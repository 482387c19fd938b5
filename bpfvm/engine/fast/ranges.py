# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How large registers can get: unsigned intervals, found for every block of a function.

An interval tells the translator where a result can't leave its word, so that it need not be cut. Growth in loops goes
in steps (`_thresholds`), among them the constants that the function compares with, so that counters stay bounded.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from typing import Final

from bpfvm.engine.fast.flow import Block, Flow, Item, writes
from bpfvm.isa.word import S32_MAX, S64_MAX, U32_MAX, U64_MAX, udiv64

Range = tuple[int, int]
"""Least and greatest value, both possible. Of a register: within u64; of a result before it is cut: any ints."""
State = tuple[Range, ...]
"""Ranges of r0 to r10."""

FULL: Final = (0, U64_MAX)
LOW: Final = (0, U32_MAX)
UNKNOWN: Final[State] = (FULL,) * 11
PATIENCE: Final = 3
"""Visits of a block before its ranges are widened to the next threshold."""
IMPATIENCE: Final = 40
"""Visits of a block after which nothing is known about it any more."""


def fold(name: str, width: int, a: Range, b: Range, size: int = 0) -> Range:
    """The range of `a name b` before it is cut to `width`; operands are words except for add, sub, mul, neg, lsh."""
    (al, ah), (bl, bh) = a, b
    match name:
        case "add":
            return al + bl, ah + bh
        case "sub":
            return al - bh, ah - bl
        case "mul":
            corners = al * bl, al * bh, ah * bl, ah * bh
            return min(corners), max(corners)
        case "neg":
            return -ah, -al
        case "mov":
            return b
        case "lsh" if bl == bh and bh < width:
            return al << bl, ah << bl
        case "rsh" if bh < width:
            return al >> bh, ah >> bl
        case "arsh" if bh < width and ah <= (S64_MAX if width == 64 else S32_MAX):
            return al >> bh, ah >> bl
        case "and":
            return 0, min(ah, bh)
        case "or":
            return max(al, bl), (1 << max(ah.bit_length(), bh.bit_length())) - 1
        case "xor":
            return 0, (1 << max(ah.bit_length(), bh.bit_length())) - 1
        case "div":
            return (udiv64(al, bh), udiv64(ah, bl)) if bl else (0, ah)
        case "mod":
            return 0, min(ah, bh - 1) if bl else ah
        case "rsh":
            return 0, ah
        case "movsx" if bh < 1 << (size * 8 - 1):
            return b
        case "le" | "be" | "bswap":
            return 0, (1 << size * 8) - 1
    return FULL if width == 64 else LOW


def cut(found: Range, width: int) -> Range:
    """The range after cutting to a word."""
    top = U64_MAX if width == 64 else U32_MAX
    return found if found[0] >= 0 and found[1] <= top else (0, top)


def operand(item: Item, state: State) -> Range:
    """The range of the second operand; a constant is sign-extended to the operation's width."""
    if item.op.operand == "reg":
        found = state[item.insn.src]
        return cut(found, item.op.width)
    value = item.insn.imm & (U64_MAX if item.op.width == 64 else U32_MAX)
    return value, value


def after(item: Item, state: list[Range], wide: int = 0) -> None:
    """Put the range of what `item` writes into `state`. wide: the constant of a ld_imm64."""
    dst, op = writes(item), item.op
    if dst < 0:
        return
    found = FULL
    if op.cls in ("alu", "alu64") and op.name != "addr_space_cast":
        left = cut(state[dst], op.width)
        found = cut(fold(op.name, op.width, left, operand(item, tuple(state)), op.size), op.width)
    elif op.name == "ld_imm64":
        found = wide, wide
    elif op.size and op.size < 8 and op.name != "ldxs" and not item.keeps:
        found = 0, (1 << op.size * 8) - 1
    state[dst] = found


def refine(item: Item, state: State, taken: bool) -> State:
    """What a jump's outcome tells about the registers it compared."""
    name, op = item.op.name, item.op
    a, b = state[item.insn.dst], operand(item, state)
    top = U32_MAX if op.width == 32 else U64_MAX
    signed = name.startswith("js") and name != "jset"
    if a[1] > top or (op.operand == "reg" and state[item.insn.src][1] > top):
        return state
    if signed:
        if max(a[1], b[1]) > top >> 1:
            return state
        name = "j" + name[2:]
    if not taken:
        name = _NOT.get(name, "")
    new_a, new_b = _compared(name, a, b)
    changed = list(state)
    if new_a[0] <= new_a[1]:
        changed[item.insn.dst] = new_a
    if op.operand == "reg" and new_b[0] <= new_b[1]:
        changed[item.insn.src] = new_b
    return tuple(changed)


_NOT: Final = {"jeq": "jne", "jne": "jeq", "jgt": "jle", "jle": "jgt", "jge": "jlt", "jlt": "jge"}


def _compared(name: str, a: Range, b: Range) -> tuple[Range, Range]:
    (al, ah), (bl, bh) = a, b
    match name:
        case "jeq":
            both = max(al, bl), min(ah, bh)
            return both, both
        case "jne" if bl == bh:
            return (al + (al == bl), ah - (ah == bl)), b
        case "jgt":
            return (max(al, bl + 1), ah), (bl, min(bh, ah - 1))
        case "jge":
            return (max(al, bl), ah), (bl, min(bh, ah))
        case "jlt":
            return (al, min(ah, bh - 1)), (max(bl, al + 1), bh)
        case "jle":
            return (al, min(ah, bh)), (max(bl, al), bh)
    return a, b


def analyse(flow: Flow, wides: dict[int, int]) -> dict[int, State]:
    """Ranges at the start of every block. wides: constants of ld_imm64 by slot."""
    steps = _thresholds(flow)
    states: dict[int, State] = {flow.entry: UNKNOWN}
    visits: dict[int, int] = {}
    todo = deque([flow.entry])
    waiting = {flow.entry}
    while todo:
        start = todo.popleft()
        waiting.discard(start)
        for to, state in _outcomes(flow.blocks[start], states[start], wides):
            old = states.get(to)
            if old is None:
                new = state
            else:
                visits[to] = visits.get(to, 0) + 1
                new = _join(old, state, visits[to], steps)
            if new != old:
                states[to] = new
                if to not in waiting:
                    waiting.add(to)
                    todo.append(to)
    return states


def _outcomes(block: Block, state: State, wides: dict[int, int]) -> list[tuple[int, State]]:
    regs = list(state)
    for item in block.plain:
        after(item, regs, wides.get(item.slot, 0))
    out = tuple(regs)
    if block.kind != "cond":
        return [(to, out) for to in block.successors]
    jump = block.items[-1]
    return [(block.next, refine(jump, out, False)), (block.taken, refine(jump, out, True))]


def _join(old: State, new: State, visits: int, steps: list[int]) -> State:
    if visits > IMPATIENCE:
        return UNKNOWN
    joined = []
    for (al, ah), (bl, bh) in zip(old, new, strict=True):
        low, high = min(al, bl), max(ah, bh)
        if visits > PATIENCE:
            low = low if low == al else steps[bisect_right(steps, low) - 1]
            high = high if high == ah else steps[bisect_left(steps, high)]
        joined.append((low, high))
    return tuple(joined)


def _thresholds(flow: Flow) -> list[int]:
    steps = {0, U64_MAX, S64_MAX, U32_MAX, S32_MAX, 0xFFFF, 0xFF}
    for item in flow.items:
        if item.op.cls in ("jmp", "jmp32") and item.op.operand == "imm":
            value = item.insn.imm & (U64_MAX if item.op.width == 64 else U32_MAX)
            steps |= {max(value - 1, 0), value, min(value + 1, U64_MAX)}
    return sorted(steps)
