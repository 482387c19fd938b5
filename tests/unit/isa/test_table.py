# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The instruction table: every row is found again, and nothing else is."""

from __future__ import annotations

import itertools

import pytest

from bpfvm.isa.doc import markdown_table
from bpfvm.isa.insn import Insn
from bpfvm.isa.table import CLASS_NAMES, FIELDS, NAMES, OPS, Op, op_of, reserved_ok

VALUES = {"dst": 1, "src": 2, "off": 3, "imm": -4}


def sample(op: Op, **given: int) -> Insn:
    """An instruction of row `op` with all its fields set."""
    fields = {name: VALUES[name] if name in op.fields else 0 for name in FIELDS} | given
    if op.match:
        fields[op.match[0]] = op.match[1]
    return Insn(op.code, **fields)


@pytest.mark.parametrize("op", OPS, ids=lambda op: f"{op.code:#04x}-{op.text}")
def test_row(op: Op) -> None:
    insn = sample(op)
    assert op_of(insn) is op
    assert reserved_ok(insn)
    assert op.cls == CLASS_NAMES[op.code & 7]
    assert op.width in (32, 64) and op.size in (0, 1, 2, 4, 8) and 1 <= op.cpu <= 4
    assert bool(op.rfc) == bool(op.group)
    for name in set(FIELDS) - op.fields:
        assert not reserved_ok(insn._replace(**{name: 1}))


def test_rows_are_distinct() -> None:
    assert len({(op.code, op.match) for op in OPS}) == len(OPS)
    assert len({op.text for op in OPS if op.name != "ld_imm64"}) == len([op for op in OPS if op.name != "ld_imm64"])


def test_known_rows() -> None:
    def named(code: int, **fields: int) -> str | None:
        op = op_of(Insn(code, **fields))
        return op and op.name

    assert named(0x07) == "add"
    assert named(0x3F, off=1) == "sdiv"
    assert named(0x97, off=0) == "mod"
    assert named(0xBF, off=32) == "movsx"
    assert named(0xBF, off=1) == "addr_space_cast"
    assert named(0xD7, imm=16) == "bswap"
    assert named(0x85, src=1) == "call_local"
    assert named(0x85, src=2) == "call_kfunc"
    assert named(0x06) == "ja"
    assert named(0xE5) == "may_goto"
    assert named(0xDB, imm=0xE1) == "xchg"
    assert named(0xCB, imm=0x100) == "load_acquire"
    assert named(0x91) == "ldxs"


@pytest.mark.parametrize(
    "insn",
    [
        Insn(0x3F, off=2),
        Insn(0xBF, off=7),
        Insn(0xBC, off=32),
        Insn(0xBC, off=1),
        Insn(0xD4, imm=24),
        Insn(0xDF, imm=16),
        Insn(0x8F),
        Insn(0x87 | 0x08),
        Insn(0x86),
        Insn(0x96),
        Insn(0x85, src=3),
        Insn(0xE5, src=1),
        Insn(0xE6),
        Insn(0x99),
        Insn(0x38),
        Insn(0x18, src=7),
        Insn(0xDB, imm=0xE0),
        Insn(0xDB, imm=0x10),
        Insn(0xD3, imm=0),
        Insn(0xC2),
        Insn(0xFF),
        Insn(0x00),
    ],
    ids=str,
)
def test_not_an_instruction(insn: Insn) -> None:
    assert op_of(insn) is None
    assert not reserved_ok(insn)


def test_opcode_bytes_that_linux_knows() -> None:
    """Linux 6.18 bpf_opcode_in_insntable: counted per class."""
    codes = {op.code for op in OPS if not op.refused}
    per_class = [sum(1 for code in codes if code & 7 == cls) for cls in range(8)]
    assert per_class == [7, 7, 4, 8, 27, 26, 23, 26]


def test_names() -> None:
    assert len(NAMES) == 54
    assert [op.name for op in OPS if op.refused] == ["callx", "gotox"]


def test_groups() -> None:
    groups = {op.group for op in OPS}
    assert groups == {"base32", "base64", "divmul32", "divmul64", "atomic32", "atomic64", "packet", ""}
    assert {op.name for op in OPS if not op.group} == {
        "may_goto",
        "callx",
        "gotox",
        "addr_space_cast",
        "load_acquire",
        "store_release",
    }


def test_documentation_has_every_row() -> None:
    table = markdown_table()
    assert len(table.splitlines()) == len(OPS) + 2
    assert "| `0x07` |  | `add` | alu64 | `rD += imm` | dst += operand | v1 | base64 | RFC 9669 4.1 |" in table
    columns = {line.replace("\\|", "").count("|") for line in table.splitlines()}
    assert columns == {10}
    for op, name in itertools.product(OPS, ("{dst", "{src", "{off", "{imm")):
        assert name not in table, op
