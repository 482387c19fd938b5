# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One program run by itself: what it returned, printed and changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from bpfvm.engine.image import Image
from bpfvm.errors import UsageError
from bpfvm.isa.disasm import disasm
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.report.c_text import value_text
from bpfvm.report.console import print_table
from bpfvm.report.hexdump import hexdump
from bpfvm.report.listing import globals_of
from bpfvm.report.run_context import Block, Request, check_request, make_run_context
from bpfvm.runtime.test_run import TestContext
from bpfvm.session import LoadedObject, Session
from bpfvm.session.settings import Value

STREAMS: Final = {1: "stdout", 2: "stderr"}


@dataclass(slots=True)
class RunResult:
    """``returned``: R0 (u64) of each run. ``written``: what went to the program's output streams. ``changed``: global →
    values before and after. ``data``: the packet, or what an argument points to, after the last run; None when there is
    none."""

    prog: str
    returned: list[int] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)
    signals: list[str] = field(default_factory=list)
    changed: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    ctx: bytes = b""
    data: bytes | None = None
    what: str = "data"
    steps: list[str] = field(default_factory=list)


def run_program(
    session: Session, spec: ObjectSpec, request: Request, *, settings: Mapping[str, Value] | None = None
) -> RunResult:
    """Load the object into the session and run one of its programs.

    Raises UsageError for what can't be run, Rejected, Trap, KernelReport.
    """
    check_request(request, _named(spec, request.prog).prog_type)
    loaded = load_program(session, spec, request.prog, settings=settings)
    context = make_run_context(session, loaded.programs[request.prog], request)
    try:
        return _run(session, loaded, request, context)
    finally:
        context.close()


def load_program(
    session: Session, spec: ObjectSpec, name: str, *, settings: Mapping[str, Value] | None = None
) -> LoadedObject:
    """Load one program with what it needs. Raises UsageError, Rejected and what else `Session.load` does."""
    loaded = session.load(_narrowed(spec, _named(spec, name)), set=settings)
    if name not in loaded.programs:
        raise UsageError(f"program `{name}` is not loaded: no struct_ops map of {spec.name} uses it")
    return loaded


def _named(spec: ObjectSpec, name: str) -> ProgramSpec:
    prog = spec.programs.get(name)
    if prog is None:
        raise UsageError(f"no program `{name}` in {spec.path} (it has: {', '.join(spec.programs) or 'none'})")
    return prog


def _narrowed(spec: ObjectSpec, prog: ProgramSpec) -> ObjectSpec:
    """The object without the program's neighbours, whose needs then don't matter, but with those that program arrays
    name; struct_ops programs keep theirs."""
    if prog.prog_type == "struct_ops":
        return spec
    arrays = (each for each in spec.maps.values() if each.map_type == "prog_array")
    named = {name for each in arrays for name in each.slots.values()}
    kept = {name: each for name, each in spec.programs.items() if name in named and each.autoload}
    return replace(spec, programs=kept | {prog.name: replace(prog, autoload=True)}, struct_ops={})


def _run(session: Session, loaded: LoadedObject, request: Request, context: Block | TestContext) -> RunResult:
    result = RunResult(request.prog)
    before = _variables(loaded)
    runtime = session.runtime
    printed, console, sent = len(session.trace), len(session.console), len(runtime.signals)
    written = {stream: len(text) for stream, text in runtime.streams.items()}
    if request.trace:
        session.interpreter.on_insn = _Tracer(result.steps)
    try:
        for _ in range(request.repeat):
            result.returned.append(session.run(loaded, request.prog, context.addr))
        if request.elapse is not None:
            session.runtime.elapse(request.elapse)
    finally:
        session.interpreter.on_insn = None
    result.printed = session.trace[printed:]
    result.console = session.console[console:]
    for stream, name in STREAMS.items():
        result.written[name] = runtime.streams[stream][written[stream] :].decode("utf-8", "replace")
    result.signals = [str(each) for each in runtime.signals[sent:]]
    after = _variables(loaded)
    result.changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    result.ctx, result.data = context.ctx_out(), context.data_out()
    result.what = "packet" if isinstance(context, TestContext) else "data"
    return result


def _variables(loaded: LoadedObject) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, live in loaded.maps.items():
        if any(globals_of(key, live.spec)):
            found |= {each["name"]: each["value"] for each in globals_of(key, live.spec, live.get(bytes(4)))}
    return found


class _Tracer:
    """Writes down each instruction before it runs, and the registers that the one before changed."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._seen: list[int] = []

    def __call__(self, image: Image, slot: int, regs: Sequence[int]) -> None:
        now = list(regs[:11])
        if len(self._seen) == len(now):
            self._note(now)
        else:
            self._lines.append(f"      r1 = {now[1]:#x}, r10 = {now[10]:#x}")
        self._seen = now
        self._lines.append(f"{slot:4}: ({image.insns[slot].code:02x}) {disasm(image.insns, slot)}")

    def _note(self, now: list[int]) -> None:
        changed = [f"r{i} = {now[i]:#x}" for i in range(11) if now[i] != self._seen[i]]
        if changed:
            self._lines[-1] += f"  ; {', '.join(changed)}"


def print_run(result: RunResult, console: Console) -> None:
    """Trace, printk lines, output streams, signals, R0 of the last run, changed globals."""
    written = [line for text in result.written.values() for line in text.splitlines()]
    for line in (*result.steps, *result.printed, *written, *result.console, *result.signals):
        console.print(Text(line), soft_wrap=True)
    r0 = result.returned[-1]
    signed = (r0 & 0xFFFF_FFFF) - ((r0 & 0x8000_0000) << 1)
    runs = f" (run {len(result.returned)} of {len(result.returned)})" if len(result.returned) > 1 else ""
    console.print(Text(f"R0 = {r0:#x} (as int: {signed}){runs}", style="bold"))
    if result.data is not None:
        console.print(Text(f"{result.what}: {len(result.data)} bytes\n{hexdump(result.data)}"))
    rows = [(name, value_text(was), value_text(now)) for name, (was, now) in result.changed.items()]
    print_table(console, "changed globals", ("name", "before", "after"), rows)


def run_data(result: RunResult) -> dict[str, Any]:
    """The same as JSON-able data."""
    return {
        "program": result.prog,
        "returned": result.returned,
        "printed": result.printed,
        "console": result.console,
        **result.written,
        "signals": result.signals,
        "changed": {name: {"before": was, "after": now} for name, (was, now) in result.changed.items()},
        "ctx": result.ctx.hex(),
        "data": None if result.data is None else result.data.hex(),
        "trace": result.steps,
    }
