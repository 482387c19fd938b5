# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One program on several engines: everything that can be seen of a run, to be compared.

`python -m tests.property.engine.engines COUNT [FIRST]` compares COUNT programs of each kind (the nightly target).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from bpfvm.engine.fast import FastEngine
from bpfvm.engine.image import Image, callback_handle
from bpfvm.engine.interp import Interpreter
from bpfvm.engine.services import CallFrame
from bpfvm.errors import BpfvmError
from bpfvm.memory import Memory
from tests.property.engine.programs import Sample, sample
from tests.property.engine.wild import wild

Engine = type[Interpreter]
ENGINES: tuple[Engine, ...] = (Interpreter, FastEngine)
MEMORY = 1 << 18
FUEL = 400
KINDS: dict[str, Callable[[int], Sample]] = {"verifiable": sample, "wild": wild}


@dataclass
class Kernel:
    """Helpers that tell what they were given, call back and write memory: by number modulo 4."""

    machine: Interpreter | None = None
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


def observe(engine: Engine, made: Sample, checker: str, fuel: int | None, runs: int = 2) -> tuple[object, ...]:
    """Results or errors of `runs` runs after each other, calls of helpers, and all of memory at the end."""
    memory = Memory(MEMORY, checker=checker)
    kernel = Kernel()
    loads = frozenset(slot for slot, insn in enumerate(made.insns) if insn.code & 7 == 1 and slot & 1)
    arena = (memory.alloc(4096, what="arena"), 0x7F00_0000_0000)
    image = replace(Image.of_insns(made.insns, "made"), probe_mem=loads, arena=arena)
    other = Image.of_insns(made.insns[len(made.insns) >> 1 :], "other")
    machine = engine(
        memory,
        kernel,
        packet=lambda ctx, offset, size: (ctx + offset) & ((1 << size * 8) - 1) if offset >= 0 else None,
        tail_calls=lambda array, index: (image, other, None)[index % 3],
    )
    machine.may_goto_budget = 9
    kernel.machine = machine
    freed = memory.alloc(64, what="freed")
    context = memory.alloc(len(made.context), what="context")
    memory.write(context, made.context)
    memory.free(freed)
    results: list[object] = []
    for _ in range(runs):
        try:
            results.append(machine.run(image, context, fuel=fuel))
        except BpfvmError as why:
            results.append((type(why).__name__, str(why)))
        results.append((machine._depth, machine._fuel))
    return (*results, kernel.seen, memory.read_nofault(memory.BASE + 4096, memory.end - memory.BASE - 4096))


def difference(made: Sample, checker: str, fuel: int | None) -> str:
    """What two engines disagree about, or ""."""
    reference, *others = (observe(engine, made, checker, fuel) for engine in ENGINES)
    for engine, other in zip(ENGINES[1:], others, strict=True):
        for ours, theirs in zip(reference, other, strict=True):
            if ours != theirs:
                return f"{engine.__name__}: {str(theirs)[:300]}\nreference: {str(ours)[:300]}"
    return ""


def cases(kind: str, seeds: Iterable[int]) -> Iterable[tuple[int, Sample, str, int | None]]:
    """Programs with a checker level and a limit each; wild programs always have a limit."""
    for seed in seeds:
        checker = "kasan" if seed % 3 == 0 else "off"
        fuel = FUEL - seed % 97 if kind == "wild" or seed % 2 else None
        yield seed, KINDS[kind](seed), checker, fuel


def main(arguments: list[str]) -> int:
    """Compare; prints the seeds that differ."""
    count, first = int(arguments[0]), int(arguments[1]) if len(arguments) > 1 else 0
    failed = 0
    for kind in KINDS:
        for seed, made, checker, fuel in cases(kind, range(first, first + count)):
            found = difference(made, checker, fuel)
            if found:
                failed += 1
                print(f"{kind} {seed} ({checker}, fuel {fuel}): {found}")
    print(f"{count * len(KINDS)} programs on {len(ENGINES)} engines, {failed} differ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
