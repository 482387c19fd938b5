# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The conformance data as cases that any engine can be measured with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from bpfvm.isa.asm import asm
from bpfvm.isa.insn import Insn

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Case:
    """A program, what it finds, and what must come out: `r0` (u64) or a trap whose message has `error` in it."""

    name: str
    insns: tuple[Insn, ...]
    r0: int | None = None
    error: str = ""
    mem: bytes = b""
    after: bytes | None = None
    packet: bytes | None = None
    run_only: str = ""


def _rows(name: str) -> list[list[object]]:
    rows: list[list[object]] = yaml.safe_load((HERE / f"{name}.yaml").read_text())
    return rows


def alu_cases() -> list[Case]:
    """One instruction on r0 and r1 each."""
    return [
        Case(f"{text} [{a:#x}, {b:#x}]", asm(f"r0 = {a} ll\nr1 = {b} ll\n{text}\nexit"), want)
        for text, a, b, want in _rows("alu")
    ]


def jump_cases() -> list[Case]:
    """One condition each; r0 says whether the jump was taken."""
    text = "r0 = {a} ll\nr1 = {b} ll\nif {condition} goto yes\nr0 = 0\nexit\nyes: r0 = 1\nexit"
    return [
        Case(f"{condition} [{a:#x}, {b:#x}]", asm(text.format(condition=condition, a=a, b=b)), want)
        for condition, a, b, want in _rows("jump")
    ]


def program_cases() -> list[Case]:
    """Whole programs."""
    cases = yaml.safe_load((HERE / "program.yaml").read_text())
    return [
        Case(
            case["name"],
            asm(case["asm"]),
            case.get("r0"),
            case.get("error", ""),
            bytes.fromhex(str(case.get("mem", ""))),
            bytes.fromhex(str(case["after"])) if "after" in case else None,
            bytes.fromhex(str(case["packet"])) if "packet" in case else None,
            case.get("run_only", ""),
        )
        for case in cases
    ]


def all_cases() -> list[Case]:
    """Everything under this folder."""
    return [*alu_cases(), *jump_cases(), *program_cases()]
