# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Run an accepted program in our interpreter on several inputs, and in the kernel: no trap, no value outside the
verifier's states, the same results."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bpfvm.engine.image import Image, link_image
from bpfvm.engine.interp import Interpreter
from bpfvm.engine.trap import Unsupported
from bpfvm.errors import KernelReport, Trap
from bpfvm.isa.helper_ids import HELPER_ID
from bpfvm.isa.insn import Insn, encode
from bpfvm.isa.word import U32_MAX
from bpfvm.memory import Memory
from bpfvm.obj.model import VerifiedProgram
from bpfvm.runtime import Runtime
from bpfvm.runtime.maps import Map
from tests import kernel_oracle as ko
from tests.differential.bpf_maps import KernelMap
from tests.differential.verifier_oracle import kernel_btf
from tests.fuzz.verifier.code import CALL, MAY_GOTO
from tests.fuzz.verifier.judge import load_options, program
from tests.fuzz.verifier.sample import ARRAY, CTX_SIZE, MAPS, ONE, Sample
from tests.fuzz.verifier.states import Recorded, outside, record
from tests.fuzz.verifier.world import World
from verifier.env import Env
from verifier.state.reg_type import PTR_TO_CTX

INPUTS: Final = 4
FUEL: Final = 200_000
ROUNDS: Final = 100
"""may_goto steps of a frame; the kernel has 8M and runs out after a while, too, so results aren't compared."""
VALUES: Final = (
    0,
    1,
    2,
    7,
    8,
    31,
    47,
    48,
    63,
    255,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    1 << 63,
    (1 << 64) - 1,
    1 << 32,
)
PACKET: Final = 64
STACK_SIZE: Final = 32 * 512
STACK_FILLS: Final = (*(random.Random(n).randbytes(STACK_SIZE) for n in (1, 2, 3)), bytes(STACK_SIZE))
"""what never written stack holds, by `shift`"""
CTX_ROOM: Final = 1 << 16
"""Bytes of context: all that a syscall or tracepoint program may look at; the kernel refuses to run it with less."""
XDP_BUFF: Final = 64
"""Bytes of what stands for a struct xdp_buff."""
OBJECT: Final = 16384
"""Bytes of what stands for a kernel object."""
_REPEATABLE: Final = frozenset(
    HELPER_ID[name]
    for name in (
        *("map_lookup_elem", "map_update_elem", "map_delete_elem", "map_push_elem", "map_pop_elem", "map_peek_elem"),
        *("ringbuf_output", "ringbuf_reserve", "ringbuf_submit", "ringbuf_discard", "strtol", "strtoul", "csum_diff"),
    )
)
"""Helpers without any effect outside the program's own maps, and with one possible result; programs with others
don't run in the kernel."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one run left: r0, context or packet, values of the two arrays."""

    r0: int
    data: bytes
    maps: tuple[bytes, ...]

    def against(self, other: Result) -> str:
        """What is different, "" if nothing."""
        parts = []
        if self.r0 != other.r0:
            parts.append(f"r0 {self.r0:#x} and {other.r0:#x}")
        for name, one, two in (
            ("data", self.data, other.data),
            *zip(("array", "one"), self.maps, other.maps, strict=True),
        ):
            if one != two:
                at = next(
                    (i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two))
                )
                parts.append(f"{name} from byte {at} on: {one[at : at + 8].hex()} and {two[at : at + 8].hex()}")
        return ", ".join(parts)


