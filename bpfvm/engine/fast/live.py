# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which registers are still read after a block; the others need not be words when it ends."""

from __future__ import annotations

from typing import Final

from bpfvm.engine.fast.flow import CALLS, PACKET, TAIL_CALL, Block, Flow, Item, writes

ALL: Final = (1 << 11) - 1
_ARGS: Final = 0b11_1110


def reads(item: Item) -> int:
    """The registers an instruction reads, as bits. A tail call and what the interpreter takes over read all."""
    name, op, insn = item.op.name, item.op, item.insn
    dst, src = 1 << insn.dst, 1 << insn.src
    if name in CALLS:
        return ALL if name == "call" and insn.imm == TAIL_CALL else _ARGS
    if name == "exit":
        return 1
    if name in PACKET:
        return 1 << 6 | (src if name == "ld_ind" else 0)
    if op.cls in ("ldx",) or name in ("load_acquire", "addr_space_cast"):
        return src | (dst if item.keeps else 0)
    if op.cls == "st":
        return dst
    if op.cls == "stx":
        return dst | src | (name == "cmpxchg")
    if name in ("ja", "may_goto", "ld_imm64"):
        return 0
    if name in ("mov", "movsx"):
        return src if op.operand == "reg" else 0
    return dst | (src if op.operand == "reg" else 0)


def live_out(flow: Flow) -> dict[int, int]:
    """For every block: registers (as bits) that are read after it."""
    effects = {start: _effect(block) for start, block in flow.blocks.items()}
    before: dict[int, int] = dict.fromkeys(flow.blocks, 0)
    out: dict[int, int] = dict.fromkeys(flow.blocks, 0)
    sources: dict[int, list[int]] = {start: [] for start in flow.blocks}
    for start, block in flow.blocks.items():
        for to in block.successors:
            sources[to].append(start)
    todo = sorted(flow.blocks)
    waiting = set(todo)
    while todo:
        start = todo.pop()
        waiting.discard(start)
        block = flow.blocks[start]
        needed = ALL if block.kind == "interp" else 0
        for to in block.successors:
            needed |= before[to]
        out[start] = needed
        used, defined = effects[start]
        new = used | (needed & ~defined)
        if new != before[start]:
            before[start] = new
            for each in sources[start]:
                if each not in waiting:
                    waiting.add(each)
                    todo.append(each)
    return out


def _effect(block: Block) -> tuple[int, int]:
    """Registers read before they are written, and registers written."""
    used = defined = 0
    for item in block.items:
        used |= reads(item) & ~defined
        dst = writes(item)
        defined |= 1 << dst if dst >= 0 else 0
    return used, defined
