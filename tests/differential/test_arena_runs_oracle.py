# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What programs do in an arena, on all engines and in the running kernel: pages that are there, pages that aren't,
accesses across their borders, arithmetic that leaves the window."""

from __future__ import annotations

import random
from typing import Final

import pytest

from bpfvm.engine.arena import AREA
from bpfvm.engine.fast import FastEngine
from bpfvm.engine.image import link_image
from bpfvm.engine.interp import Interpreter
from bpfvm.engine.jit import JitEngine, available
from bpfvm.isa.insn import Insn, encode
from bpfvm.isa.map_types import BPF_F_MMAPABLE
from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec, Program
from bpfvm.runtime import Runtime
from bpfvm.runtime.maps.arena import NO_USER_CONV, arena_of
from tests import kernel_oracle
from tests.differential.verifier_oracle import assemble, environment, unusable
from verifier.verify import verify

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
ENGINES: Final = (Interpreter, FastEngine, *[JitEngine] * available())
SLEEPABLE: Final = 16
START: Final = (1 << 44) | 0xFFFF_C000
"""four pages before the lower half wraps"""
ALLOC: Final = ("r6 = r1 / r1 = map[id:0] / r2 = {address} / r3 = {pages} / r4 = -1 / r5 = 0 / "
                "kcall bpf_arena_alloc_pages / r7 = r0 / r8 = addr_space_cast(r7, 0, 1) / ")  # fmt: skip
END: Final = " / *(u64 *)(r6 +0) = r0 / *(u64 *)(r6 +8) = r1 / *(u64 *)(r6 +16) = r2 / r0 = 0 / exit"
CASES: Final = {
    "a page that is there": "*(u64 *)(r8 +8) = 77 / r0 = *(u32 *)(r8 +8) / r1 = *(u8 *)(r8 +9) / r2 = r7",
    "the next page isn't": "*(u64 *)(r8 +4096) = 77 / r0 = *(u64 *)(r8 +4096) / r1 = 1 / r2 = 2",
    "before the first": "*(u64 *)(r8 -8) = 77 / r0 = *(u64 *)(r8 -8) / r1 = 1 / r2 = 2",
    "across the end": "r1 = -1 / *(u64 *)(r8 +4092) = r1 / r0 = *(u64 *)(r8 +4092) / r1 = *(u32 *)(r8 +4092) / r2 = 2",
    "across the start": "r1 = -1 / *(u64 *)(r8 -4) = r1 / r0 = *(u64 *)(r8 -4) / r1 = *(u32 *)(r8 +0) / r2 = 2",
    "a store of one half": "*(u32 *)(r8 +0) = 9 / *(u16 *)(r8 -2) = 1 / r0 = *(u64 *)(r8 +0) / r1 = *(u8 *)(r8 -1) / "
                           "r2 = 2",
    "signed loads": "*(u32 *)(r8 +0) = -2 / r0 = *(s8 *)(r8 +0) / r1 = *(s32 *)(r8 +0) / r2 = *(s16 *)(r8 -2)",
    "far away": "r8 += 100000 / *(u64 *)(r8 +0) = 5 / r0 = *(u64 *)(r8 +0) / r1 = r8 / r2 = 0",
    "wrapped": "r8 += 0x7fffffff / r8 += 0x7fffffff / r8 += 2 / *(u64 *)(r8 +0) = 5 / r0 = *(u64 *)(r8 +0) / r1 = r8 / "
               "r2 = 0",
    "arithmetic is 32 bits wide": "r0 = r8 / r0 -= -1 / r0 *= 3 / r1 = r8 / r1 s>>= 4 / r2 = r8 / r2 <<= 8 / "
                                  "r2 ^= r8 / r2 |= -1",
    "number + arena": "r0 = 0x1_0000_0010 ll / r0 += r8 / r1 = -1 / r1 &= r8 / r2 = -1 / r2 -= r8",
    "pointers as numbers": "r0 = r8 / r1 = addr_space_cast(r8, 1, 0) / r2 = r1 / r2 -= r7",
    "NULL to user space": "r0 = 0 / r0 = addr_space_cast(r0, 0, 1) / r1 = addr_space_cast(r0, 1, 0) / r2 = 1",
    "atomic add": "r1 = 3 / lock *(u64 *)(r8 +0) += r1 / lock *(u64 *)(r8 +0) += r1 / r0 = *(u64 *)(r8 +0) / r2 = 0",
    "atomic nowhere": "r1 = 3 / lock *(u64 *)(r8 +4096) += r1 / r0 = *(u64 *)(r8 +4096) / r2 = 0",
    "fetch": "*(u64 *)(r8 +8) = 9 / r1 = 3 / "
             "r1 = atomic64_fetch_add((u64 *)(r8 +8), r1) / r0 = *(u8 *)(r8 +8) / r2 = 0",
    "fetch nowhere": "r1 = -3 / r1 = atomic_fetch_add((u32 *)(r8 +4096), r1) / r0 = *(u64 *)(r8 +4096) / r2 = 0",
    "exchange": "*(u32 *)(r8 +8) = 9 / r1 = -3 / r1 = atomic_xchg((u32 *)(r8 +8), r1) / r0 = *(u64 *)(r8 +8) / r2 = 0",
    "exchange nowhere": "r1 = -3 / r1 = atomic64_xchg((u64 *)(r8 +4096), r1) / r0 = *(u64 *)(r8 +4096) / r2 = 0",
    "acquire and release": "r1 = 5 / store_release((u64 *)(r8 +8), r1) / r0 = load_acquire((u32 *)(r8 +8)) / r2 = 0",
    "acquire and release nowhere": "r1 = -5 / r0 = -6 / store_release((u64 *)(r8 -8), r1) / "
                                   "r0 = load_acquire((u64 *)(r8 -8)) / r2 = -7 / r2 = load_acquire((u8 *)(r8 +4096))",
    "32-bit compare and exchange nowhere": "r0 = -9 / r1 = 4 / r0 = atomic_cmpxchg((u32 *)(r8 -8), r0, r1) / r1 = 1 / "
                                           "r2 = *(u64 *)(r8 -8)",
    "compare and exchange": "*(u64 *)(r8 +0) = 9 / r0 = 9 / r1 = 4 / r0 = atomic64_cmpxchg((u64 *)(r8 +0), r0, r1) / "
                            "r1 = *(u64 *)(r8 +0) / r2 = 5 / r2 = r2",
    "compare and exchange nowhere": "r0 = -9 / r1 = 4 / r0 = atomic64_cmpxchg((u64 *)(r8 -8), r0, r1) / r1 = 1 / "
                                    "r2 = *(u64 *)(r8 -8)",
}  # fmt: skip


def theirs(insns: bytes, flags: int) -> bytes:
    spec = kernel_oracle.MapSpec("arena", 0, 0, 4, flags, map_extra=START)
    done = kernel_oracle.test_run(insns, "syscall", ctx=bytes(64), maps=[spec], flags=SLEEPABLE, log_level=1)
    assert done.ok, (done.errno, done.log[-2000:])
    return done.ctx_out


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CASES)
def test_accesses(name: str, engine: type[Interpreter]) -> None:
    agree(name, engine, BPF_F_MMAPABLE)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["pointers as numbers", "NULL to user space"])
def test_an_arena_without_user_addresses(name: str, engine: type[Interpreter]) -> None:
    agree(name, engine, BPF_F_MMAPABLE | NO_USER_CONV)


def agree(name: str, engine: type[Interpreter], flags: int) -> None:
    insns = assemble(ALLOC.format(address=0, pages=1) + CASES[name] + END)
    assert ours(insns, engine, flags) == theirs(encode(insns), flags)[:24].hex(" ", 8)


def ours(insns: tuple[Insn, ...], engine: type[Interpreter], flags: int) -> str:
    """The context's first three words."""
    spec = MapSpec("oracle", "arena", 0, 0, 4, flags, map_extra=START)
    env = environment()
    verified = verify(Program("test", "syscall", insns, maps=(spec,), sleepable=True), env)
    memory = Memory(AREA + (16 << 20))
    runtime = Runtime(memory, env.kernel_btf)
    arena = runtime.create_map(spec)
    image = link_image(verified, [arena.addr], [arena.direct_value()], lambda _: 0, arena=arena_of([arena]))
    ctx = memory.alloc(64)
    assert engine(memory, runtime).run(image, ctx) == 0
    return memory.read(ctx, 24).hex(" ", 8)


