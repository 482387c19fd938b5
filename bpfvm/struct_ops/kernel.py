# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The emulated kernel that subsystems and the struct_ops framework share: memory, types, time, console, tables,
locks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

from bpfvm.btf import Btf
from bpfvm.errors import BadInput, KernelOops, KernelReport
from bpfvm.events import Event, Sink
from bpfvm.memory import Memory, MemoryFault
from bpfvm.runtime.runtime import Runtime
from bpfvm.struct_ops.link import LinkTable
from bpfvm.struct_ops.map_table import StructOpsMaps
from bpfvm.struct_ops.module import KernelModule
from bpfvm.struct_ops.mutex import Mutex
from bpfvm.struct_ops.objects import BpfFs, FdTable
from bpfvm.struct_ops.oops import page_fault_text, trace_lines
from bpfvm.struct_ops.progs import ProgTable
from bpfvm.struct_ops.rcu import Rcu
from bpfvm.struct_ops.registry import StructOpsRegistry
from bpfvm.struct_ops.trampoline import Trampolines


@dataclass(frozen=True, slots=True)
class ConsoleLine(Event):
    """A line of the kernel log."""

    text: str


@dataclass(frozen=True, slots=True)
class PausePoint(Event):
    """Execution passed a named place where a race can be arranged; ``callbacks`` of them were waiting there."""

    name: str
    callbacks: int


@dataclass(frozen=True, slots=True)
class KernelConfig:
    """The build options struct_ops depends on; ``vmlinux_btf`` False stands for a kernel whose BTF could not be
    read."""

    bpf_jit: bool = True
    bpf_syscall: bool = True
    debug_info_btf: bool = True
    vmlinux_btf: bool = True


@dataclass(slots=True, eq=False, repr=False)
class Kernel:
    """One emulated kernel.

    ``checker`` is "off", "list" or "kasan". ``fixes`` names framework quirks that are repaired instead of reproduced
    ("module_member": a non-zero ``struct module *`` member fails with EINVAL instead of silently undoing the update).
    """

    memory: Memory
    btf: Btf
    runtime: Runtime
    sink: Sink = field(default_factory=Sink)
    checker: str = "off"
    config: KernelConfig = field(default_factory=KernelConfig)
    fixes: frozenset[str] = frozenset()
    call_stack: list[str] = field(default_factory=list)
    on_pause: dict[str, list[Callable[[], None]]] = field(default_factory=dict)
    modules: dict[str, KernelModule] = field(default_factory=dict)
    blocker: Callable[[str, Callable[[], bool]], None] | None = None
    """How the running task waits: called with a reason and a condition, returns when the condition holds. None: it
    can't."""
    rcu: Rcu = field(default_factory=Rcu)
    fds: FdTable = field(default_factory=FdTable)
    bpffs: BpfFs = field(default_factory=BpfFs)
    registry: StructOpsRegistry = field(init=False)
    trampolines: Trampolines = field(init=False)
    progs: ProgTable = field(init=False)
    maps: StructOpsMaps = field(init=False)
    links: LinkTable = field(init=False)
    update_mutex: Mutex = field(init=False)

    def __post_init__(self) -> None:
        self.registry = StructOpsRegistry(self)
        self.trampolines = Trampolines(self)
        self.progs = ProgTable(self)
        self.maps = StructOpsMaps(self)
        self.links = LinkTable(self)
        self.update_mutex = Mutex("update_mutex", self)
        self.memory.report = self.report
        self.runtime.symbol = lambda addr: self.trampolines.symbol_of(addr) or None
        self.memory.where = lambda: self.call_stack[-1] if self.call_stack else "?"

    def console(self, line: str) -> None:
        """Print one line to the kernel log."""
        self.runtime.console.append(line)
        if self.sink.active:
            self.sink.emit(ConsoleLine(line))

    def log_report(self, report: KernelReport) -> None:
        """Print a report with the current call trace, as a kernel that then goes on does."""
        if not report.trace:
            report.trace = tuple(reversed(self.call_stack))
        for line in (*str(report).split("\n"), *trace_lines(report.trace)):
            self.console(line)

    def report(self, report: KernelReport) -> NoReturn:
        """Print a report, then raise it."""
        self.log_report(report)
        raise report

    def oops(self, text: str) -> NoReturn:
        """The running task dies here; whatever mutex it holds stays locked. Raises KernelOops."""
        self.report(KernelOops(text, trace=tuple(reversed(self.call_stack))))

    def page_fault(self, addr: int, access: str) -> NoReturn:
        """A kernel access to an address that isn't mapped; ``access`` is "read", "write" or "exec". Raises
        KernelOops."""
        self.oops(page_fault_text(addr, access))

    @contextmanager
    def in_function(self, name: str) -> Iterator[None]:
        """Run a block as the kernel function ``name``: it appears in traces, and a MemoryFault inside becomes an
        oops."""
        self.call_stack.append(name)
        try:
            yield
        except MemoryFault as fault:
            self.page_fault(fault.addr, "write" if fault.write else "read")
        finally:
            self.call_stack.pop()

    def pause_point(self, name: str) -> None:
        """Run what was registered in ``on_pause[name]``, in order: other tasks' work at exactly this moment."""
        waiting = self.on_pause.get(name)
        if self.sink.active:
            self.sink.emit(PausePoint(name, len(waiting or ())))
        for callback in tuple(waiting or ()):
            callback()

    def wait_until(self, reason: str, ready: Callable[[], bool]) -> bool:
        """Let other tasks run until ``ready()``; False when it doesn't hold and nothing can run meanwhile (no
        ``blocker``)."""
        if not ready() and self.blocker is not None:
            self.blocker(reason, ready)
        return ready()

    def synchronize_rcu(self) -> bool:
        """Wait for one grace period (pause point "synchronize_rcu"); False when a paused reader still holds it up."""
        self.pause_point("synchronize_rcu")
        self.wait_until("synchronize_rcu", lambda: not self.rcu.readers)
        return self.rcu.synchronize()

    def add_module(self, name: str, btf: Btf) -> KernelModule:
        """Load a module whose split BTF has the kernel's BTF as its base. Raises BadInput when it doesn't."""
        if btf.base is not self.btf:
            raise BadInput(f"the BTF of module {name} must be split BTF on top of the kernel's")
        module = KernelModule(name, btf)
        self.modules[name] = module
        return module
