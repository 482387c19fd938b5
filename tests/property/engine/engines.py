# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One program on several engines and in the running kernel: everything that can be seen of a run, to be compared.

`python -m tests.property.engine.engines COUNT [FIRST]` compares COUNT programs of each kind (the nightly target).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from bpfvm.engine.fast import FastEngine
from bpfvm.engine.image import Image, callback_handle
from bpfvm.engine.interp import MAX_DEPTH, Interpreter
from bpfvm.engine.jit import JitEngine, available
from bpfvm.engine.services import CallFrame
from bpfvm.errors import BpfvmError
from bpfvm.isa.insn import encode
from bpfvm.isa.opcodes import MAX_BPF_STACK
from bpfvm.memory import Memory
from tests import kernel_oracle as ko
from tests.property.engine.programs import Sample, sample
from tests.property.engine.wild import wild

Engine = type[Interpreter] | type[JitEngine]
ENGINES: tuple[Engine, ...] = (Interpreter, FastEngine, *[JitEngine] * available())
MEMORY = 1 << 18
FUEL = 400
KINDS: dict[str, Callable[[int], Sample]] = {"verifiable": sample, "wild": wild}


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


def make(engine: Engine, memory: Memory, kernel: Kernel, images: tuple[Image, Image]) -> Interpreter | JitEngine:
    """An engine whose packets are made up and whose program arrays hold `images`."""
    options = {"cache_dir": "", "tier": "quick"} if engine is JitEngine else {}
    return engine(
        memory,
        kernel,
        packet=lambda ctx, offset, size: (ctx + offset) & ((1 << size * 8) - 1) if offset >= 0 else None,
        tail_calls=lambda array, index: (*images, None)[index % 3],
        **options,  # type: ignore[arg-type]  # the compiler's own
    )


@dataclass(frozen=True)
class Seen:
    """What was seen of some runs. stack, heap: the bytes there at the end."""

    results: list[object]
    calls: list[tuple[object, ...]]
    stack: bytes
    heap: bytes


def observe(engine: Engine, made: Sample, checker: str, fuel: int | None, runs: int = 2) -> Seen:
    """`runs` runs after each other."""
    memory = Memory(MEMORY, checker=checker)
    kernel = Kernel()
    loads = frozenset(slot for slot, insn in enumerate(made.insns) if insn.code & 7 == 1 and slot & 1)
    arena = (memory.alloc(4096, what="arena"), 0x7F00_0000_0000)
    image = replace(Image.of_insns(made.insns, "made"), probe_mem=loads, arena=arena)
    other = Image.of_insns(made.insns[len(made.insns) >> 1 :], "other")
    machine = make(engine, memory, kernel, (image, other))
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
    stack_end = machine._stack + MAX_DEPTH * MAX_BPF_STACK
    stack = memory.read_nofault(machine._stack, MAX_DEPTH * MAX_BPF_STACK)
    return Seen(results, kernel.seen, stack, memory.read_nofault(stack_end, memory.end - stack_end))


def difference(made: Sample, checker: str, fuel: int | None, engines: tuple[Engine, ...] = ENGINES[1:]) -> str:
    """What engines see otherwise than the interpreter, or "". Compiled code that isn't counted uses less stack."""
    reference = observe(Interpreter, made, checker, fuel)
    for engine in engines:
        other = observe(engine, made, checker, fuel)
        found = replace(other, stack=reference.stack) if engine is JitEngine and fuel is None else other
        for name, ours in vars(reference).items():
            theirs = vars(found)[name]
            if ours != theirs:
                return f"{engine.__name__}: {name}: {str(theirs)[:300]}\nreference: {str(ours)[:300]}"
    return ""


def kernel_difference(made: Sample) -> str:
    """What the interpreter and the kernel's compiled code disagree about, or ""."""
    run = ko.test_run(encode(made.insns), "syscall", ctx=made.context, flags=ko.F_SLEEPABLE)
    if not run.ok:
        return f"kernel: errno {run.errno}"
    memory = Memory(MEMORY)
    context = memory.alloc(len(made.context), what="context")
    memory.write(context, made.context)
    r0 = Interpreter(memory, Kernel()).run(Image.of_insns(made.insns), context)
    ours, theirs = (r0 & 0xFFFFFFFF, memory.read(context, len(made.context))), (run.retval & 0xFFFFFFFF, run.ctx_out)
    return "" if ours == theirs else f"kernel: {theirs}\nreference: {ours}"


def cases(kind: str, seeds: Iterable[int]) -> Iterable[tuple[int, Sample, str, int | None]]:
    """Programs with a checker level and a limit each; wild programs always have a limit."""
    for seed in seeds:
        checker = "kasan" if seed % 3 == 0 else "off"
        fuel = FUEL - seed % 97 if kind == "wild" or seed % 2 else None
        yield seed, KINDS[kind](seed), checker, fuel


def main(arguments: list[str]) -> int:
    """Compare; prints the seeds that differ."""
    count, first = int(arguments[0]), int(arguments[1]) if len(arguments) > 1 else 0
    failed, in_kernel = 0, ko.available()
    for kind in KINDS:
        for seed, made, checker, fuel in cases(kind, range(first, first + count)):
            found = difference(made, checker, fuel)
            if kind == "verifiable" and in_kernel:
                found = found or kernel_difference(made)
            if found:
                failed += 1
                print(f"{kind} {seed} ({checker}, fuel {fuel}): {found}")
    names = ", ".join(engine.__name__ for engine in ENGINES)
    kernel = "and, the verifiable ones, in the running kernel" if in_kernel else "(bpf(2) is not usable here)"
    print(f"{count * len(KINDS)} programs on {names} {kernel}: {failed} differ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
