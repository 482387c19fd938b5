# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One program run by itself: its context from numbers or bytes, what it returned, printed and changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rich.console import Console
from rich.text import Text

from bpfvm.btf import types as t
from bpfvm.engine.image import Image
from bpfvm.errors import UsageError
from bpfvm.isa.disasm import disasm
from bpfvm.obj.model import ObjectSpec, Program, ProgramSpec
from bpfvm.report.c_text import declaration, value_text
from bpfvm.report.console import print_table
from bpfvm.report.hexdump import hexdump
from bpfvm.report.listing import globals_of
from bpfvm.runtime.test_run import RUNNABLE, TestContext, make_context
from bpfvm.session import LoadedObject, Session
from bpfvm.session.settings import Value

ARGUMENT_TYPES = ("struct_ops", "tracing", "lsm", "raw_tracepoint", "raw_tracepoint_writable")
"""program types whose context is an array of 8-byte arguments"""
BYTES_TYPES = ("syscall", "kprobe", "tracepoint")
"""program types whose context is a block of bytes that user space or the architecture defines"""
MAX_CONTEXT = 64 << 10
TEST_DATA = bytes(64)
"""the packet when none is given: what the kernel tree's runners use"""


@dataclass(frozen=True, slots=True)
class Request:
    """What to run, on what. ``args`` are wrapped to 64 bits; ``ctx`` and ``data`` are bytes; ``elapse``: ns that pass
    after the last run, None: not even work that waits runs."""

    prog: str
    args: tuple[int, ...] = ()
    ctx: bytes | None = None
    data: bytes | None = None
    repeat: int = 1
    elapse: int | None = None
    trace: bool = False


@dataclass(slots=True)
class RunResult:
    """``returned``: R0 (u64) of each run. ``changed``: global → values before and after. ``data``: the packet after the
    last run, None for programs without one."""

    prog: str
    returned: list[int] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    changed: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    ctx: bytes = b""
    data: bytes | None = None
    steps: list[str] = field(default_factory=list)


def run_program(
    session: Session, spec: ObjectSpec, request: Request, *, settings: Mapping[str, Value] | None = None
) -> RunResult:
    """Load the object into the session and run one of its programs.

    Raises UsageError for what can't be run, Rejected, Trap, KernelReport.
    """
    _check(request, _named(spec, request.prog).prog_type)
    loaded = load_program(session, spec, request.prog, settings=settings)
    program = loaded.programs[request.prog].program
    return _run(session, loaded, request, _context(session, program, request))


@dataclass(slots=True)
class _Block:
    """A context that is nothing but bytes; before it lies the number of arguments, as trampolines put it."""

    session: Session
    addr: int
    size: int

    def data_out(self) -> None:
        """There is no packet."""

    def ctx_out(self) -> bytes:
        """The bytes now."""
        return self.session.memory.read(self.addr, self.size)


