# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Functions with BTF against the running kernel: callbacks, global functions."""

from __future__ import annotations

import os
import struct

import pytest

from bpfvm.btf.builder import Builder
from bpfvm.isa.asm import asm
from bpfvm.isa.insn import Insn, encode
from bpfvm.obj.model import FuncInfo, MapSpec, Program
from tests import kernel_oracle as ko
from tests.differential.verifier_cases import HASH
from tests.differential.verifier_oracle import environment, kernel_specs, normal, unusable
from verifier.verify import check

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
STATIC, GLOBAL = 0, 1
FUNC = 0x4242_4242_4242
LOOP = "r1 = 10\nr2 = 0x424242424242\nr3 = r10\nr3 += -8\nr4 = 0\ncall bpf_loop\nr0 = 0\nexit\nf:\n"
FOR_EACH = "r1 = map[id:0]\nr2 = 0x424242424242\nr3 = r10\nr4 = 0\ncall bpf_for_each_map_elem\nr0 = 0\nexit\nf:\n"
CASES: dict[str, tuple[str, int, str, tuple[MapSpec, ...]]] = {
    "bpf_loop": ("*(u64 *)(r10 -8) = 0\n" + LOOP + "r1 = *(u64 *)(r2 +0)\nr0 = 0\nexit", STATIC, "iv", ()),
    "bpf_loop writes": ("*(u64 *)(r10 -8) = 0\n" + LOOP + "*(u64 *)(r2 +0) = r1\nr0 = 0\nexit", STATIC, "iv", ()),
    "bpf_loop bad result": (LOOP + "r0 = 2\nexit", STATIC, "iv", ()),
    "bpf_loop global callback": (LOOP + "r0 = 0\nexit", GLOBAL, "iv", ()),
    "for each": (FOR_EACH + "r1 = *(u64 *)(r2 +0)\nr0 = *(u64 *)(r3 +8)\nr0 = 0\nexit", STATIC, "iv", (HASH,)),
    "for each with numbers": (FOR_EACH + "r0 = 0\nexit", STATIC, "ii", (HASH,)),
    "bpf_loop with numbers": (LOOP + "r0 = 0\nexit", STATIC, "ii", ()),
    "bpf_loop with a pointer first": (LOOP + "r0 = 0\nexit", STATIC, "pi", ()),
    "for each writes key": (FOR_EACH + "*(u64 *)(r2 +0) = 1\nr0 = 0\nexit", STATIC, "iv", (HASH,)),
    "global": ("r1 = 5\ncall f\nr0 += 1\nexit\nf:\nr0 = r1\nr0 += 1\nexit", GLOBAL, "i", ()),
    "global given a pointer": ("r1 = r10\ncall f\nexit\nf:\nr0 = 0\nexit", GLOBAL, "i", ()),
    "global returns a pointer": ("call f\nexit\nf:\nr0 = r10\nexit", GLOBAL, "", ()),
    "global memory": (
        "*(u64 *)(r10 -8) = 0\nr1 = r10\nr1 += -8\ncall f\nexit\nf:\nif r1 == 0 goto x\nr0 = *(u32 *)(r1 +0)\nexit\n"
        "x:\nr0 = 0\nexit",
        GLOBAL,
        "p",
        (),
    ),
    "global memory untested": (
        "*(u64 *)(r10 -8) = 0\nr1 = r10\nr1 += -8\ncall f\nexit\nf:\nr0 = *(u32 *)(r1 +0)\nexit",
        GLOBAL,
        "p",
        (),
    ),
    "global memory too short": ("r1 = r10\nr1 += -2\ncall f\nexit\nf:\nr0 = 0\nexit", GLOBAL, "p", ()),
    "static with BTF": ("r1 = 5\ncall f\nr0 += 1\nexit\nf:\nr0 = r1\nr0 += 1\nexit", STATIC, "i", ()),
}
"""name → (text with the second function at `f:`, its linkage, its arguments: i int, p int *, v void *; maps)."""


def _start_of_f(text: str) -> int:
    """Slot of the label `f:`, counting wide instructions twice."""
    before = text.split("f:\n")[0].replace("call f\n", "call 1\n")
    return len(asm(before.replace("goto x", "goto pc+0").replace("x:\n", "")))


def _program(text: str, linkage: int, args: str, maps: tuple[MapSpec, ...]) -> Program:
    builder = Builder()
    number = builder.integer("int", 4, signed=True)
    kinds = {"i": number, "p": builder.ptr(number), "v": builder.ptr(0)}
    main = builder.func("main", number, [("ctx", kinds["v"])])
    callee = builder.func("f", number, [(f"a{i}", kinds[arg]) for i, arg in enumerate(args)], linkage)
    start = _start_of_f(text)
    insns = list(asm(text))
    for i, insn in enumerate(insns):
        if insn.code == 0x18 and insn.imm == FUNC & 0xFFFFFFFF:
            insns[i : i + 2] = [Insn(0x18, insn.dst, 4, 0, start - i - 1), Insn(0)]
    infos = (FuncInfo(0, main), FuncInfo(start, callee))
    return Program("oracle", "socket_filter", tuple(insns), maps=maps, btf=builder.build(), func_info=infos)


@pytest.mark.parametrize("name", CASES)
def test_functions(name: str) -> None:
    program = _program(*CASES[name])
    assert program.btf is not None
    fd, errno, log = ko.btf_load(program.btf.data)
    assert fd >= 0, (errno, log)
    try:
        kernel = ko.verify(
            encode(program.insns),
            program.prog_type,
            btf_fd=fd,
            func_info=b"".join(struct.pack("<II", info.insn, info.type_id) for info in program.func_info),
            maps=kernel_specs(program.maps),
        )
    finally:
        os.close(fd)
    rejection, run = check(program, environment(), log_level=2)
    assert (kernel.ok, kernel.errno) == (rejection is None, rejection.errno if rejection else 0), kernel.log[-500:]
    assert normal(run.log.text()) == normal(kernel.log)