class Machine:
    """A fresh kernel with the shared maps. `shift` moves all addresses, the context below the stack or above it, and
    fills the stack with another pattern, so that a program whose result depends on any of that shows it."""

    def __init__(self, sample: Sample, run: Env, shift: int) -> None:
        self.sample = sample
        self.memory = Memory(16 << 20, "kasan")
        self.memory.alloc(4096 + shift * 4096 * 3)
        self._early = self.memory.alloc(CTX_ROOM) if shift == 2 else 0
        self.runtime = Runtime(self.memory, kernel_btf(), seed=1)
        self.maps: list[Map] = [self.runtime.create_map(spec) for spec in MAPS]
        task = self.memory.alloc(OBJECT)
        self.runtime.current = lambda: task
        self.interp = Interpreter(self.memory, self.runtime, packet=self._packet)
        self.interp.may_goto_budget = ROUNDS
        self.memory.write(self.interp._stack, STACK_FILLS[shift])
        self.image = self._image(run)
        self.problem = ""

    def _packet(self, _ctx: int, offset: int, size: int) -> int | None:
        return (offset * 0x9E3779B1 & U32_MAX) & ((1 << size * 8) - 1) if 0 <= offset < PACKET - size else None

    def _image(self, run: Env) -> Image:
        made = program(self.sample)
        verified = VerifiedProgram(
            made,
            made.insns,
            tuple(sub.start for sub in run.subprogs),
            tuple(sub.stack_depth for sub in run.subprogs),
            frozenset(run.probe_mem),
        )
        addresses = [each.addr for each in self.maps]
        values = [each.values if MAPS[i].map_type == "array" else 0 for i, each in enumerate(self.maps)]
        image = link_image(verified, addresses, values, lambda _id: 0)
        if self.sample.prog_type != "xdp":
            return image
        insns = tuple(
            self._wide(insn) if run.ptr_types[i] == PTR_TO_CTX else insn for i, insn in enumerate(image.insns)
        )
        return Image(image.name, insns, image.source, probe_mem=image.probe_mem)

    @staticmethod
    def _wide(insn: Insn) -> Insn:
        """A load from struct xdp_md as one from a struct of 8-byte fields."""
        return insn._replace(code=0x79, off=insn.off * 2)

    def context(self, rng: random.Random) -> tuple[int, int, int]:
        """(context, where the data to compare is, its size)."""
        memory, kind = self.memory, self.sample.prog_type
        if kind == "xdp":
            ctx = self._early or memory.alloc(CTX_ROOM) + CTX_ROOM - XDP_BUFF  # small objects are below the stack
            data = memory.alloc(256 + PACKET) + 256
            memory.write(data, _bytes(rng, PACKET))
            for i, value in enumerate((data, data + PACKET, data, 1, 0)):
                memory.store(ctx + i * 8, 8, value)
            return ctx, data, PACKET
        if kind == "struct_ops":
            ctx = memory.alloc(256)
            for i in range(5):
                item = memory.alloc(OBJECT)
                memory.write(item, _bytes(rng, 2048))
                memory.store(ctx + i * 8, 8, item)
            return ctx, ctx, 0
        ctx = self._early or memory.alloc(CTX_ROOM)
        memory.write(ctx, _bytes(rng, CTX_SIZE))
        if kind == "socket_filter":
            memory.store(ctx + 168, 8, 0)
            return ctx, ctx, 0
        return ctx, ctx, CTX_SIZE

    def places(self) -> dict[int, tuple[int, tuple[int, ...]]]:
        """Where maps and their elements are, for `World`."""
        out = {}
        for spec, made in zip(MAPS, self.maps, strict=True):
            fixed = spec.map_type in ("array", "percpu_array")
            out[id(spec)] = made.addr, tuple(value for _, value in made.elements()) if fixed else ()
        return out

    def run(self, seed: int, recorded: Recorded | None) -> Result:
        """One run. Raises Trap; sets `problem` if a value is outside what the verifier knew."""
        ctx, data, size = self.context(random.Random(seed))

        packet = (data, data + size) if self.sample.prog_type == "xdp" else (0, 0)
        world = World(self.memory, self.interp._stack, ctx, packet, self.places())

        def watch(_image: Image, slot: int, regs: Sequence[int]) -> None:
            if recorded is not None and not self.problem:
                world.depth, world.values = self.interp._depth, regs
                self.problem = outside(recorded, slot, world)

        self.interp.on_insn = watch if recorded is not None else None
        r0 = self.interp.run(self.image, ctx, fuel=FUEL)
        contents = tuple(
            b"".join(self.maps[which].get(i.to_bytes(4, "little")) for i in range(MAPS[which].max_entries))
            for which in (ARRAY, ONE)
        )
        return Result(r0 & U32_MAX, self.memory.read(data, size), contents)