def _context(session: Session, program: Program, request: Request) -> _Block | TestContext:
    """What the program gets in r1. Raises SyscallError with BPF_PROG_TEST_RUN's errno for a packet it refuses."""
    if program.prog_type in RUNNABLE:
        data = TEST_DATA if request.data is None else request.data
        return make_context(session.runtime, program.prog_type, data, request.ctx or b"")
    block = request.ctx if request.ctx is not None else _arguments(session, program, request.args)
    if not block:
        return _Block(session, 0, 0)
    address = session.memory.alloc(8 + len(block) + 8, what="bpf context") + 8
    session.memory.store(address - 8, 8, len(block) // 8)
    session.memory.write(address, block)
    return _Block(session, address, len(block))


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


def _check(request: Request, prog_type: str) -> None:
    """Raises UsageError, saying what can be run, for a request that doesn't fit the program's type."""
    if prog_type not in (*ARGUMENT_TYPES, *BYTES_TYPES, *RUNNABLE):
        runnable = ", ".join((*ARGUMENT_TYPES, *BYTES_TYPES, *RUNNABLE))
        raise UsageError(f"not emulated: runs of {prog_type} programs by themselves (possible: {runnable})")
    if request.data is not None and prog_type not in RUNNABLE:
        raise UsageError(f"--data: programs of type {prog_type} read no packet data")
    if request.ctx is not None and prog_type in ARGUMENT_TYPES:
        raise UsageError(f"--ctx: programs of type {prog_type} take arguments; use --arg")
    if request.args and prog_type not in ARGUMENT_TYPES:
        how = "take a packet; use --data" if prog_type in RUNNABLE else "take a block of bytes; use --ctx"
        raise UsageError(f"--arg: programs of type {prog_type} {how}")
    if request.ctx is not None and len(request.ctx) > MAX_CONTEXT:
        raise UsageError(f"--ctx: {len(request.ctx)} bytes are more than the limit of {MAX_CONTEXT}")


def _arguments(session: Session, program: Program, args: Sequence[int]) -> bytes:
    """The context's 8-byte slots: the arguments given, then zeros up to the number of parameters."""
    if program.prog_type in BYTES_TYPES:
        return b""
    params = _parameters(session, program)
    if params is not None and len(args) > len(params):
        named = ", ".join(params) or "none"
        raise UsageError(f"--arg was given {len(args)} times, but {program.name} has {len(params)} arguments ({named})")
    count = len(params) if params is not None else max(len(args), 1)
    padded = (*args, *(0,) * (count - len(args)))
    return b"".join((each & (1 << 64) - 1).to_bytes(8, "little") for each in padded)


def _parameters(session: Session, program: Program) -> tuple[str, ...] | None:
    """Declarations of the parameters of what a program implements or attaches to; None when nothing says."""
    proto: t.BtfType | None = None
    if program.prog_type == "struct_ops":
        kernel_type = session.kernel.registry.by_id(program.attach_btf_id)
        if kernel_type is not None:
            proto = kernel_type.members[program.expected_attach_type].proto
    elif program.attach_btf_id:
        func = session.btf.type(program.attach_btf_id)
        proto = session.btf.resolve(func.type) if isinstance(func, t.Func) else None
    if not isinstance(proto, t.FuncProto):
        return None
    return tuple(declaration(session.btf, each.type, each.name) for each in proto.params)


def _run(session: Session, loaded: LoadedObject, request: Request, context: _Block | TestContext) -> RunResult:
    result = RunResult(request.prog)
    before = _variables(loaded)
    printed, console = len(session.trace), len(session.console)
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
    after = _variables(loaded)
    result.changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    result.ctx, result.data = context.ctx_out(), context.data_out()
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
    """Trace, printk lines, R0 of the last run, changed globals."""
    for line in (*result.steps, *result.printed, *result.console):
        console.print(Text(line), soft_wrap=True)
    r0 = result.returned[-1]
    signed = (r0 & 0xFFFF_FFFF) - ((r0 & 0x8000_0000) << 1)
    runs = f" (run {len(result.returned)} of {len(result.returned)})" if len(result.returned) > 1 else ""
    console.print(Text(f"R0 = {r0:#x} (as int: {signed}){runs}", style="bold"))
    if result.data is not None:
        console.print(Text(f"packet: {len(result.data)} bytes\n{hexdump(result.data)}"))
    rows = [(name, value_text(was), value_text(now)) for name, (was, now) in result.changed.items()]
    print_table(console, "changed globals", ("name", "before", "after"), rows)


def run_data(result: RunResult) -> dict[str, Any]:
    """The same as JSON-able data."""
    return {
        "program": result.prog,
        "returned": result.returned,
        "printed": result.printed,
        "console": result.console,
        "changed": {name: {"before": was, "after": now} for name, (was, now) in result.changed.items()},
        "ctx": result.ctx.hex(),
        "data": None if result.data is None else result.data.hex(),
        "trace": result.steps,
    }
