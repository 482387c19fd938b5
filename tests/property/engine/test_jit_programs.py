# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""1,000 programs: compiled code and interpreter agree on r0, memory, traps and the last instruction of a budget."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfvm.engine.image import Image
from bpfvm.engine.interp import Interpreter
from bpfvm.engine.jit import JitEngine, available
from bpfvm.engine.services import CallFrame
from bpfvm.errors import BpfvmError
from bpfvm.isa.insn import Insn
from bpfvm.isa.table import OPS
from bpfvm.memory import Memory
from tests.property.engine.programs import CONTEXT_SIZE, sample

pytestmark = pytest.mark.skipif(not available(), reason="the compiler needs llvmlite (extra jit)")
PROGRAMS = 800
PER_TEST = 25
FUEL = 2000


class Kernel:
    """Functions that mix their arguments; function 7 writes where r1 points."""

    def helper(self, func_id: int, args: tuple[int, ...], frame: CallFrame) -> int:
        if func_id == 7:
            frame.memory.store(args[0], 8, args[1])
        return (func_id * 3 + sum(args)) & 0xFFFF_FFFF_FFFF

    def kfunc(self, btf_id: int, args: tuple[int, ...], frame: CallFrame) -> int:
        return btf_id ^ args[0]


class Pair:
    """The two engines, each on a memory of its own that saw the same calls."""

    def __init__(self, checker: str = "off", tier: str = "quick") -> None:
        memories = [Memory(1 << 20, checker), Memory(1 << 20, checker)]
        self.interp = Interpreter(memories[0], Kernel())
        self.jit = JitEngine(memories[1], Kernel(), cache_dir="", tier="best" if tier == "best" else "quick")
        self.engines: tuple[Interpreter | JitEngine, ...] = (self.interp, self.jit)
        self.context = 0
        for memory in memories:
            self.context = memory.alloc(CONTEXT_SIZE, what="context")

    def outcome(
        self, which: int, insns: tuple[Insn, ...], context: bytes, fuel: int | None, probe: frozenset[int]
    ) -> tuple[object, bytes]:
        engine = self.engines[which]
        memory = engine.memory
        assert isinstance(memory, Memory)
        memory.write(self.context, context)
        image = Image("test", insns, insns, verified=False, probe_mem=probe)
        try:
            result: object = engine.run(image, self.context, fuel=fuel)
        except BpfvmError as why:
            result = (type(why).__name__, str(why), getattr(why, "insn", None))
        return result, memory.read(self.context, CONTEXT_SIZE)

    def check(
        self, insns: tuple[Insn, ...], context: bytes, fuel: int | None = None, probe: frozenset[int] = frozenset()
    ) -> None:
        want, got = (self.outcome(which, insns, context, fuel, probe) for which in (0, 1))
        assert got == want


@pytest.fixture(scope="module")
def pair() -> Pair:
    return Pair()


@pytest.fixture(autouse=True)
def _quickest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spend little on code generation, which is LLVM's and not what is tested; some tests do without."""
    monkeypatch.setattr("bpfvm.engine.jit.effort.GOOD", -1)
    monkeypatch.setattr("bpfvm.engine.jit.effort.FAIR", -1)


@pytest.mark.parametrize("first", range(0, PROGRAMS, PER_TEST))
def test_random_programs(pair: Pair, first: int) -> None:
    for seed in range(first, first + PER_TEST):
        made = sample(seed)
        pair.check(made.insns, made.context)