def random_body(dice: random.Random) -> str:
    """Accesses around the borders of pages, two of which are there, with arithmetic in between."""
    lines = [f"r{reg} = {dice.randrange(-(1 << 31), 1 << 31)}" for reg in range(3)]
    for _ in range(14):
        off = dice.choice((0, 4096, 8192)) + dice.choice((-9, -8, -7, -4, -2, -1, 0, 1, 3, 8, 16))
        size, reg, what = dice.choice((8, 16, 32, 64)), dice.randrange(3), dice.randrange(12)
        if what == 0:
            lines.append(f"*(u{size} *)(r8 {off:+}) = {dice.randrange(1, 1 << 31)}")
        elif what < 4:
            lines.append(f"*(u{size} *)(r8 {off:+}) = r{reg}")
        elif what < 6:
            lines.append(f"r{reg} = *(u{size} *)(r8 {off:+})")
        elif what == 6:
            lines.append(f"r{reg} = *(s{min(size, 32)} *)(r8 {off:+})")
        elif what == 7:
            wide, name = dice.choice((("u64", "atomic64"), ("u32", "atomic")))
            lines.append(f"r{reg} = {name}_{dice.choice(('fetch_add', 'xchg'))}(({wide} *)(r8 {off & ~7:+}), r{reg})")
        elif what == 8:
            sign = dice.choice(("+=", "|=", "&=", "^="))
            lines.append(f"lock *({dice.choice(('u64', 'u32'))} *)(r8 {off & ~7:+}) {sign} r{reg}")
        elif what == 9:
            wide, name = dice.choice((("u64", "atomic64"), ("u32", "atomic")))
            lines.append(f"r0 = {name}_cmpxchg(({wide} *)(r8 {off & ~7:+}), r0, r{reg})")
        elif what == 10:
            moved = dice.choice((1, 7, 4096, -4096, 1 << 30))
            lines += [f"r8 += {moved}", f"*(u32 *)(r8 +0) = r{reg}", f"r8 -= {moved}"]
        else:
            lines.append(f"r{reg} += r{dice.randrange(3)}")
    return " / ".join(lines)


@pytest.mark.parametrize("seed", range(12))
def test_random_accesses(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(3):
        insns = assemble(ALLOC.format(address=0, pages=2) + random_body(dice) + END)
        wanted = theirs(encode(insns), BPF_F_MMAPABLE)
        for engine in ENGINES:
            assert ours(insns, engine, BPF_F_MMAPABLE) == wanted[:24].hex(" ", 8), engine
