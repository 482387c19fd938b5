# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The instruction set as a Markdown table, made from `table.OPS`."""

from __future__ import annotations

from bpfvm.isa.table import OPS, Op

_HEAD = ("code", "told apart by", "name", "class", "text", "meaning", "cpu", "group", "source")


def markdown_table() -> str:
    """One Markdown row per row of the table, by class and opcode byte; ends with a newline."""
    rows = [_HEAD, tuple("---" for _ in _HEAD), *(_cells(op) for op in sorted(OPS, key=_order))]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in rows)


def _order(op: Op) -> tuple[int, int, int]:
    return op.code & 7, op.code, op.match[1] if op.match else 0


def _cells(op: Op) -> tuple[str, ...]:
    return (
        f"`{op.code:#04x}`",
        f"{op.match[0]} = {op.match[1]:#x}" if op.match else "",
        f"`{op.name}`",
        op.cls,
        f"`{_plain(op.text)}`",
        f"{op.doc} (refused)" if op.refused else op.doc,
        f"v{op.cpu}",
        op.group,
        f"RFC 9669 {op.rfc}" if op.rfc else "Linux",
    )


def _plain(text: str) -> str:
    """The template without its format directions: `r{dst} = {imm:64}` as `rD = imm`."""
    for field, short in (("dst", "D"), ("src", "S")):
        text = text.replace(f"{{{field}}}", short)
    for how in ("helper", "kfunc", "64", "hi", "lo", "x"):
        text = text.replace(f":{how}}}", "}")
    return text.replace("{off:+}", "+off").replace("{imm:+}", "+imm").replace("{imm}", "imm")
