# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Instructions as text, exactly as the kernel's verifier log writes them.

Source: Linux 6.18 `kernel/bpf/disasm.c:print_bpf_insn`.

The text comes from `Op.text`. Its `{field:how}` parts are written like this:

| how | field | example |
|---|---|---|
| (none) | signed decimal | `-7` |
| `+` | decimal with sign | `+2` |
| `x` | imm as unsigned hexadecimal | `0xffffffff` |
| `hi`, `lo` | halves of imm, unsigned decimal | `1` |
| `helper`, `kfunc` | name of what imm names, and imm | `bpf_map_lookup_elem#1` |
| `64` | the constant of both slots | `0x123456789` |

A `ld_imm64` that stands for a map, variable or function prints its raw constant; `pseudo_imm64` gives a text that
says what it stands for and that the assembler reads back.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from typing import Final

from bpfvm.isa.helper_ids import HELPERS
from bpfvm.isa.insn import Insn
from bpfvm.isa.insn import imm64 as constant
from bpfvm.isa.malformed import nearest, text_alone
from bpfvm.isa.table import CLASS_NAMES, FIELDS, OPS, Op, is_wide, op_of

CallName = Callable[[Insn, int], "str | None"]
"""(insn, its index) -> name of the called kfunc (printed before `#id`), or what a bpf2bpf call prints after `pc`."""

Imm64Text = Callable[[Insn, Insn], "str | None"]
"""(first slot, second slot) of a ld_imm64 -> text of its constant, or None for the default."""

_Part = Callable[[Insn], str]

_HOW: Final[dict[str, Callable[[int], str]]] = {
    "": str,
    "+": "{:+d}".format,
    "x": lambda imm: f"{imm & 0xFFFFFFFF:#x}",
    "hi": lambda imm: str(imm >> 16 & 0xFFFF),
    "lo": lambda imm: str(imm & 0xFFFF),
}


def _text(literal: str) -> _Part:
    return lambda _: literal


def _part(literal: str, name: str, how: str) -> _Part:
    index, write = FIELDS[name], _HOW[how]
    return lambda insn: literal + write(insn[index])


def _compile(op: Op) -> tuple[_Part, ...] | None:
    """The parts of `op.text`, or None for the operations whose operand is not a plain number."""
    parts: list[_Part] = []
    for literal, name, how, _ in string.Formatter().parse(op.text):
        if name is None:
            parts.append(_text(literal))
        elif how in _HOW:
            parts.append(_part(literal, name, how or ""))
        else:
            return None
    return tuple(parts)


_PARTS: Final = {op: parts for op in OPS if (parts := _compile(op)) is not None}


def disasm(insns: Sequence[Insn], i: int, *, call_name: CallName | None = None, imm64: Imm64Text | None = None) -> str:
    """Text of the instruction at slot `i` of `insns`.

    Any tuple of slots can be printed: of encodings that the table doesn't have some have a text all the same (see
    malformed), the others (and half a ld_imm64) give `BUG_<code>`.
    """
    insn = insns[i]
    op = op_of(insn)
    if op is None or (is_wide(insn) and i + 1 >= len(insns)):
        return _invalid(insn)
    parts = _PARTS.get(op)
    if op.name == "call_local":
        name = call_name(insn, i) if call_name else None
        return f"call pc{name if name is not None else format(insn.imm, '+d')}"
    if parts is not None:
        return "".join([part(insn) for part in parts])
    if op.name == "ld_imm64":
        return f"r{insn.dst} = {_constant(insn, insns[i + 1], imm64)}"
    return f"call {_callee(op, insn, i, call_name)}#{insn.imm}"


def _callee(op: Op, insn: Insn, i: int, call_name: CallName | None) -> str:
    if op.name == "call":
        if insn.imm == 0:
            return "bpf_unspec"
        if insn.imm in HELPERS:
            return f"bpf_{HELPERS[insn.imm]}"
    name = call_name(insn, i) if call_name else None
    if name is not None:
        return name
    return "kernel-function" if op.name == "call_kfunc" else "unknown"


def _constant(low: Insn, high: Insn, text: Imm64Text | None) -> str:
    given = text(low, high) if text else None
    return given if given is not None else f"{constant(low, high):#x}"


def _invalid(insn: Insn) -> str:
    """An encoding that the table doesn't have; most are refused before the kernel would print them."""
    found = nearest(insn)
    if found is not None and op_of(found[0]) is not None:
        like, part, now = found
        text = disasm((like,), 0)
        return text.replace(part, now) if part else text
    alone = text_alone(insn)
    if alone is not None:
        return alone
    kind = CLASS_NAMES[insn.code & 7]
    return f"BUG_{kind}_{insn.code:02x}"


def pseudo_imm64(low: Insn, high: Insn) -> str | None:
    """Text of a ld_imm64's constant by what it stands for, as in `bpftool prog dump xlated`; None for a plain number.

    `map[id:N]`, `map[id:N][0]+OFF`, `var[id:N]`, `subprog[+N]`, `map[idx:N]`, `map[idx:N][0]+OFF`.
    """
    match low.src:
        case 1 | 5:
            return f"map[{'id' if low.src == 1 else 'idx'}:{low.imm}]"
        case 2 | 6:
            return f"map[{'id' if low.src == 2 else 'idx'}:{low.imm}][0]+{high.imm}"
        case 3:
            return f"var[id:{low.imm}]" if high.imm == 0 else f"var[id:{low.imm}][btf:{high.imm}]"
        case 4:
            return f"subprog[{low.imm:+d}]"
    return None


def listing(insns: Sequence[Insn], *, call_name: CallName | None = None, imm64: Imm64Text | None = None) -> list[str]:
    """All of a program, one line per instruction as in the verifier's log: `2: (b7) r0 = 0`."""
    lines, i = [], 0
    while i < len(insns):
        lines.append(f"{i}: ({insns[i].code:02x}) {disasm(insns, i, call_name=call_name, imm64=imm64)}")
        i += 2 if is_wide(insns[i]) else 1
    return lines
