# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Assembler for the text that `disasm` writes, which is the kernel's; so a verifier log assembles too.

One instruction per line; `; …`, `// …` and ` # …` are comments; `name:` labels the next instruction and may be what a
jump, `call` or `subprog[…]` goes to; numbers are decimal or `0x` hexadecimal. Beyond the kernel's syntax:

| text | meaning |
|---|---|
| `call bpf_loop`, `call 181` | helper by name or by number |
| `call bpf_task_acquire#77` | kfunc with BTF id 77 (any name that isn't helper 77's) |
| `r1 = 0x10` | ld_imm64, as the kernel writes it; `r1 = 16` is a mov. `… ll` is always ld_imm64 |
| `r1 = map[id:0]` | ld_imm64 with what `pseudo_imm64` describes |

An instruction is recognised by its *shape*: its tokens with registers and numbers blanked out, looked up among the
shapes of the table's texts.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass, field
from typing import Final

from bpfvm.errors import BadInput
from bpfvm.isa.helper_ids import HELPER_ID, HELPERS
from bpfvm.isa.insn import Insn
from bpfvm.isa.table import OPS, Op

_TOKEN: Final = re.compile(
    r"""(?P<reg>[rw]\d+\b)
      | (?P<num>0[xX][0-9a-fA-F]+\b|\d+\b)
      | (?P<other>\bs(?:>>=|/=|%=|[<>]=?)|<<=|>>=|[-+*/%&|^=!<>]=|[A-Za-z_.][\w.]*|\S)""",
    re.VERBOSE,
)
_COMMENT: Final = re.compile(r";.*|//.*|(?:^|\s)\#.*")
_LOG_PREFIX: Final = re.compile(r"^\d+: \([0-9a-f]{2}\) ")
_LABEL: Final = re.compile(r"^([A-Za-z_.][\w.]*):(?!:)")
_BARE_ADDRESS: Final = re.compile(r"\)\((r\d+)\)")
_CALL: Final = re.compile(r"^call\s+(?P<name>[\w.-]+?)?(?:#(?P<id>-?\w+))?$")
_PSEUDO: Final = re.compile(
    r"^r(?P<dst>\d+) = (?P<what>map|var|subprog)\[(?:(?P<how>idx?):)?(?P<n>[\w.+-]+)\]"
    r"(?:\[(?:btf:)?(?P<extra>\d+)\](?:\+(?P<off>-?\w+))?)?(?: ll)?$"
)
_IMM64: Final = re.compile(r"^r(?P<dst>\d+) = (?P<n>-?0[xX][0-9a-fA-F]+|-?\w+(?= ll))(?: ll)?$")
MAX_LINE: Final = 1000
"""Longest line that the assembler reads."""
_JUMPS: Final = ("goto", "gotol", "may_goto")

_Value = int | str
_Shape = tuple[str, ...]


def _tokens(text: str) -> tuple[_Shape, list[_Value]]:
    """Shape and values of an instruction's text; a label in place of a target is a value of type str."""
    shape: list[str] = []
    values: list[_Value] = []
    for match in _TOKEN.finditer(text):
        token = match[0]
        if match["reg"]:
            shape.append(token[0] + "#")
            values.append(int(token[1:]))
        elif match["num"]:
            sign = 1
            while shape and shape[-1] in ("+", "-"):
                sign = -sign if shape.pop() == "-" else sign
            if shape and shape[-1] in _JUMPS:
                shape.append("pc")
            shape.append("#")
            values.append(sign * int(token, 16 if token[:2] in ("0x", "0X") else 10))
        elif shape and shape[-1] in _JUMPS and token not in ("pc", "+", "-"):
            shape += ["pc", "#"]
            values.append(token)
        else:
            shape.append(token)
    return tuple(shape), values


_MARKS: Final = {"dst": 9001, "src": 9002, "off": 9003, "imm": 9004, "imm:hi": 9005, "imm:lo": 9006}
_FIELD_OF: Final = {mark: name for name, mark in _MARKS.items()}


def _shapes() -> dict[_Shape, tuple[Op, tuple[str | int, ...]]]:
    """Shape -> row and, for each value in the text, the field it fills or the number it must be."""
    table: dict[_Shape, tuple[Op, tuple[str | int, ...]]] = {}
    for op in OPS:
        if op.name in ("call", "call_kfunc", "call_local", "ld_imm64"):
            continue
        text = ""
        for literal, name, how, _ in string.Formatter().parse(op.text):
            mark = _MARKS.get(f"{name}:{how}", _MARKS.get(name or ""))
            text += literal + (f"{'+' if how == '+' else ''}{mark}" if mark else "")
        shape, values = _tokens(text)
        table[shape] = (op, tuple(_FIELD_OF.get(int(value), int(value)) for value in values))
    return table


_BY_SHAPE: Final = _shapes()


@dataclass(slots=True)
class _Source:
    """The assembler's state: slots so far, labels, and slots whose target is a label (with the field it goes to)."""

    slots: list[Insn] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    pending: list[tuple[int, str, str, int]] = field(default_factory=list)

    def wait_for(self, label: str, where: str, line: int) -> None:
        self.pending.append((len(self.slots), where, label, line))


