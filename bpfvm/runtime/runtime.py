# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The kernel around running programs: maps, helpers, kfuncs, time, chance, trace output. All of it deterministic."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.engine.image import Image
from bpfvm.engine.services import CallFrame
from bpfvm.engine.trap import Unsupported
from bpfvm.errors import SyscallError, UsageError
from bpfvm.events import Sink
from bpfvm.isa import map_types as mt
from bpfvm.isa.helper_ids import HELPERS
from bpfvm.isa.word import U32_MAX, U64_MAX
from bpfvm.memory import Memory, View
from bpfvm.obj.model import MapSpec
from bpfvm.runtime.clock import Clock
from bpfvm.runtime.helpers import HELPER_TABLE, Args
from bpfvm.runtime.kfuncs import KFUNCS, Kfunc
from bpfvm.runtime.kfuncs.crypto import Crypto
from bpfvm.runtime.later import Later
from bpfvm.runtime.maps import KINDS, ArenaMap, Map, ProgArrayMap, RingbufMap
from bpfvm.runtime.maps.prog_owner import ProgOwner
from bpfvm.runtime.maps.special import check_fields
from bpfvm.runtime.objects import Objects
from bpfvm.runtime.prandom import Prandom
from bpfvm.runtime.prog_text import ProgramText, Symbol
from bpfvm.runtime.signals import SignalSent
from bpfvm.runtime.subsystem import Tasks
from bpfvm.runtime.test_run import Packet
from bpfvm.runtime.trace import TraceLine

MAX_CPUS = 64
NAME_LEN = 16
MAP_EXTRA = ("bloom_filter", "arena")
"""kinds that know what to do with map_extra"""


