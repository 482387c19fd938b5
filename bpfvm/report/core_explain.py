# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What became of each CO-RE relocation of a program, for people and as data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bpfvm.btf import Btf
from bpfvm.core_reloc import CoreResult
from bpfvm.core_reloc.relocate import FAILED
from bpfvm.isa.disasm import disasm
from bpfvm.isa.insn import Insn
from bpfvm.isa.opcodes import LD_IMM64
from bpfvm.obj.link import explain_core
from bpfvm.obj.model import ObjectSpec
from bpfvm.report.disassembly import core_data

_STYLES = {"poisoned": "red", FAILED: "red", "relocated": "yellow"}


@dataclass(frozen=True, slots=True)
class Explained:
    """One program's relocations, those of its subprograms included, against the BTF called ``kernel``."""

    prog: str
    section: str
    kernel: str
    results: tuple[CoreResult, ...]

    @property
    def ok(self) -> bool:
        """Whether the program could be loaded; a poisoned instruction that isn't reached does no harm."""
        return all(each.verdict != FAILED for each in self.results)


def explain_programs(spec: ObjectSpec, prog: str | None, kernel: Btf) -> list[Explained]:
    """Relocate one program, or all, against a kernel. Raises UsageError for an unknown name, BadInput."""
    name = kernel.name or "the kernel"
    found = []
    for each in [prog] if prog is not None else list(spec.programs):
        results = tuple(explain_core(spec, each, kernel, keep_going=True))
        found.append(Explained(each, spec.programs[each].section, name, results))
    return found


def explain_data(explained: Explained) -> dict[str, Any]:
    """As JSON-able data; ``insn`` is a slot of the linked program."""
    relos = [
        {"insn": each.insn, **core_data(each), "before": _before(each), "after": _after(each)}
        for each in explained.results
    ]
    return {"prog": explained.prog, "section": explained.section, "kernel": explained.kernel, "relocations": relos}


def explain_text(programs: Sequence[Explained]) -> Iterator[tuple[str, str]]:
    """Lines with the style they have on a terminal."""
    for number, each in enumerate(programs):
        if number:
            yield "", ""
        count = len(each.results)
        what = f"{count or 'no'} relocation{'' if count == 1 else 's'}"
        yield f"{each.prog} ({each.section}): {what} against {each.kernel}", "bold"
        for result in each.results:
            yield from _relocation(result)


def _relocation(result: CoreResult) -> Iterator[tuple[str, str]]:
    yield "", ""
    yield f"insn {result.insn}: {result.kind} {result.path}", "cyan"
    yield f"  asked        {result.local}", ""
    for each in result.candidates:
        yield f"  {'fits   ' if each.matches else 'differs'}      {each.text}", "" if each.matches else "dim"
    if not result.candidates and result.kind != "local_type_id":
        yield "  candidates   none", "dim"
    yield f"  verdict      {_verdict(result)}", _STYLES.get(result.verdict, "green")
    yield f"  instruction  {_before(result)}", ""
    if result.after != result.before or result.new not in (result.old, None):
        yield f"  patched      {_after(result)}", ""


def _verdict(result: CoreResult) -> str:
    if result.reason:
        return f"{result.verdict}: {result.reason}"
    return f"relocated, {result.old} → {result.new}" if result.new != result.old else f"{result.verdict}, {result.old}"


def _before(result: CoreResult) -> str:
    return _text(result.before, result.old)


def _after(result: CoreResult) -> str:
    return _text(result.after, result.new or 0)


def _text(insn: Insn, number: int) -> str:
    """An instruction; an ld_imm64 with the half of ``number`` that its second slot holds."""
    return disasm((insn, Insn(0, imm=number >> 32)) if insn.code == LD_IMM64 else (insn,), 0)
