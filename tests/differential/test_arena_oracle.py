# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Arenas against the running kernel: casts, arithmetic, loads, stores, atomics, addresses."""

from __future__ import annotations

import pytest

from bpfvm.isa.insn import Insn
from bpfvm.isa.map_types import BPF_F_MMAPABLE
from bpfvm.obj.model import MapSpec
from tests.differential.verifier_oracle import assemble, both, unusable

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
ARENA = MapSpec("oracle", "arena", 0, 0, 2, BPF_F_MMAPABLE, map_extra=1 << 44)
CAST = "r1 = map[id:0] / r2 = 64 / r2 = addr_space_cast(r2, 0, 1) / "
CASES: dict[str, str] = {
    "load": CAST + "r0 = *(u64 *)(r2 +8) / r0 = 0 / exit",
    "load of a part": CAST + "r0 = *(u8 *)(r2 +8) / r0 = 0 / exit",
    "signed load": CAST + "r0 = *(s8 *)(r2 +8) / r0 = 0 / exit",
    "store": CAST + "*(u64 *)(r2 +8) = r1 / *(u32 *)(r2 -8) = 1 / r0 = 0 / exit",
    "add": CAST + "r2 += 8 / r0 = *(u64 *)(r2 +0) / r0 = 0 / exit",
    "any arithmetic": CAST + "r2 *= 8 / r2 ^= r2 / w2 <<= 3 / r2 -= 1 / r0 = *(u64 *)(r2 +0) / r0 = 0 / exit",
    "number + arena": CAST + "r3 = 8 / r3 += r2 / r0 = *(u64 *)(r3 +0) / r0 = 0 / exit",
    "arena - arena": CAST + "r3 = r2 / r3 -= r2 / r0 = *(u64 *)(r3 +0) / r0 = 0 / exit",
    "map value - arena": CAST + "r3 = r10 / r3 -= r2 / r0 = 0 / exit",
    "negated": CAST + "r2 = -r2 / r0 = *(u64 *)(r2 +0) / r0 = 0 / exit",
    "moved": CAST + "r3 = r2 / w4 = w2 / r0 = *(u64 *)(r3 +0) / r0 = 0 / exit",
    "moved as 32 bits": CAST + "w2 = w2 / r0 = *(u64 *)(r2 +0) / r0 = 0 / exit",
    "compared": CAST + "if r2 == 0 goto x / r0 = *(u64 *)(r2 +0) / x: r0 = 0 / exit",
    "spilled": CAST + "*(u64 *)(r10 -8) = r2 / r3 = *(u64 *)(r10 -8) / r0 = *(u64 *)(r3 +0) / r0 = 0 / exit",
    "atomic add": CAST + "r3 = 1 / lock *(u64 *)(r2 +0) += r3 / r0 = 0 / exit",
    "back to user space": CAST + "r2 = addr_space_cast(r2, 1, 0) / r0 = *(u64 *)(r2 +0) / r0 = 0 / exit",
    "without an arena": "r2 = 64 / r2 = addr_space_cast(r2, 0, 1) / r0 = 0 / exit",
    "other spaces": CAST + "r2 = addr_space_cast(r2, 2, 1) / r0 = 0 / exit",
    "unset register": "r1 = map[id:0] / r2 = addr_space_cast(r2, 0, 1) / r0 = 0 / exit",
    "cast map": "r1 = map[id:0] / r2 = addr_space_cast(r1, 0, 1) / r0 = *(u64 *)(r2 +0) / r0 = 0 / exit",
    "address": "r1 = map[id:0][0]+8 / r1 = addr_space_cast(r1, 0, 1) / r0 = *(u64 *)(r1 +0) / r0 = 0 / exit",
    "address unused": "r1 = map[id:0][0]+8 / r0 = r1 / r0 = 0 / exit",
    "address at the end": "r1 = map[id:0][0]+8192 / r0 = 0 / exit",
    "address beyond the end": "r1 = map[id:0][0]+8193 / r0 = 0 / exit",
    "pages": "r1 = map[id:0] / r2 = 0 / r3 = 1 / r4 = 0 / r5 = 0 / kcall bpf_arena_alloc_pages / r0 = 0 / exit",
    "pages of no map": "r1 = 0 / r2 = 0 / r3 = 1 / r4 = 0 / r5 = 0 / kcall bpf_arena_alloc_pages / r0 = 0 / exit",
    "pages of the stack": "r1 = r10 / r2 = 0 / r3 = 1 / r4 = 0 / r5 = 0 / kcall bpf_arena_alloc_pages / r0 = 0 / exit",
    "freed pages": "r1 = map[id:0] / r2 = 0 / r3 = 1 / kcall bpf_arena_free_pages / r0 = 0 / exit",
    "given to a helper": CAST + "r1 = r2 / r2 = 8 / r3 = r10 / call bpf_probe_read_kernel / r0 = 0 / exit",
}


@pytest.mark.parametrize("name", CASES)
def test_arena(name: str) -> None:
    answer = both(assemble(CASES[name]), "syscall", [ARENA])
    assert answer.same_verdict(), (answer.log, answer.rejection)
    assert answer.same_log()


@pytest.mark.parametrize("imm", [0x41, 0x50, 0x51, 0xA1, 0x40, 0xE1, 0xF1])
def test_atomics(imm: int) -> None:
    insns = list(assemble(CAST + "r0 = 0 / r3 = 1 / lock *(u64 *)(r2 +0) += r3 / r0 = 0 / exit"))
    at = next(i for i, insn in enumerate(insns) if insn.code == 0xDB)
    insns[at] = Insn(0xDB, 2, 3, 0, imm)
    answer = both(tuple(insns), "syscall", [ARENA])
    assert answer.same_verdict(), (answer.log, answer.rejection)
    assert answer.same_log()
