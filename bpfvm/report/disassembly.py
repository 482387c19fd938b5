# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs as ``bpftool prog dump xlated`` prints them: source lines between instructions, maps by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bpfvm.btf import Btf
from bpfvm.core_reloc import CoreResult
from bpfvm.errors import UsageError
from bpfvm.isa.disasm import disasm, pseudo_imm64
from bpfvm.isa.insn import Insn, encode
from bpfvm.isa.table import is_wide
from bpfvm.obj.link import explain_core, link_program
from bpfvm.obj.model import LineInfo, ObjectSpec, Program, ProgramSpec, Reloc
from bpfvm.report.c_text import prototype


@dataclass(frozen=True, slots=True)
class CodeLine:
    """One instruction (both slots of an ld_imm64) with what stands before it. ``code`` are its 8 or 16 bytes."""

    insn: int
    text: str
    code: bytes
    function: str = ""
    source: LineInfo | None = None
    core: CoreResult | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A program (or subprogram) as lines."""

    name: str
    section: str
    linked: bool
    lines: tuple[CodeLine, ...] = field(repr=False)


def as_compiled(spec: ObjectSpec, name: str) -> Listing:
    """A program or subprogram as it lies in the object, relocations by the names they refer to. Raises UsageError."""
    prog = spec.programs.get(name) or spec.subprogs.get(name)
    if prog is None:
        known = ", ".join([*spec.programs, *spec.subprogs]) or "none"
        raise UsageError(f"no program `{name}` in {spec.path} (it has: {known})")
    relocs = {each.insn: each for each in prog.relocs}
    heads = {0: prototype(spec.btf, prog.func_type_id, name) if spec.btf is not None else name}
    lines = _lines(prog.insns, lambda i: _compiled_text(prog, i, relocs.get(i)), heads, prog.line_info, {})
    return Listing(name, prog.section, False, tuple(lines))


def _compiled_text(prog: ProgramSpec, i: int, reloc: Reloc | None) -> str:
    if reloc is None:
        return disasm(prog.insns, i, call_name=lambda insn, at: f"{insn.imm:+d}", imm64=pseudo_imm64)
    if reloc.kind in ("call", "kfunc"):
        return f"call {reloc.symbol}"
    shown = {
        "map": f"map[{reloc.symbol}]",
        "data": f"map[{reloc.section}][0]+{reloc.addend}",
        "func": f"subprog[{reloc.symbol}]",
        "ksym_var": f"var[{reloc.symbol}]",
    }.get(reloc.kind, reloc.symbol)
    return disasm(prog.insns, i, imm64=lambda low, high: shown)


def as_linked(spec: ObjectSpec, name: str, kernel: Btf) -> Listing:
    """A program with its subprograms, relocated against a kernel. Raises UsageError, BadInput."""
    program = link_program(spec, name, kernel)
    core = {each.insn: each for each in explain_core(spec, name, kernel)}
    heads = _heads(program)
    names = {slot: head.partition("(")[0].rpartition(" ")[2].lstrip("*") for slot, head in heads.items()}
    text = _linked_text(program, kernel, names)
    lines = _lines(program.insns, text, heads, program.line_info, core)
    return Listing(name, spec.programs[name].section, True, tuple(lines))


def _heads(program: Program) -> dict[int, str]:
    if program.btf is None:
        return {0: program.name}
    btf = program.btf
    return {each.insn: prototype(btf, each.type_id, btf.name_of(each.type_id)) for each in program.func_info} or {
        0: program.name
    }


def _linked_text(program: Program, kernel: Btf, names: Mapping[int, str]) -> Callable[[int], str]:
    def call_name(insn: Insn, at: int) -> str | None:
        if insn.src == 2:
            return kernel.name_of(insn.imm) or None
        target = names.get(at + 1 + insn.imm)
        return f"{insn.imm:+d}#{target}" if target else None

    def imm64(low: Insn, high: Insn) -> str | None:
        if low.src in (1, 2) and 0 <= low.imm < len(program.maps):
            place = f"[0]+{high.imm}" if low.src == 2 else ""
            return f"map[{program.maps[low.imm].name}]{place}"
        if low.src == 3:
            return f"var[{kernel.name_of(low.imm)}]"
        return pseudo_imm64(low, high)

    return lambda i: disasm(program.insns, i, call_name=call_name, imm64=imm64)


def _lines(
    insns: tuple[Insn, ...],
    text: Callable[[int], str],
    heads: Mapping[int, str],
    line_info: tuple[LineInfo, ...],
    core: Mapping[int, CoreResult],
) -> Iterator[CodeLine]:
    sources = {each.insn: each for each in line_info}
    i = 0
    while i < len(insns):
        size = 2 if is_wide(insns[i]) and i + 1 < len(insns) else 1
        yield CodeLine(i, text(i), encode(insns[i : i + size]), heads.get(i, ""), sources.get(i), core.get(i))
        i += size


def core_text(core: CoreResult) -> str:
    """``CO-RE byte_off vm_area_struct.vm_mm: 16 -> 24``."""
    if core.poisoned:
        return f"CO-RE {core.kind} {core.path}: poisoned, {core.reason}"
    change = f"{core.old} -> {core.new}" if core.verdict == "relocated" else f"{core.old}, unchanged"
    return f"CO-RE {core.kind} {core.path}: {change}"


def listing_text(listing: Listing, *, opcodes: bool = False) -> Iterator[tuple[str, str]]:
    """Lines with the style they have on a terminal."""
    for line in listing.lines:
        if line.function:
            if line.insn:
                yield "", ""
            yield f"{line.function}:", "bold"
        if line.source is not None and line.source.text.strip():
            yield f"; {line.source.text.strip()}", "cyan"
        if line.core is not None:
            yield f"; {core_text(line.core)}", "red" if line.core.poisoned else "yellow"
        yield f"{line.insn:4}: ({line.code[0]:02x}) {line.text}", ""
        if opcodes:
            yield f"       {line.code.hex(' ')}", "dim"


def listing_data(listing: Listing, *, opcodes: bool = False) -> dict[str, Any]:
    """The same as JSON-able data."""
    return {
        "name": listing.name,
        "section": listing.section,
        "linked": listing.linked,
        "insns": [_line_data(line, opcodes) for line in listing.lines],
    }


def _line_data(line: CodeLine, opcodes: bool) -> dict[str, Any]:
    data: dict[str, Any] = {"insn": line.insn, "code": f"{line.code[0]:#04x}", "disasm": line.text}
    if opcodes:
        data["bytes"] = line.code.hex(" ")
    if line.function:
        data["function"] = line.function
    if line.source is not None:
        data["source"] = source_data(line.source)
    if line.core is not None:
        data["core"] = core_data(line.core)
    return data


def source_data(source: LineInfo) -> dict[str, Any]:
    """A source line as JSON-able data."""
    return {"file": source.file, "line": source.line, "column": source.column, "text": source.text.strip()}


def core_data(core: CoreResult) -> dict[str, Any]:
    """What a relocation asked, who was asked, what came of it."""
    return {
        "kind": core.kind,
        "path": core.path,
        "local": core.local,
        "candidates": [{"id": c.type_id, "text": c.text, "matches": c.matches} for c in core.candidates],
        "verdict": core.verdict,
        "reason": core.reason,
        "old": core.old,
        "new": core.new,
    }
