# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A program on the running kernel and on our engine, with one array whose only value both may fill first: what it
returns and what it leaves there."""

from __future__ import annotations

from functools import cache
from typing import Final

from bpfvm.btf import types as t
from bpfvm.engine.fast import FastEngine
from bpfvm.engine.image import link_image
from bpfvm.isa.asm import asm
from bpfvm.isa.insn import Insn, encode
from bpfvm.isa.word import s32
from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec, Program
from bpfvm.runtime import Runtime
from bpfvm.runtime.test_run import RUNNABLE, convert_ctx_access, make_context
from tests import kernel_oracle
from tests.differential.bpf_maps import KernelMap, possible_cpus
from tests.differential.verifier_oracle import environment, kernel_btf
from verifier.verify import verify

VALUE: Final = 512
SCRATCH: Final = MapSpec("scratch", "array", 4, VALUE, 1)
EXIT: Final = Insn(0x95, 0, 0, 0, 0)
SLEEPABLE: Final = 16
Result = tuple[int, bytes]
"""(return value as s32, the array's value afterwards)"""


@cache
def kfunc_id(name: str) -> int:
    """BTF id of a kernel function."""
    found = kernel_btf().find(name, t.Func)
    assert found, name
    return found


def assemble(source: str) -> tuple[Insn, ...]:
    """Lines separated by " / "; ``value R`` loads the address of the array's value, ``kfunc NAME`` calls a kernel
    function. The program ends with an exit."""
    out: list[Insn] = []
    for line in source.split(" / "):
        word, _, rest = line.strip().partition(" ")
        if word == "kfunc":
            out.append(Insn(0x85, 0, 2, 0, kfunc_id(rest)))
        elif word == "value":
            out += [Insn(0x18, int(rest[1:]), 2, 0, 0), Insn(0, 0, 0, 0, 0)]
        elif word == "goto" or word == "if":
            out.append(_jump(line.strip()))
        else:
            out += asm(line.strip())
    return (*out, EXIT)


def _jump(line: str) -> Insn:
    """A jump by itself, whose target the assembler would look for."""
    head, _, distance = line.rpartition("goto +")
    return asm(f"{head}goto +0")[0]._replace(off=int(distance))


def ours(insns: tuple[Insn, ...], kind: str, filled: bytes, data: bytes, *, sleepable: bool) -> Result:
    env = environment()
    program = Program("test", kind, insns, maps=(SCRATCH,), sleepable=sleepable)
    verified = verify(program, env)
    runtime = Runtime(Memory(16 << 20, "kasan"), env.kernel_btf, cpus=possible_cpus())
    scratch = runtime.create_map(SCRATCH)
    scratch.update(bytes(4), filled)
    ctx = make_context(runtime, kind, data).addr if kind in RUNNABLE else 0
    image = link_image(convert_ctx_access(verified), [scratch.addr], [scratch.lookup_elem(bytes(4))], lambda _: 0)
    returned = FastEngine(runtime.memory, runtime, packet=runtime.packet_load).run(image, ctx, fuel=1_000_000)
    return s32(returned), scratch.get(bytes(4))


def theirs(insns: tuple[Insn, ...], kind: str, filled: bytes, data: bytes, *, sleepable: bool) -> Result:
    scratch = KernelMap("array", 4, VALUE, 1)
    try:
        assert scratch.update(bytes(4), filled) == (0, b"")
        done = kernel_oracle.test_run(
            encode(insns),
            kind,
            data=data if kind in RUNNABLE else None,
            maps=[scratch.fd],
            flags=SLEEPABLE if sleepable else 0,
            log_level=1,
        )
        assert done.ok, (done.errno, done.log[-2000:])
        return done.retval, scratch.get(bytes(4))[1]
    finally:
        scratch.close()


def agree(source: str, filled: bytes = b"", *, kind: str = "syscall", data: bytes = bytes(64)) -> Result:
    """Both sides' result. Asserts that they agree."""
    insns = assemble(source)
    whole = filled.ljust(VALUE, b"\0")
    found = ours(insns, kind, whole, data, sleepable=kind == "syscall")
    assert found == theirs(insns, kind, whole, data, sleepable=kind == "syscall"), source
    return found


__all__ = ["SCRATCH", "VALUE", "agree", "assemble"]
