# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The Python text of one block: its instructions, and what it decides at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bpfvm.engine.fast import access, arena, arith
from bpfvm.engine.fast.access import Window
from bpfvm.engine.fast.flow import CALLS, PACKET, STORES, TAIL_CALL, Block, Item
from bpfvm.engine.fast.ranges import FULL, State
from bpfvm.engine.fast.registers import Line, Registers
from bpfvm.engine.image import Image
from bpfvm.engine.interp import MAX_DEPTH
from bpfvm.isa.word import U32_MAX, U64_MAX

REFRESH: Final = "lim = MEMORY.end - END"
"""Memory may have grown: the last offset at which 8 bytes are there."""
REGISTERS: Final = ", ".join(f"r{number}" for number in range(10))


@dataclass(frozen=True, slots=True)
class Target:
    """What the text is written for. fuel: instructions are counted. direct: may the function at this slot be called
    as a Python function (one that never becomes another program by a tail call)?"""

    image: Image
    window: Window | None
    fuel: bool
    wides: dict[int, int]
    direct: Callable[[int], bool]


@dataclass(slots=True)
class Text:
    """`lines`, then the decision: `leave` returns from the function; test and opposite belong to a condition;
    `stay` is what not taking it does."""

    block: Block
    lines: list[Line]
    leave: bool = False
    test: str = ""
    opposite: str = ""
    stay: str = ""


def write(block: Block, state: State, live: int, target: Target) -> Text:
    """The text of `block`, entered with register ranges `state` and left with the registers `live` (bits) needed."""
    regs = Registers(state, block.items, live)
    count = len(block.items)
    if target.fuel and count:
        regs.lines.append(Line(0, f"if fuel < {count}: {_interpret(block.start, target)}", -1))
        regs.lines.append(Line(0, f"fuel -= {count}", -1))
    for index, item in enumerate(block.plain):
        regs.start(index)
        _instruction(regs, item, target)
    regs.start(count - 1)
    text = Text(block, regs.lines)
    match block.kind:
        case "interp":
            regs.settle_all()
            regs.put(_interpret(block.stop, target))
            text.leave = True
        case "exit":
            result = regs.word(0).text
            if target.fuel:
                regs.put("M._fuel = fuel")
            regs.put(f"return {result}")
            text.leave = True
        case "cond":
            regs.settle()
            text.test, text.opposite = arith.condition(regs, block.items[-1])
        case "may_goto":
            regs.settle()
            text.test, text.opposite, text.stay = "not budget", "budget", "budget -= 1"
        case _:
            regs.settle()
    return text


def _interpret(slot: int, target: Target) -> str:
    """Let the interpreter finish this frame from `slot` on."""
    save = "M._fuel = fuel; " if target.fuel else ""
    return f"{save}return INTERPRET({slot}, d, {REGISTERS}, budget)"


def _instruction(regs: Registers, item: Item, target: Target) -> None:
    name, op, insn = item.op.name, item.op, item.insn
    if name == "addr_space_cast":
        assert target.image.arena is not None
        arith.cast(regs, item, target.image.arena[1])
    elif op.cls in ("alu", "alu64"):
        arith.write(regs, item)
    elif name == "ld_imm64":
        value = target.wides[item.slot]
        regs.set(insn.dst, f"{value:#x}", (value, value))
    elif name in CALLS:
        _call(regs, item, target)
    elif name in PACKET:
        _packet(regs, item, target)
    elif target.image.arena and item.slot in target.image.arena_mem:
        arena.write(regs, item, target.image.arena[0], target.window)
    elif name in STORES:
        access.store(regs, item, target.window)
    elif op.cls == "ldx" or name == "load_acquire":
        access.load(regs, item, target.window, nofault=item.slot in target.image.probe_mem)
    elif name != "ja":
        access.atomic(regs, item, target.window)


def _call(regs: Registers, item: Item, target: Target) -> None:
    insn, name = item.insn, item.op.name
    if name == "call" and insn.imm == TAIL_CALL:
        _tail_call(regs, target)
        return
    args = ", ".join(regs.word(number).text for number in range(1, 6))
    start = item.slot + 1 + insn.imm
    direct = name == "call_local" and target.direct(start)
    if direct:
        regs.put(f"if d == {MAX_DEPTH}: raise TOO_DEEP({start})")
    else:
        regs.put("M._depth = d")
    if target.fuel:
        regs.put("M._fuel = fuel")
    if direct:
        text = f"f{start}(d + 1, {args})"
    elif name == "call_local":
        text = f"M.enter(IMAGE, {start}, ({args}))"
    else:
        function = "HELPER" if name == "call" else "KFUNC"
        text = f"{function}({insn.imm}, ({args}), FRAME) & {U64_MAX:#x}"
    regs.set(0, text, FULL)
    if target.fuel:
        regs.put("fuel = M._fuel")
    if target.window:
        regs.put(REFRESH)


def _tail_call(regs: Registers, target: Target) -> None:
    regs.settle_all()
    save = "M._fuel = fuel; " if target.fuel else ""
    regs.put(f"if M.tail_call({regs.word(2).text}, {regs.low(3).text}): {save}return TAIL({REGISTERS})")


def _packet(regs: Registers, item: Item, target: Target) -> None:
    """Outside of the packet the program returns 0."""
    insn, size = item.insn, item.op.size
    where = str(insn.imm)
    if item.op.name == "ld_ind":
        where = f"((({regs.word(insn.src).text} + {insn.imm}) & {U32_MAX:#x}) ^ 0x80000000) - 0x80000000"
    regs.put(f"v = M.packet_load({regs.word(6).text}, {where}, {size})")
    save = "M._fuel = fuel; " if target.fuel else ""
    regs.put(f"if v is None: {save}return 0")
    regs.set(0, "v", (0, (1 << size * 8) - 1))