class Runtime:
    """Services of one emulated kernel. ``btf`` is that kernel's BTF (None: nothing that needs it works); ``packets``
    are what contexts of running programs show.

    A subsystem plugs in: ``current`` (address of the current task_struct, 0 for the idle task), ``cgroup_id``,
    ``uid_gid``, ``ns_ids`` (device, inode of a pid namespace → (pid, tgid) or None), ``read_user`` (address, size →
    bytes or None), ``symbol`` (address → name or None), ``symbol_address`` (the other way), ``tasks``, ``percpu_vars``
    (address of a per-CPU variable → its copies), and more kfuncs in ``kfuncs``. ``cpu`` is the CPU that runs now.
    """

    def __init__(
        self, memory: Memory, btf: Btf | None, *, seed: int = 0, cpus: int = 2, sink: Sink | None = None
    ) -> None:
        if not 1 <= cpus <= MAX_CPUS:
            raise UsageError(f"{cpus} CPUs: choose 1 to {MAX_CPUS}")
        self.memory = memory
        self.btf = btf
        self.seed = seed
        self.cpus = cpus
        self.cpu = 0
        self.sink = sink if sink is not None else Sink()
        self.clock = Clock()
        self.prandom = [Prandom(seed, cpu) for cpu in range(cpus)]
        self.maps: dict[int, Map] = {}
        self.ringbufs: dict[int, RingbufMap] = {}
        self.programs: dict[int, Image] = {}
        self.prog_owners: dict[int, ProgOwner] = {}
        self.packets: dict[int, Packet] = {}
        self.iterators: dict[int, Iterator[int]] = {}
        self.objects = Objects(self)
        self.crypto: dict[int, Crypto] = {}
        self.later = Later()
        self.text = ProgramText()
        self.kfuncs: dict[str, Kfunc] = dict(KFUNCS)
        self.percpu_vars: dict[int, tuple[int, ...]] = {}
        self.trace_lines: list[TraceLine] = []
        self.console: list[str] = []
        self.signals: list[SignalSent] = []
        self.streams: dict[int, bytearray] = {1: bytearray(), 2: bytearray()}
        self.rcu_depth = 0
        self.tasks: Tasks | None = None
        self.current: Callable[[], int] = lambda: 0
        self.cgroup_id: Callable[[], int] = lambda: 1
        self.uid_gid: Callable[[], tuple[int, int]] = lambda: (0, 0)
        self.ns_ids: Callable[[int, int], tuple[int, int] | None] = lambda dev, inode: None
        self.read_user: Callable[[int, int], bytes | None] = lambda addr, size: None
        self.symbol: Callable[[int], str | None] = lambda addr: None
        self.symbol_address: Callable[[str], int | None] = lambda name: None
        self._by_addr: dict[int, Map] = {}
        self._kfunc_ids: dict[int, tuple[Kfunc, int]] = {}
        self._next_map_id = 1
        memory.task = lambda: (self.current_comm(), self.current_ids()[0])

    # --- maps -------------------------------------------------------------------------------------------------------
    def create_map(self, spec: MapSpec) -> Map:
        """BPF_MAP_CREATE, then a data section's initial contents and freezing as libbpf does. Map ids count from 1.

        Raises SyscallError with the kernel's errno for sizes and flags it refuses; EOPNOTSUPP for a kind not emulated.
        """
        kind = KINDS.get(spec.map_type)
        if kind is None:
            raise self._no_such_kind(spec)
        if code := self._check(spec) or kind.check(spec) or check_fields(spec):
            raise SyscallError(-code, f"map '{spec.name}' ({spec.map_type}) can't be created")
        made = kind(self, spec, self.new_map_id())
        self.add_map(made)
        if spec.initial is not None and not isinstance(made, ArenaMap):
            made.update(bytes(spec.key_size), spec.initial.ljust(spec.value_size, b"\0"))
        if spec.frozen:
            made.freeze()
        return made

    @staticmethod
    def _no_such_kind(spec: MapSpec) -> SyscallError:
        if spec.map_type not in mt.MAP_TYPES:
            return SyscallError(errno.EINVAL, f"map '{spec.name}': there is no map type '{spec.map_type}'")
        return SyscallError(errno.EOPNOTSUPP, f"map '{spec.name}': maps of type {spec.map_type} are not emulated")

    @staticmethod
    def _check(spec: MapSpec) -> int:
        """What map_create checks for every kind."""
        sizes = (spec.key_size, spec.value_size, spec.max_entries, spec.map_flags)
        if any(not 0 <= size <= U32_MAX for size in sizes) or (spec.map_extra and spec.map_type not in MAP_EXTRA):
            return -errno.EINVAL
        both = mt.BPF_F_RDONLY | mt.BPF_F_WRONLY
        return -errno.EINVAL if spec.map_flags & both == both else 0

    def new_map_id(self) -> int:
        """The next map id; struct_ops maps take theirs from here, too."""
        self._next_map_id += 1
        return self._next_map_id - 1

    def add_map(self, made: Map) -> None:
        """Make a map known by id and address."""
        self.maps[made.id] = made
        self._by_addr[made.addr] = made

    def delete_map(self, map_id: int) -> None:
        """The last reference to a map is gone."""
        gone = self.maps.pop(map_id)
        del self._by_addr[gone.addr]
        gone.destroy()

    def map_at(self, addr: int) -> Map:
        """The map whose struct bpf_map is at ``addr``. Raises Unsupported (a trap, inside a program)."""
        found = self._by_addr.get(addr)
        if found is None:
            raise Unsupported(f"{addr:#x} is no map")
        return found

    def map_named(self, name: str) -> Map:
        """The first map with this name. Raises UsageError."""
        for found in self.maps.values():
            if found.spec.name == name:
                return found
        there = ", ".join(each.spec.name for each in self.maps.values())
        raise UsageError(f"no map '{name}' (there are: {there or 'none'})")

    def tail_target(self, prog_array: int, index: int) -> Image | None:
        """Where bpf_tail_call goes: the engine's TailCalls."""
        found = self.map_at(prog_array)
        return found.program(index) if isinstance(found, ProgArrayMap) else None

    def packet_of(self, ctx: int, who: str) -> Packet:
        """The packet that the context at ``ctx`` shows. Raises Unsupported (a trap, inside a program)."""
        found = self.packets.get(ctx)
        if found is None:
            raise Unsupported(f"not emulated: {who} in a run without a packet")
        return found

    def packet_load(self, ctx: int, offset: int, size: int) -> int | None:
        """What ld_abs and ld_ind read: the engine's Packet."""
        return self.packet_of(ctx, "ld_abs").load_absolute(offset, size)

    # --- services ---------------------------------------------------------------------------------------------------
    def helper(self, func_id: int, args: Args, frame: CallFrame) -> int:
        """Run a helper; its r0 as u64. Raises Unsupported "not emulated: bpf_NAME"."""
        function = HELPER_TABLE.get(func_id)
        if function is None:
            raise Unsupported(f"not emulated: bpf_{HELPERS.get(func_id, f'func#{func_id}')}")
        return function(self, args, frame) & U64_MAX

    def kfunc(self, btf_id: int, args: Args, frame: CallFrame) -> int:
        """Run the kernel function with this BTF id; its r0 as u64, of which a narrower result leaves the rest zero, as
        compilers for x86 do. Raises Unsupported "not emulated: NAME"."""
        known = self._kfunc_ids.get(btf_id)
        if known is None:
            name = self.btf.name_of(btf_id) if self.btf is not None else f"kfunc#{btf_id}"
            function = self.kfuncs.get(name)
            if function is None:
                raise Unsupported(f"not emulated: {name}")
            known = self._kfunc_ids[btf_id] = function, self._mask_of_result(btf_id)
        return known[0](self, args, frame) & known[1]

    def _mask_of_result(self, btf_id: int) -> int:
        """All bits of what a kernel function returns."""
        func = self.btf.type(btf_id) if self.btf is not None else None
        proto = self.btf.type(func.type) if self.btf is not None and isinstance(func, t.Func) else None
        if self.btf is None or not isinstance(proto, t.FuncProto) or not proto.ret:
            return U64_MAX
        return min((1 << 8 * self.btf.size_of(proto.ret)) - 1, U64_MAX)

    def need_tasks(self, who: str) -> Tasks:
        """The subsystem with tasks and cgroups. Raises Unsupported when none is plugged in."""
        if self.tasks is None:
            raise Unsupported(f"not emulated without a subsystem that has tasks: {who}")
        return self.tasks

    def elapse(self, ns: int = 0) -> None:
        """Let ``ns`` nanoseconds pass: work that waits runs now, timers when their time comes."""
        until = self.clock.ns + max(ns, 0)
        while (callback := self.later.due(until)) is not None:
            self.clock.ns = max(self.clock.ns, callback.expires or 0)
            self.later.fire(callback)
        self.clock.ns = max(self.clock.ns, until)

    def find_symbol(self, addr: int, *, returned: bool = False) -> Symbol | None:
        """What kallsyms would say about ``addr``; ``returned``: of a return address, which may lie behind its call's
        function."""
        name = self.symbol(addr)
        if name is not None:
            return Symbol(name, 0, 0)
        found = self.text.find(addr - returned)
        return found._replace(offset=found.offset + returned) if found is not None else None

    # --- the current task -------------------------------------------------------------------------------------------
    def task_at(self, addr: int) -> View | None:
        """The task_struct at ``addr``; None for the idle task (0)."""
        type_id = self.btf.find("task_struct", t.Struct) if self.btf is not None and addr else 0
        return View(self.memory, self.btf, type_id, addr) if self.btf is not None and type_id else None

    def current_ids(self) -> tuple[int, int]:
        """(pid, tgid) of the current task, (0, 0) for the idle task."""
        task = self.task_at(self.current())
        return (task.pid & U32_MAX, task.tgid & U32_MAX) if task is not None else (0, 0)

    def current_comm(self) -> str:
        """The current task's name."""
        task = self.task_at(self.current())
        return str(task.comm.string()) if task is not None else f"swapper/{self.cpu}"

    # --- output -----------------------------------------------------------------------------------------------------
    def printk(self, text: str) -> None:
        """bpf_trace_printk's output."""
        line = TraceLine(text, self.current_comm(), self.current_ids()[0], self.cpu, self.clock.ns)
        self.trace_lines.append(line)
        if self.sink.active:
            self.sink.emit(line)

    @property
    def trace(self) -> list[str]:
        """The texts programs printed, in order."""
        return [line.text for line in self.trace_lines]

    def trace_pipe(self) -> str:
        """What /sys/kernel/tracing/trace_pipe shows."""
        return "".join(f"{line}\n" for line in self.trace_lines)
