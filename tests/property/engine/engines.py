# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One program on several engines and in the running kernel: everything that can be seen of a run, to be compared.

`make fuzz-engines` (tests/fuzz/engines) compares as many programs as one likes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple
from unittest.mock import patch

from bpfvm.engine.fast import FastEngine
from bpfvm.engine.image import Image, callback_handle
from bpfvm.engine.interp import MAX_DEPTH, Interpreter
from bpfvm.engine.jit import JitEngine, available
from bpfvm.engine.jit import effort as care
from bpfvm.engine.jit.effort import Effort, Tier
from bpfvm.engine.services import CallFrame
from bpfvm.errors import BpfvmError
from bpfvm.isa.opcodes import MAX_BPF_STACK
from bpfvm.memory import Memory
from tests.property.engine.programs import Sample, sample
from tests.property.engine.wild import wild

Engine = type[Interpreter] | type[JitEngine]
ENGINES: tuple[Engine, ...] = (Interpreter, FastEngine, *[JitEngine] * available())
MEMORY = 1 << 18
FUEL = 400
KINDS: dict[str, Callable[[int], Sample]] = {"verifiable": sample, "wild": wild}
LEAST: Effort = "least"
EFFORTS: tuple[Effort, ...] = (*(LEAST,) * 13, "fair", "good", "best")
"""How much care the compiler takes, by number: it is mostly the time of LLVM that a comparison takes."""


class Case(NamedTuple):
    """A program, and how it is to be run. fuel: None for no limit. watched: is each instruction looked at?"""

    kind: str
    seed: int
    made: Sample
    checker: str
    fuel: int | None
    effort: Effort
    watched: bool

    @property
    def verified(self) -> bool:
        """May engines take it that a verifier accepted the program?"""
        return self.kind == "verifiable"

    def __str__(self) -> str:
        how = "watched" if self.watched else self.effort
        return f"{self.kind} {self.seed} ({self.checker}, fuel {self.fuel}, {how})"


def cases(kind: str, seeds: Iterable[int]) -> Iterator[Case]:
    """The programs of these numbers; wild programs always have a limit."""
    for seed in seeds:
        checker = "kasan" if seed % 3 == 0 else "off"
        fuel = FUEL - seed % 97 if kind == "wild" or seed % 2 else None
        effort = EFFORTS[(seed >> 1) % len(EFFORTS)]
        yield Case(kind, seed, KINDS[kind](seed), checker, fuel, effort, watched=seed & 31 in (6, 9))


@dataclass
class Kernel:
    """Helpers that tell what they were given, call back and write memory: by number modulo 4."""

    machine: Interpreter | JitEngine | None = None
    seen: list[tuple[object, ...]] = field(default_factory=list)

    def helper(self, func_id: int, args: tuple[int, ...], frame: CallFrame) -> int:
        assert self.machine is not None
        self.seen.append((func_id, args, self.machine._fuel, self.machine._depth))
        match func_id & 3:
            case 0:
                return args[0] ^ args[1]
            case 1:
                return frame.call(callback_handle(args[2] & 31), *args) + 1
            case 2:
                frame.memory.store(args[0], 4, args[1])
                return -5
        if self.machine._depth > 2:
            return 3
        try:
            return self.machine.run(frame.image, args[0], fuel=20)
        except BpfvmError:
            return 77

    def kfunc(self, btf_id: int, args: tuple[int, ...], frame: CallFrame) -> int:
        return self.helper(btf_id, args, frame)


def make(
    engine: Engine, memory: Memory, kernel: Kernel, images: tuple[Image, Image], tier: Tier = "quick"
) -> Interpreter | JitEngine:
    """An engine whose packets are made up and whose program arrays hold `images`."""
    options = {"cache_dir": "", "tier": tier} if engine is JitEngine else {}
    return engine(
        memory,
        kernel,
        packet=lambda ctx, offset, size: (ctx + offset) & ((1 << size * 8) - 1) if offset >= 0 else None,
        tail_calls=lambda array, index: (*images, None)[index % 3],
        **options,  # type: ignore[arg-type]  # the compiler's own
    )


@contextmanager
def _effort(wanted: Effort) -> Iterator[None]:
    """Programs of any size are compiled with this much care."""
    good, fair = {"least": (-1, -1), "fair": (-1, 1 << 30)}.get(wanted, (1 << 30, 1 << 30))
    with patch.multiple(care, GOOD=good, FAIR=fair):
        yield


@dataclass(frozen=True)
class Seen:
    """What was seen of some runs. steps: if watched, place and registers before each instruction. stack, heap: the
    bytes there at the end."""

    results: list[object]
    steps: list[tuple[object, ...]]
    calls: list[tuple[object, ...]]
    stack: bytes | None
    heap: bytes | None


def observe(engine: Engine, case: Case, runs: int = 2) -> Seen:
    """`runs` runs after each other, then a batch where there is no limit to keep."""
    insns, data = case.made.insns, case.made.context
    memory = Memory(MEMORY, checker=case.checker)
    kernel = Kernel()
    arena = (memory.alloc(4096, what="arena"), 0x7F00_0000_0000)
    loads = frozenset(slot for slot, insn in enumerate(insns) if insn.code & 7 == 1 and slot & 1)
    how = {"verified": True} if case.verified else {"probe_mem": loads, "arena": arena}
    image = Image.of_insns(insns, "made", **how)
    other = Image.of_insns(insns[len(insns) >> 1 :], "other")
    machine = make(engine, memory, kernel, (image, other), "best" if case.effort == "best" else "quick")
    machine.may_goto_budget = 9
    kernel.machine = machine
    freed = memory.alloc(64, what="freed")
    context = memory.alloc(len(data), what="context")
    memory.write(context, data)
    memory.free(freed)
    results: list[object] = []
    steps: list[tuple[object, ...]] = []
    if case.watched:
        machine.on_insn = lambda where, slot, regs: steps.append((where.name, slot, *regs))
    single = partial(machine.run, image, context, fuel=case.fuel)
    batch = partial(machine.batch, image, [context] * 3)
    with _effort(case.effort):
        for run in (*[single] * runs, *[batch] * (case.fuel is None)):
            try:
                result = run()
                results.append(result if isinstance(result, int) else list(result))
            except BpfvmError as why:
                results.append((type(why).__name__, str(why)))
            results.append((machine._depth, machine._fuel))
    stack_end = machine._stack + MAX_DEPTH * MAX_BPF_STACK
    stack = memory.read_nofault(machine._stack, MAX_DEPTH * MAX_BPF_STACK)
    return Seen(results, steps, kernel.seen, stack, memory.read_nofault(stack_end, memory.end - stack_end))


def difference(case: Case, engines: tuple[Engine, ...] = ENGINES[1:]) -> str:
    """What engines see otherwise than the interpreter, or ""."""
    reference = observe(Interpreter, case)
    for engine in engines:
        found = observe(engine, case)
        for name, ours in vars(reference).items():
            theirs = vars(found)[name]
            if ours != theirs:
                return f"{engine.__name__}: {name}: {str(theirs)[:300]}\nreference: {str(ours)[:300]}"
    return ""