@pytest.mark.parametrize("first", range(0, 40, 10))
@pytest.mark.parametrize("tier", ["quick", "best"])
def test_random_programs_with_good_code(tier: str, first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bpfvm.engine.jit.effort.GOOD", 1000)
    good = Pair(tier=tier)
    for seed in range(10_000 + first, 10_010 + first):
        made = sample(seed, 30)
        good.check(made.insns, made.context)


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_random_programs_that_run_out_of_fuel(pair: Pair, first: int) -> None:
    """Stopped after any number of instructions, memory is as if they had run one by one."""
    rng = random.Random(first)
    for seed in range(20_000 + first, 20_010 + first):
        made = sample(seed)
        for fuel in (0, rng.randrange(1, 60), rng.randrange(60, 200), FUEL):
            pair.check(made.insns, made.context, fuel)


def _broken(seed: int) -> tuple[tuple[Insn, ...], bytes]:
    """A generated program with some fields changed: it may access anything, go anywhere, or mean nothing."""
    rng = random.Random(seed)
    made = sample(seed)
    insns = list(made.insns)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(insns))
        field = rng.choice(("code", "dst", "src", "off", "imm"))
        value = {"code": rng.choice(OPS).code, "dst": rng.randrange(12), "src": rng.randrange(12),
                 "off": rng.choice((0, 1, 8, -8, -520, 512, rng.randrange(-50, 50))),
                 "imm": rng.choice((0, 1, 7, 16, 64, 0xE1, 0xF1, rng.randrange(-99, 99)))}[field]  # fmt: skip
        insns[at] = insns[at]._replace(**{field: value})
    return tuple(insns), made.context


@pytest.mark.parametrize("checker", ["off", "kasan"])
@pytest.mark.parametrize("first", range(0, 60, 20))
def test_broken_programs(checker: str, first: int) -> None:
    broken = Pair(checker)
    for seed in range(30_000 + first, 30_020 + first):
        broken.check(*_broken(seed), FUEL)


@pytest.mark.parametrize("seed", range(40_000, 40_020))
def test_objects_under_kasan(seed: int) -> None:
    """Accesses around objects of odd sizes, live and freed: the same reports, and the same memory after each."""
    rng = random.Random(seed)
    pair = Pair("kasan")
    sizes = [rng.randrange(1, 40) for _ in range(4)]
    objects: list[int] = []
    for engine in pair.engines:
        memory = engine.memory
        assert isinstance(memory, Memory)
        objects = [memory.alloc(size) for size in sizes]
        memory.free(objects[3])
    names = ("ldx", "st", "stx", "xchg", "atomic_add", "cmpxchg", "ldxs")
    ops = [op for op in OPS if op.name in names]
    for _ in range(6):
        op, at = rng.choice(ops), rng.choice(objects) + rng.randrange(-4, 44)
        body = [Insn(0x18, 1, 0, 0, s32(at)), Insn(0, imm=s32(at >> 32)), Insn(0xB7, 2, imm=77), Insn(0xB7, 0, imm=5)]
        load = op.cls == "ldx"
        access = Insn(op.code, 2 if load else 1, 1 if load else 2, 0, op.match[1] if op.match else 9)
        insns = (*body, access, Insn(0x95))
        pair.check(insns, bytes(CONTEXT_SIZE))
        pair.check(insns, bytes(CONTEXT_SIZE), probe=frozenset({4}))
    first, second = (engine.memory for engine in pair.engines)
    assert isinstance(first, Memory) and isinstance(second, Memory)
    size = first.end - pair.context
    assert first.read_nofault(pair.context, size) == second.read_nofault(pair.context, size)


def s32(x: int) -> int:
    return ((x & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000


INSN = st.builds(
    Insn,
    st.one_of(st.sampled_from([op.code for op in OPS]), st.integers(0, 255)),
    st.integers(0, 12),
    st.integers(0, 12),
    st.one_of(st.sampled_from([0, 1, 8, 16, 32, -8]), st.integers(-(1 << 15), (1 << 15) - 1)),
    st.one_of(st.sampled_from([0, 1, 16, 32, 64, 0xE1, 0xF1, 0x100, 0x110]), st.integers(-(1 << 31), (1 << 31) - 1)),
)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(INSN, max_size=12))
def test_any_slots(pair: Pair, slots: list[Insn]) -> None:
    pair.check(tuple(slots), bytes(range(CONTEXT_SIZE)), 300)
