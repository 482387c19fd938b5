# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs as ``bpftool prog dump jited`` prints them: native code, BPF instructions and source lines in between."""

from __future__ import annotations

import importlib
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bpfvm.elf import NativeFunction, native_functions
from bpfvm.engine.jit import JitEngine
from bpfvm.engine.jit.effort import Tier
from bpfvm.errors import UsageError
from bpfvm.obj.model import ObjectSpec
from bpfvm.report.disassembly import CodeLine, as_linked, source_data
from bpfvm.report.program_run import load_program
from bpfvm.session import Session

ARCHES: Final = {"x86_64": ("CS_ARCH_X86", "CS_MODE_64"), "aarch64": ("CS_ARCH_ARM64", "CS_MODE_ARM")}
"""Architecture as uname names it -> how capstone does."""
POISONED: Final = "poisoned"
"""What compiled code calls to look at a shadow byte more closely; it belongs to no instruction."""


@dataclass(frozen=True, slots=True)
class NativeLine:
    """One native instruction. bpf: the BPF instruction it comes from, where that is another one than before."""

    offset: int
    code: bytes
    operation: str
    operands: str
    bpf: CodeLine | None


@dataclass(frozen=True, slots=True)
class NativeListing:
    """A function of the program, compiled. head: as in C, if types are known."""

    name: str
    head: str
    lines: tuple[NativeLine, ...] = field(repr=False)


def as_native(session: Session, spec: ObjectSpec, prog: str, *, tier: Tier, arch: str = "") -> list[NativeListing]:
    """A loaded program's functions; those that were compiled into others are no longer there.

    ``arch``: another architecture than this machine's, without the features of any particular model. Raises UsageError
    (no llvmlite, no capstone), Rejected.
    """
    machine = session.interpreter
    if not isinstance(machine, JitEngine):
        raise UsageError("only --engine jit has native code")
    here = {"arm64": "aarch64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine())
    disassembler = _disassembler(arch or here)
    loaded = load_program(session, spec, prog)
    lines = {line.insn: line for line in as_linked(spec, prog, session.btf).lines}
    code = machine.object_code(loaded.images[prog], tier, arch if arch != here else "")
    functions = [each for each in native_functions(code) if each.name != POISONED]
    return [_listing(each, lines, disassembler) for each in functions]


def _disassembler(arch: str) -> Any:
    if arch not in ARCHES:
        raise UsageError(f"no disassembler for {arch}: choose --arch {' or '.join(ARCHES)}")
    try:
        capstone = importlib.import_module("capstone")
    except ModuleNotFoundError:
        raise UsageError("disassembling needs capstone: pip install 'bpfvm[disasm]'") from None
    made = capstone.Cs(*(getattr(capstone, name) for name in ARCHES[arch]))
    made.skipdata = True
    return made


def _listing(function: NativeFunction, lines: Mapping[int, CodeLine], disassembler: Any) -> NativeListing:
    start = int(function.name.removeprefix("f"))
    marks = {offset: lines.get(line - 1) for offset, line in function.lines}
    made, shown, current = [], None, None
    for address, size, operation, operands in disassembler.disasm_lite(function.code, 0):
        current = marks.get(address, current)
        bpf = current if current is not shown else None
        shown = current if current is not None else shown
        made.append(NativeLine(address, function.code[address : address + size], operation, operands, bpf))
    head = lines[start].function if start in lines else ""
    return NativeListing(head.partition("(")[0].rpartition(" ")[2].lstrip("*") or function.name, head, tuple(made))


def native_text(listing: NativeListing, *, opcodes: bool = False) -> Iterator[tuple[str, str]]:
    """Lines with the style they have on a terminal."""
    yield f"{listing.head or listing.name}:", "bold"
    source = ""
    for line in listing.lines:
        if line.bpf is not None:
            text = line.bpf.source.text.strip() if line.bpf.source is not None else ""
            if text and text != source:
                yield f"; {text}", "cyan"
                source = text
            yield f"; {line.bpf.insn:4}: ({line.bpf.code[0]:02x}) {line.bpf.text}", "yellow"
        yield f"{line.offset:4x}:\t{line.operation}\t{line.operands}".rstrip(), ""
        if opcodes:
            yield f"\t{line.code.hex(' ')}", "dim"


def native_data(listing: NativeListing, *, opcodes: bool = False) -> dict[str, Any]:
    """The same as JSON-able data."""
    return {"name": listing.name, "proto": listing.head, "insns": [_data(line, opcodes) for line in listing.lines]}


def _data(line: NativeLine, opcodes: bool) -> dict[str, Any]:
    data: dict[str, Any] = {"pc": f"{line.offset:#x}", "operation": line.operation, "operands": line.operands}
    if opcodes:
        data["bytes"] = line.code.hex(" ")
    if line.bpf is not None:
        data["insn"], data["bpf"] = line.bpf.insn, line.bpf.text
        if line.bpf.source is not None:
            data["source"] = source_data(line.bpf.source)
    return data
