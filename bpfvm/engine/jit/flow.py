# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Functions and basic blocks of an image, found by following jumps and calls from its entries."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bpfvm.engine.image import Image
from bpfvm.isa.helper_ids import HELPER_ID
from bpfvm.isa.opcodes import BPF_CALL, BPF_JMP, BPF_PSEUDO_FUNC, LD_IMM64
from bpfvm.isa.table import Op, op_of

CALLS = frozenset({"call", "call_local", "call_kfunc", "callx", "ld_abs", "ld_ind"})
"""Operations that may run Python, or other frames."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function. blocks: first slot -> all slots, in order of slots; the last block may be the place behind the
    program. refused: slots that can't be carried out. callees: first slots of the functions it calls."""

    start: int
    blocks: dict[int, list[int]]
    refused: frozenset[int]
    callees: frozenset[int]


def callback_starts(image: Image) -> frozenset[int]:
    """First slots of the functions that the kernel may call: those whose address is taken, the exception callback."""
    return frozenset((image.exception_cb,) * bool(image.exception_cb)) | frozenset(
        slot + 1 + insn.imm
        for slot, insn in enumerate(image.source)
        if insn.code == LD_IMM64 and insn.src == BPF_PSEUDO_FUNC and 0 <= slot + 1 + insn.imm < len(image.insns)
    )


def tail_calls(image: Image) -> bool:
    """Does the program make tail calls?"""
    op = BPF_JMP | BPF_CALL
    return any(insn.code == op and not insn.src and insn.imm == HELPER_ID["tail_call"] for insn in image.insns)


def functions(
    image: Image, entries: Iterable[int], refused: Callable[[int], bool], *, calls_end_blocks: bool
) -> dict[int, Function]:
    """Every function that can be reached from `entries`, by first slot. With `calls_end_blocks`, whatever may run
    something else is the last of its block."""
    found: dict[int, Function] = {}
    todo = sorted(entries, reverse=True)
    while todo:
        start = todo.pop()
        if start not in found:
            found[start] = _function(image, start, refused, calls_end_blocks)
            todo += sorted(found[start].callees, reverse=True)
    return dict(sorted(found.items()))


def _function(image: Image, start: int, refused: Callable[[int], bool], calls_end_blocks: bool) -> Function:
    leaders, seen, bad, callees, todo = {start}, set[int](), set[int](), set[int](), [start]
    while todo:
        slot = todo.pop()
        if slot in seen:
            continue
        seen.add(slot)
        if refused(slot):
            bad.add(slot)
            continue
        op = _op(image, slot)
        following = next_slots(image, slot, op)
        if op.name == "call_local":
            callees.add(slot + 1 + image.insns[slot].imm)
        if len(following) != 1 or op.name == "ja" or (calls_end_blocks and op.name in CALLS):
            leaders.update(following)
        todo += following
    return Function(start, _blocks(image, seen, leaders, bad), frozenset(bad), frozenset(callees))


def _blocks(image: Image, seen: set[int], leaders: set[int], bad: set[int]) -> dict[int, list[int]]:
    blocks: dict[int, list[int]] = {}
    before: int | None = None
    for slot in sorted(seen):
        joined = before is not None and before not in bad and next_slots(image, before, _op(image, before)) == [slot]
        if slot in leaders or not joined:
            block = blocks[slot] = []
        block.append(slot)
        before = slot
    return blocks


def next_slots(image: Image, slot: int, op: Op) -> list[int]:
    """Slots that may follow `slot`: none after exit; for a condition first the next, then the one jumped to."""
    insn = image.insns[slot]
    if op.name == "exit":
        return []
    if op.name == "ja":
        return [slot + 1 + (insn.imm if op.operand == "imm" else insn.off)]
    if op.name == "may_goto" or (op.cls in ("jmp", "jmp32") and op.name[0] == "j"):
        return [slot + 1, slot + 1 + insn.off]
    return [slot + (2 if op.name == "ld_imm64" else 1)]


def _op(image: Image, slot: int) -> Op:
    op = op_of(image.insns[slot])
    if op is None:
        raise ValueError(f"slot {slot} has no operation")
    return op
