# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BTF for programs that were written without: a prototype for every function, so that they may have callbacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from bpfvm.btf import Btf
from bpfvm.btf.builder import Builder
from bpfvm.isa.insn import Insn
from bpfvm.obj.model import FuncInfo, Program
from tests.differential.object_oracle import both_linked, loaded_btf
from tests.differential.verifier_oracle import Both

STATIC = 0


def has_callbacks(insns: Sequence[Insn]) -> bool:
    """The program takes a function's address, for which the kernel wants BTF."""
    return any(insn.code == 0x18 and insn.src == 4 for insn in insns)


def starts(insns: Sequence[Insn]) -> tuple[int, ...]:
    """Slots where functions start."""
    found = {0}
    for i, insn in enumerate(insns):
        if (insn.code == 0x85 and insn.src == 1) or (insn.code == 0x18 and insn.src == 4):
            found.add(i + insn.imm + 1)
    return tuple(sorted(start for start in found if 0 <= start < len(insns)))


@lru_cache(16)
def prototypes(count: int) -> tuple[Btf, tuple[int, ...]]:
    """BTF of `count` static functions `int f(void *, void *, void *, void *)` and their type ids."""
    builder = Builder()
    number = builder.integer("int", 4, signed=True)
    pointer = builder.ptr(0)
    args = [(f"a{i}", pointer) for i in range(4)]
    ids = [builder.func(f"f{i}", number, args if i else args[:1], STATIC) for i in range(count)]
    return builder.build(), tuple(ids)


def with_functions(program: Program) -> Program:
    """The program with BTF and a type for each of its functions."""
    at = starts(program.insns)
    btf, ids = prototypes(len(at))
    return replace(program, btf=btf, func_info=tuple(FuncInfo(*pair) for pair in zip(at, ids, strict=True)))


def both_with_functions(program: Program, level: int = 2) -> Both:
    """The kernel's answer and ours for a program with callbacks."""
    typed = with_functions(program)
    with loaded_btf(typed.btf) as fd:
        return both_linked(typed, fd, level)
