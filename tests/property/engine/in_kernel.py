# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A generated program in the running kernel, beside the interpreter.

The kernel compiles what its verifier takes a program for, and Linux 6.18's verifier is mistaken about the results of
atomics in two ways, after which the program computes something else than its instructions say:

* Going back for what a branch depends on, it doesn't follow a value that an atomic fetched from the stack
  (kernel/bpf/verifier.c backtrack_insn). Paths on which the slot holds something else are then taken for known, and a
  branch is decided for all of them.
* Where the second of two paths that meet is taken for known, nobody notices that it uses all of r0 after a 32-bit
  cmpxchg (mark_insn_zext), so the instruction that clears the upper half isn't put in.

So a program that differs is run once more with all such results hidden from the verifier; ours must be what that gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bpfvm.engine.image import Image
from bpfvm.engine.interp import Interpreter
from bpfvm.engine.services import Services
from bpfvm.isa.asm import asm
from bpfvm.isa.insn import Insn, encode
from bpfvm.isa.table import op_of
from bpfvm.memory import Memory
from tests import kernel_oracle as ko
from tests.property.engine.programs import CONTEXT_SIZE, Sample

MEMORY = 1 << 18
Outcome = tuple[int, bytes]
"""The low half of r0, and the context afterwards."""


def kernel_difference(made: Sample, services: Services) -> str:
    """What the interpreter and the kernel's compiled code disagree about, or ""."""
    ours, theirs = interpreted(made, services), in_kernel(made.insns, made.context)
    if ours == theirs or ours == in_kernel(spread(made.insns, _unknown), made.context):
        return ""
    return f"kernel: {theirs}\nreference: {ours}"


def interpreted(made: Sample, services: Services) -> Outcome:
    """What the interpreter makes of it."""
    memory = Memory(MEMORY)
    context = memory.alloc(len(made.context), what="context")
    memory.write(context, made.context)
    r0 = Interpreter(memory, services).run(Image.of_insns(made.insns), context)
    return r0 & 0xFFFFFFFF, memory.read(context, len(made.context))


def in_kernel(insns: Sequence[Insn], context: bytes) -> Outcome | str:
    """What the kernel makes of it; a word behind the context is there to be used."""
    run = ko.test_run(encode(insns), "syscall", ctx=context + bytes(8), flags=ko.F_SLEEPABLE)
    return (run.retval & 0xFFFFFFFF, run.ctx_out[: len(context)]) if run.ok else f"errno {run.errno}"


def _unknown(insn: Insn) -> Sequence[Insn]:
    """What takes the result of an atomic through the context (r9), of whose words the verifier knows nothing."""
    op = op_of(insn)
    if op is None or not op.fetch:
        return ()
    reg = 0 if op.name == "cmpxchg" else insn.src
    whole = [f"w{reg} = w{reg}"] * (op.size == 4)
    return asm("\n".join([*whole, f"*(u64 *)(r9 +{CONTEXT_SIZE}) = r{reg}", f"r{reg} = *(u64 *)(r9 +{CONTEXT_SIZE})"]))


def spread(insns: Sequence[Insn], behind: Callable[[Insn], Sequence[Insn]]) -> tuple[Insn, ...]:
    """The program with `behind(insn)` put in after each instruction; jumps and calls lead where they led before."""
    out: list[Insn] = []
    places: list[int] = []
    for insn in insns:
        places.append(len(out))
        out += [insn, *behind(insn)]
    for slot, insn in enumerate(insns):
        op = op_of(insn)
        if op is None or op.cls not in ("jmp", "jmp32") or op.name in ("call", "call_kfunc", "exit"):
            continue
        field = "imm" if op.name == "call_local" or (op.operand == "imm" and op.name == "ja") else "off"
        to = places[slot + 1 + getattr(insn, field)]
        out[places[slot]] = insn._replace(**{field: to - places[slot] - 1})
    return tuple(out)
