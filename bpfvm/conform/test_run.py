# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Runs an accepted program once on our fast engine, as BPF_PROG_TEST_RUN would
(net/bpf/test_run.c bpf_prog_test_run_skb, bpf_prog_test_run_xdp, bpf_prog_test_run_syscall, 6.12)."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bpfvm.btf import Btf
from bpfvm.conform.expectation import TEST_DATA_LEN
from bpfvm.engine.arena import AREA
from bpfvm.engine.fast import FastEngine
from bpfvm.engine.image import Image, link_image
from bpfvm.errors import BpfvmError, SyscallError
from bpfvm.isa.word import s32
from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec, Program
from bpfvm.runtime import Runtime
from bpfvm.runtime.maps import Map
from bpfvm.runtime.maps.arena import arena_of
from bpfvm.runtime.test_run import RUNNABLE, convert_ctx_access, make_context
from bpfvm.session.make_maps import create
from verifier.env import Env
from verifier.verify import verified

FUEL = 60_000_000
MEMORY = 64 << 20
NO_CONTEXT = ("syscall", "raw_tracepoint")
"""types that run without one"""
UNATTACHED = (24, 25)
"""BPF_TRACE_FENTRY, FEXIT: a test run calls the kernel's test functions, which call what is attached, and returns 0;
nothing is attached"""
TEST_VALUE = (28).to_bytes(4, "little") + bytes(24) + (0xABCDEF12).to_bytes(4, "little") + bytes(16)
"""what the kernel's runners put into some maps first: struct test_val with index 28 and foo[6] set"""


class NotRun(Exception):
    """Why a program wasn't run to its end; the text is a category."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A program that the verifier accepted, and the run in which it did."""

    program: Program
    run: Env


Judge = Callable[[str], Accepted]
"""another program of the object, by name; raises NotRun when it is refused"""
Call = Callable[[str, int], int]
"""(program of the object, context address) → its R0"""
Plug = Callable[[Runtime, Call], None]
"""gives the runtime what a module of the kernel adds to it"""


@dataclass(slots=True)
class _Run:
    """The kernel around one run: maps are made when a program refers to them."""

    specs: Mapping[str, MapSpec]
    judge: Judge
    memory: Memory
    runtime: Runtime
    maps: dict[int, Map] = field(default_factory=dict)
    programs: dict[str, int] = field(default_factory=dict)
    unfilled: list[tuple[Map, int, str]] = field(default_factory=list)

    def map_of(self, spec: MapSpec) -> Map:
        """The map made from this spec."""
        made = self.maps.get(id(spec))
        if made is None:
            made = self.maps[id(spec)] = create(self.runtime, spec)
            self.unfilled += [(made, index, name) for index, name in spec.slots.items()]
        return made

    def fill(self) -> None:
        """Put programs and maps into the slots that declarations name; they may bring more maps with slots."""
        while self.unfilled:
            made, index, name = self.unfilled.pop()
            made.update(index.to_bytes(4, "little"), self._slot(made.spec, name).to_bytes(4, "little"))

    def _slot(self, spec: MapSpec, name: str) -> int:
        if spec.map_type != "prog_array":
            return self.map_of(self.specs[name]).id
        if name not in self.programs:
            accepted = self.judge(name)
            self.programs[name] = len(self.programs) + 1
            self.runtime.programs[self.programs[name]] = self.image(accepted)
        return self.programs[name]

    def image(self, accepted: Accepted) -> Image:
        """The program with addresses and its context loads as the kernel rewrites them."""
        program, run = accepted.program, accepted.run
        used = [self.map_of(spec) for spec in program.maps]
        return link_image(
            convert_ctx_access(verified(program, run)),
            [made.addr for made in used],
            [made.direct_value() for made in used],
            _no_variable,
            arena=arena_of(used),
        )


def _no_others(name: str) -> Accepted:
    raise NotRun("a program array with programs")


def run_for_retval(
    accepted: Accepted,
    btf: Btf,
    *,
    frame: bytes = bytes(TEST_DATA_LEN),
    filled: Mapping[str, bytes] | None = None,
    specs: Mapping[str, MapSpec] | None = None,
    judge: Judge = _no_others,
    plug: Plug = lambda runtime, call: None,
) -> int:
    """What the program returns, as s32. Raises NotRun.

    ``btf``: the kernel's types; ``frame``: the packet, from its Ethernet header on; ``filled``: map name → its first
    element's value; ``specs`` and ``judge``: maps and programs of the object, by the names in initial map entries;
    ``plug``: called before the run.
    """
    prog_type = accepted.program.prog_type
    if prog_type == "tracing" and accepted.program.expected_attach_type in UNATTACHED:
        return 0
    has_arena = any(spec.map_type == "arena" for spec in accepted.program.maps)
    if has_arena:
        gc.collect()  # an earlier run's range lies in a cycle, and a worker's address space has room for one
    try:
        memory = Memory(MEMORY + (AREA if has_arena else 0), "off")
    except SyscallError as error:
        raise NotRun(_short(str(error))) from error
    try:
        runtime = Runtime(memory, btf)
        run = _Run(specs or {}, judge, memory, runtime)
        image = run.image(accepted)
        run.fill()
        for made in run.maps.values():
            if filled and made.spec.name in filled:
                made.update(bytes(4), filled[made.spec.name])
        ctx = _context(runtime, accepted, frame)
        machine = FastEngine(memory, runtime, packet=runtime.packet_load, tail_calls=runtime.tail_target)
        plug(runtime, lambda name, address: machine.run(run.image(judge(name)), address))
        return s32(machine.run(image, ctx, fuel=FUEL))
    except BpfvmError as error:
        raise NotRun(_short(str(error))) from error
    finally:
        memory.close()


def _short(message: str) -> str:
    missing = re.search(r"not emulated: \S+", message)
    return missing[0] if missing else message.splitlines()[0].partition(" [")[0][:160]


def _no_variable(btf_id: int) -> int:
    raise NotRun("kernel variables have no contents here")


def _context(runtime: Runtime, accepted: Accepted, frame: bytes) -> int:
    """The address of the context. Raises NotRun."""
    prog_type = accepted.program.prog_type
    if prog_type in NO_CONTEXT:
        if accepted.run.max_ctx_offset:
            raise NotRun("without a context, at which it looks, the kernel doesn't run it")
        return 0
    if prog_type not in RUNNABLE:
        raise NotRun(f"no test run of {prog_type} programs")
    return make_context(runtime, prog_type, frame).addr
