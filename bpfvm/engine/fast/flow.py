# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A function of a program as blocks: straight runs of instructions that end in one decision."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from bpfvm.engine.image import Image
from bpfvm.isa.helper_ids import HELPER_ID
from bpfvm.isa.insn import Insn
from bpfvm.isa.opcodes import MAX_BPF_REG
from bpfvm.isa.table import Op, op_of

MAX_SLOTS: Final = 20_000
"""Largest function that is translated; a larger one is left to the interpreter."""
TAIL_CALL: Final = HELPER_ID["tail_call"]
CALLS: Final = frozenset({"call", "call_kfunc", "call_local"})
PACKET: Final = frozenset({"ld_abs", "ld_ind"})
STORES: Final = frozenset({"st", "stx", "store_release"})

Kind = Literal["goto", "cond", "may_goto", "exit", "interp"]
"""How a block ends; interp: the interpreter goes on at `stop`, because that instruction is none we translate."""


class Item(NamedTuple):
    """One instruction and where it is. keeps: it may leave the register that it writes as it is (in an arena)."""

    slot: int
    insn: Insn
    op: Op
    keeps: bool = False


class TooLarge(Exception):
    """The function has more than MAX_SLOTS slots."""


@dataclass(slots=True)
class Block:
    """`items` includes the jump or exit at the end, which is at slot `stop`.

    next: the slot that follows (of a `goto`: the target); taken: where a condition jumps to; -1 where there is none.
    """

    start: int
    items: list[Item] = field(default_factory=list)
    kind: Kind = "goto"
    next: int = -1
    taken: int = -1
    stop: int = -1

    @property
    def successors(self) -> tuple[int, ...]:
        """Slots of the blocks control can go to."""
        return tuple(slot for slot in (self.next, self.taken) if slot >= 0)

    @property
    def plain(self) -> list[Item]:
        """The instructions before the decision."""
        return self.items[:-1] if self.items and self.items[-1].slot == self.stop else self.items


@dataclass(slots=True)
class Flow:
    """All blocks of the function at slot `entry`, by first slot."""

    entry: int
    blocks: dict[int, Block]

    @property
    def items(self) -> list[Item]:
        """All instructions."""
        return [item for block in self.blocks.values() for item in block.items]


def writes(item: Item) -> int:
    """The register an instruction writes, or -1. Calls and packet loads write r0."""
    name, cls = item.op.name, item.op.cls
    if cls in ("alu", "alu64", "ldx") or name in ("ld_imm64", "load_acquire"):
        return item.insn.dst
    if name in CALLS or name in PACKET or name == "cmpxchg":
        return 0
    return item.insn.src if item.op.fetch else -1


def build(image: Image, entry: int, *, split_calls: bool) -> Flow:
    """The blocks of the function at `entry`; with split_calls a call ends its block. Raises TooLarge."""
    rows = Rows(image)
    leaders, seen, todo = {entry}, set[int](), [entry]
    while todo:
        slot = todo.pop()
        while slot not in seen:
            seen.add(slot)
            if len(seen) > MAX_SLOTS:
                raise TooLarge
            ends, targets = _leaves(rows, slot)
            if not ends:
                leaders |= {slot + 1} if split_calls and image.insns[slot].code in _SPLITTING else set()
                slot += 2 if image.insns[slot].code == 0x18 else 1
                continue
            leaders.update(targets)
            todo += targets
            break
    return Flow(entry, {start: _block(rows, start, leaders) for start in sorted(leaders & seen)})


_SPLITTING: Final = frozenset(
    {0x85, *(size | mode for size in (0x00, 0x08, 0x10) for mode in (0x20, 0x40))},
)
"""Opcodes after which the number of instructions executed must be exact: calls, and packet loads that may return."""


class Rows(dict[int, Op | None]):
    """`translated` of an image's slots, each looked at once."""

    def __init__(self, image: Image) -> None:
        super().__init__()
        self.image = image

    def __missing__(self, slot: int) -> Op | None:
        self[slot] = found = translated(self.image, slot)
        return found


def _leaves(rows: Rows, slot: int) -> tuple[bool, list[int]]:
    """Does the instruction at `slot` end its block, and where can control go from there?"""
    op = rows[slot]
    if op is None or op.name == "exit":
        return True, []
    insn = rows.image.insns[slot]
    if op.name == "ja":
        return True, [slot + 1 + (insn.imm if op.operand == "imm" else insn.off)]
    if op.cls in ("jmp", "jmp32") and op.name not in CALLS:
        return True, [slot + 1, slot + 1 + insn.off]
    return False, []


def _block(rows: Rows, start: int, leaders: set[int]) -> Block:
    block, slot = Block(start), start
    while True:
        op = rows[slot]
        block.stop = slot
        if op is None:
            block.kind = "interp"
            return block
        insn = rows.image.insns[slot]
        ends, targets = _leaves(rows, slot)
        keeps = slot in rows.image.arena_mem and (op.fetch or op.name == "load_acquire")
        block.items.append(Item(slot, insn, op, keeps))
        if ends:
            if op.name == "exit":
                block.kind = "exit"
            elif len(targets) == 1:
                block.next = targets[0]
            else:
                block.kind = "may_goto" if op.name == "may_goto" else "cond"
                block.next, block.taken = targets
            return block
        slot += 2 if op.name == "ld_imm64" else 1
        if slot in leaders:
            block.next, block.stop = slot, -1
            return block


def translated(image: Image, slot: int) -> Op | None:
    """The row of the instruction at `slot`, or None if it is left to the interpreter, which knows why it can't run."""
    insns = image.insns
    if not 0 <= slot < len(insns):
        return None
    insn = insns[slot]
    op = op_of(insn)
    if op is None or op.refused or insn.dst >= MAX_BPF_REG or insn.src >= MAX_BPF_REG:
        return None
    if writes(Item(slot, insn, op)) == 10:
        return None
    if op.name == "ld_imm64":
        return op if not insn.src and slot + 1 < len(insns) and not insns[slot + 1].code else None
    if op.name == "addr_space_cast":
        return op if image.arena and insn.imm in (1, 0x10000) else None
    if op.cls in ("jmp", "jmp32") and op.name not in ("exit", "call", "call_kfunc"):
        far = op.name == "call_local" or (op.name == "ja" and op.operand == "imm")
        to = slot + 1 + (insn.imm if far else insn.off)
        return op if 0 <= to < len(insns) else None
    return op