def _bytes(rng: random.Random, count: int) -> bytes:
    words = [
        rng.choice(VALUES) if rng.random() < 0.6 else rng.getrandbits(rng.randrange(1, 65)) for _ in range(count >> 3)
    ]
    return b"".join(word.to_bytes(8, "little") for word in words)


def run_everywhere(sample: Sample, run: Env, counts: Counter[str] | None = None) -> str:
    """ "" if all is well, else "trap: …", "state: …", "pruning: …" or "result: …".

    "pruning" says that a path was never looked at which would have been refused. That is Linux's own doing where it
    accepts, too: a state may cover another one in which a later instruction is allowed less (bytes of a spilled pointer
    can't be read one by one, unknown bytes can). counts: gets "followed", programs whose states were recorded; "ran",
    inputs on which the program came to its end; "compared", those whose result the kernel was asked for."""
    counts = Counter() if counts is None else counts
    recorded = record(sample)
    refused = recorded.rejection if recorded is not None else None
    counts["followed"] += recorded is not None and refused is None
    for seed in range(INPUTS):
        problem = _one_input(sample, run, None if refused else recorded, seed, counts)
        if problem:
            return problem
    return f"pruning: refused when every path is followed: {refused.message}" if refused else ""


def _one_input(sample: Sample, run: Env, recorded: Recorded | None, seed: int, counts: Counter[str]) -> str:
    machine = Machine(sample, run, 0)
    try:
        ours = machine.run(seed, recorded)
    except KernelReport as report:
        return f"trap: {report.kind}: {report.message.splitlines()[0]}"
    except Trap as trap:
        out_of_fuel = "instruction limit" in str(trap)
        return "" if out_of_fuel or isinstance(trap.__cause__, Unsupported) else f"trap: {trap}"
    if machine.problem:
        return f"state: {machine.problem}"
    counts["ran"] += 1
    if not _repeatable(sample):
        return ""
    if any(Machine(sample, run, shift).run(seed, None) != ours for shift in (1, 2, 3)):
        return ""
    theirs = _in_kernel(sample, seed)
    counts["compared"] += theirs is not None
    return "" if theirs is None or theirs == ours else f"result: input {seed}, kernel and ours: {theirs.against(ours)}"


def _repeatable(sample: Sample) -> bool:
    if sample.prog_type not in ("syscall", "xdp"):
        return False
    if any(insn.code == MAY_GOTO for insn in sample.insns):
        return False
    return all(
        insn.src == 1 or (insn.src == 0 and insn.imm in _REPEATABLE) for insn in sample.insns if insn.code == CALL
    )


def _in_kernel(sample: Sample, seed: int) -> Result | None:
    """The kernel's result, None if it doesn't run this program on this input."""
    maps = [KernelMap(m.map_type, m.key_size, m.value_size, m.max_entries, m.map_flags) for m in MAPS]
    rng = random.Random(seed)
    data = _bytes(rng, PACKET if sample.prog_type == "xdp" else CTX_SIZE)
    try:
        given = {"data": data} if sample.prog_type == "xdp" else {"ctx": data}
        done = ko.test_run(
            encode(sample.insns), sample.prog_type, maps=[m.fd for m in maps], **given, **load_options(sample)
        )
        if not done.ok:
            return None
        contents = tuple(
            b"".join(maps[which].get(i.to_bytes(4, "little"))[1] for i in range(MAPS[which].max_entries))
            for which in (ARRAY, ONE)
        )
        out = done.data_out if sample.prog_type == "xdp" else done.ctx_out
        return Result(done.retval & U32_MAX, bytes(out), contents)
    finally:
        for each in maps:
            os.close(each.fd)
