# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The text of arithmetic, moves, byte swaps and conditions (RFC 9669 sections 4.1 to 4.3)."""

from __future__ import annotations

from typing import Final

from bpfvm.engine.fast.flow import Item
from bpfvm.engine.fast.ranges import LOW, Range, fold
from bpfvm.engine.fast.registers import Operand, Registers
from bpfvm.isa.word import S32_MAX, S64_MAX, SIGN32, SIGN64, U32_MAX, U64_MAX

_RING: Final = {"add": "+", "sub": "-", "mul": "*"}
_BITS: Final = {"and": "&", "or": "|", "xor": "^"}
DIVISIONS: Final = {"div": "udiv", "mod": "umod", "sdiv": "sdiv", "smod": "smod"}
"""Functions of bpfvm.isa.word, followed by the width."""
_FLIPPED: Final = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_SIGNS: Final = {"eq": "==", "ne": "!=", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def write(regs: Registers, item: Item) -> None:
    """One instruction of classes ALU and ALU64."""
    name, width, dst = item.op.name, item.op.width, item.insn.dst
    if name in _RING:
        a, b = regs.loose(dst, width), _second(regs, item, signed=True)
        regs.set(dst, f"{a.text} {_RING[name]} {b.text}", fold(name, width, a.range, b.range), width)
    elif name == "neg":
        a = regs.loose(dst, width)
        regs.set(dst, f"-{a.text}", fold(name, width, a.range, a.range), width)
    elif name in _BITS:
        _bitwise(regs, item)
    elif name in ("lsh", "rsh", "arsh"):
        _shift(regs, item)
    elif name in DIVISIONS:
        _division(regs, item)
    elif name == "mov":
        b = _second(regs, item, signed=False)
        regs.set(dst, b.text, b.range, width)
    elif name == "movsx":
        _sign_extend(regs, item)
    else:
        _swap(regs, item)


def _word(regs: Registers, reg: int, width: int) -> Operand:
    return regs.word(reg) if width == 64 else regs.low(reg)


def _second(regs: Registers, item: Item, *, signed: bool) -> Operand:
    """The second operand: a word, or (signed) any number that is the same in the operation's width."""
    width = item.op.width
    if item.op.operand == "reg":
        return regs.loose(item.insn.src, width) if signed else _word(regs, item.insn.src, width)
    value = item.insn.imm if signed else item.insn.imm & (U64_MAX if width == 64 else U32_MAX)
    return Operand(str(value) if signed else f"{value:#x}", (value, value))


def _bitwise(regs: Registers, item: Item) -> None:
    name, width, dst = item.op.name, item.op.width, item.insn.dst
    if name == "and" and item.op.operand == "imm" and item.insn.imm >= 0:
        a = regs.loose(dst, width)
        found = (
            fold(name, width, (0, max(a.range[1], 0)), (item.insn.imm,) * 2) if a.range[0] >= 0 else (0, item.insn.imm)
        )
        regs.set(dst, f"{a.text} & {item.insn.imm:#x}", found, width)
        return
    a, b = _word(regs, dst, width), _second(regs, item, signed=False)
    regs.set(dst, f"{a.text} {_BITS[name]} {b.text}", fold(name, width, a.range, b.range), width)


def _amount(regs: Registers, item: Item) -> Operand:
    """The shift amount, taken modulo the width."""
    top = item.op.width - 1
    if item.op.operand == "imm":
        value = item.insn.imm & top
        return Operand(str(value), (value, value))
    b = regs.loose(item.insn.src, 32)
    if b.range[0] >= 0 and b.range[1] <= top:
        return b
    return Operand(f"({b.text} & {top})", (0, top))


def _shift(regs: Registers, item: Item) -> None:
    name, width, dst = item.op.name, item.op.width, item.insn.dst
    amount = _amount(regs, item)
    known = amount.range[0] == amount.range[1]
    if name == "lsh":
        a = regs.loose(dst, width) if known else _word(regs, dst, width)
        low, high = a.range[0] << amount.range[1], a.range[1] << amount.range[1]
        regs.set(dst, f"{a.text} << {amount.text}", (min(low, a.range[0]), max(high, a.range[1])), width)
        return
    a = _word(regs, dst, width)
    if name == "rsh":
        regs.set(dst, f"{a.text} >> {amount.text}", fold(name, width, a.range, amount.range), width)
        return
    positive, sign = (S64_MAX, SIGN64) if width == 64 else (S32_MAX, SIGN32)
    if a.range[1] <= positive:
        regs.set(
            dst, f"{a.text} >> {amount.text}", (a.range[0] >> amount.range[1], a.range[1] >> amount.range[0]), width
        )
    else:
        text = f"(({a.text} ^ {sign:#x}) - {sign:#x}) >> {amount.text}"
        regs.set(dst, text, (-sign >> amount.range[0], positive >> amount.range[0]), width)


def _division(regs: Registers, item: Item) -> None:
    name, width, dst = item.op.name, item.op.width, item.insn.dst
    a, b = _word(regs, dst, width), _second(regs, item, signed=False)
    divisor, power = b.range[0], b.range[0].bit_length() - 1
    found = fold(name, width, a.range, b.range)
    if b.range[0] == b.range[1] and divisor == 1 << max(power, 0) and name in ("div", "mod"):
        text = f"{a.text} >> {power}" if name == "div" else f"{a.text} & {divisor - 1:#x}"
    else:
        text = f"{DIVISIONS[name]}{width}({a.text}, {b.text})"
    regs.set(dst, text, found, width)


def _sign_extend(regs: Registers, item: Item) -> None:
    src, width, sign = item.insn.src, item.op.width, 1 << (item.op.size * 8 - 1)
    b = regs.word(src)
    if b.range[1] < sign:
        regs.set(item.insn.dst, b.text, b.range, width)
        return
    low = b.text if b.range[1] < sign << 1 else f"({b.text} & {(sign << 1) - 1:#x})"
    regs.set(item.insn.dst, f"({low} ^ {sign:#x}) - {sign:#x}", (-sign, sign - 1), width)


def _swap(regs: Registers, item: Item) -> None:
    """le leaves the low bytes as they are; be and bswap reverse them (the machine is little-endian)."""
    dst, bits = item.insn.dst, item.op.size << 3
    a = regs.word(dst)
    low: Range = fold("le", 64, a.range, a.range, item.op.size)
    if item.op.name == "le":
        if a.range[1] > low[1]:
            regs.set(dst, f"{a.text} & {low[1]:#x}", low)
        return
    if bits == 16:
        regs.set(dst, f"SWAPPED[{a.text} & 0xffff]", low)
        return
    if bits == 32:
        high = f"{a.text} >> 16" if a.range[1] <= low[1] else f"{a.text} >> 16 & 0xffff"
        regs.set(dst, f"SWAPPED[{a.text} & 0xffff] << 16 | SWAPPED[{high}]", low)
        return
    regs.set(dst, f'from_bytes(({a.text}).to_bytes(8, "little"), "big")', low)


def condition(regs: Registers, item: Item) -> tuple[str, str]:
    """The text of a conditional jump's test, and of its opposite."""
    op, name = item.op, item.op.name[1:]
    width, dst = op.width, item.insn.dst
    a, b = _word(regs, dst, width), _second(regs, item, signed=False)
    if name == "set":
        return f"{a.text} & {b.text}", f"not {a.text} & {b.text}"
    if name[0] == "s":
        name = name[1:]
        positive, sign = (S64_MAX, SIGN64) if width == 64 else (S32_MAX, SIGN32)
        if max(a.range[1], b.range[1]) > positive:
            a = Operand(f"({a.text} ^ {sign:#x})", LOW)
            known = b.range[0] == b.range[1]
            b = Operand(f"{b.range[0] ^ sign:#x}" if known else f"({b.text} ^ {sign:#x})", LOW)
    symbol = _SIGNS[name]
    return f"{a.text} {symbol} {b.text}", f"{a.text} {_FLIPPED[symbol]} {b.text}"


def cast(regs: Registers, item: Item, user: int) -> None:
    """addr_space_cast: to an arena pointer, the lower half (imm 1), or to its user address, where NULL stays NULL."""
    low = regs.low(item.insn.src)
    if item.insn.imm == 1:
        regs.set(item.insn.dst, low.text, (0, U32_MAX))
    else:
        regs.set(item.insn.dst, f"({user & ~U32_MAX:#x} | {low.text}) if {low.text} else 0", (0, U64_MAX))