def asm(text: str) -> tuple[Insn, ...]:
    """Assemble a program. Raises BadInput naming the line when something is not an instruction or doesn't fit."""
    source = _Source()
    for number, raw in enumerate(text.splitlines(), start=1):
        if len(raw) > MAX_LINE:
            raise _error(f"line of {len(raw)} characters, more than {MAX_LINE}", number)
        line = " ".join(_COMMENT.sub("", raw).split())
        while label := _LABEL.match(line):
            if label[1] in source.labels:
                raise _error(f"label '{label[1]}' is defined twice", number)
            source.labels[label[1]] = len(source.slots)
            line = line[label.end() :].strip()
        line = _LOG_PREFIX.sub("", line)
        if line:
            _assemble_line(source, line, number)
    for slot, where, name, number in source.pending:
        if name not in source.labels:
            raise _error(f"no label '{name}'", number)
        distance = source.labels[name] - slot - 1
        source.slots[slot] = source.slots[slot]._replace(**{where: _fit(distance, where, number)})
    return tuple(source.slots)


def _assemble_line(source: _Source, line: str, number: int) -> None:
    if line.startswith("call "):
        source.slots.append(_call(source, line, number))
    elif pseudo := _PSEUDO.match(line):
        source.slots += _pseudo(source, pseudo, number)
    elif wide := _IMM64.match(line):
        value = _number(wide["n"], number)
        if not -(1 << 63) <= value < 1 << 64:
            raise _error(f"{wide['n']} doesn't fit 64 bits", number)
        low, high = value & 0xFFFFFFFF, value >> 32 & 0xFFFFFFFF
        source.slots += [
            Insn(0x18, _register(int(wide["dst"]), number), 0, 0, _fit(low, "imm", number)),
            Insn(0, imm=_fit(high, "imm", number)),
        ]
    else:
        source.slots.append(_plain(source, line, number))


def _plain(source: _Source, line: str, number: int) -> Insn:
    shape, values = _tokens(_BARE_ADDRESS.sub(r")(\1 +0)", line))
    if shape not in _BY_SHAPE:
        raise _error(f"not an instruction: '{line}'", number)
    op, wanted = _BY_SHAPE[shape]
    fields: dict[str, int] = {op.match[0]: op.match[1]} if op.match else {}
    for where, value in zip(wanted, values, strict=True):
        if isinstance(value, str):
            source.wait_for(value, str(where), number)
        elif isinstance(where, int):
            if where != value:
                raise _error(f"only r{where} can stand where '{line}' has r{value}", number)
        elif where == "imm:hi" or where == "imm:lo":
            if not 0 <= value <= 0xFFFF:
                raise _error(f"address space {value} is not 0..65535", number)
            both = fields.get("imm", 0) & 0xFFFFFFFF | (value << 16 if where == "imm:hi" else value)
            fields["imm"] = _fit(both, "imm", number)
        elif fields.get(where, value) != value and where in ("dst", "src"):
            raise _error(f"both registers must be the same in '{line}'", number)
        else:
            fields[where] = _register(value, number) if where in ("dst", "src") else _fit(value, where, number)
    return Insn(op.code, **fields)


def _call(source: _Source, line: str, number: int) -> Insn:
    shape, values = _tokens(line)
    if shape == ("call", "pc", "#"):
        return Insn(0x85, 0, 1, 0, _fit(int(values[0]), "imm", number))
    match = _CALL.match(line)
    if not match:
        raise _error(f"not a call: '{line}'", number)
    name = match["name"]
    if match["id"] is not None:
        called = _fit(_number(match["id"], number), "imm", number)
        is_helper = name in ("unknown", "bpf_unspec", f"bpf_{HELPERS.get(called)}")
        return Insn(0x85, 0, 0 if is_helper else 2, 0, called)
    if name.removeprefix("bpf_") in HELPER_ID:
        return Insn(0x85, imm=HELPER_ID[name.removeprefix("bpf_")])
    if name.isdigit():
        return Insn(0x85, imm=_fit(int(name), "imm", number))
    source.wait_for(name, "imm", number)
    return Insn(0x85, 0, 1)


def _pseudo(source: _Source, match: re.Match[str], number: int) -> list[Insn]:
    dst, extra = _register(int(match["dst"]), number), 0
    match match["what"], match["how"], match["extra"]:
        case "map", "id", None:
            src = 1
        case "map", "id", _:
            src, extra = 2, _number(match["off"] or "0", number)
        case "map", "idx", None:
            src = 5
        case "map", "idx", _:
            src, extra = 6, _number(match["off"] or "0", number)
        case "var", "id", _:
            src, extra = 3, int(match["extra"] or 0)
        case "subprog", None, None:
            src = 4
        case _:
            raise _error("not a map, variable or function reference", number)
    if src == 4 and not match["n"].lstrip("+-").isdigit():
        source.wait_for(match["n"], "imm", number)
        return [Insn(0x18, dst, src), Insn(0)]
    imm = _fit(_number(match["n"], number), "imm", number)
    return [Insn(0x18, dst, src, 0, imm), Insn(0, imm=_fit(extra, "imm", number))]


def _number(text: str, line: int) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise _error(f"'{text}' is not a number", line) from None


def _register(number: int, line: int) -> int:
    if number > 10:
        raise _error(f"there is no r{number}, only r0 to r10", line)
    return number


def _fit(value: int, where: str, line: int) -> int:
    """`value` as what the signed field holds; unsigned spellings of 32 bits are fine for imm."""
    if where == "off":
        low, high = -0x8000, 0x7FFF
    else:
        low, high = -0x80000000, 0xFFFFFFFF
    if not low <= value <= high:
        raise _error(f"{value} doesn't fit the instruction's {where}; for 64 bits write 'rN = {value} ll'", line)
    return value - (1 << 32) if value > 0x7FFFFFFF else value


def _error(message: str, line: int) -> BadInput:
    return BadInput(message, section=f"line {line}")
