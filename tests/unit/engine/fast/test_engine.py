# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is particular to the fast engine: direct access to memory, counting by blocks, loops."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bpfvm.engine.fast import FastEngine, engine, flow, graph
from bpfvm.engine.image import Image
from bpfvm.engine.interp import Interpreter
from bpfvm.errors import KernelReport, Trap
from bpfvm.isa.asm import asm
from bpfvm.isa.insn import Insn
from bpfvm.memory import Memory
from bpfvm.obj.model import LineInfo
from tests.unit.engine.test_interp import Args, Kernel, image


def machine(checker: str = "off", **functions: Callable[..., int]) -> FastEngine:
    return FastEngine(Memory(1 << 20, checker=checker), Kernel(**functions))


def source(text: str) -> str:
    """The Python source of a program."""
    vm = machine()
    return vm.code(image(text)).source(0)


def test_counters_need_no_mask() -> None:
    text = "r0 = 0\nagain: r0 += 1\nif r0 != 1000 goto again\nexit"
    assert " & " not in source(text)
    assert machine().run(image(text), 0) == 1000
    text = "r0 = 0\nr1 = *(u32 *)(r10 -8)\nagain: r0 += 1\nif r0 < r1 goto again\nexit"
    assert "0xffffffffffffffff" not in source(text)


def test_sums_are_cut_once() -> None:
    text = "r0 = r1\nr0 *= r2\nr0 += r3\nr0 -= r4\nexit"
    assert source(text).count("0xffffffffffffffff") == 1
    assert machine().run(image("r0 = -1\nr2 = -1\nr0 *= r2\nr0 += r2\nr0 -= 3\nexit"), 0) == 0xFFFFFFFFFFFFFFFD


@pytest.mark.parametrize("size", [1, 2, 4, 8])
@pytest.mark.parametrize("distance", [-16, -9, -8, -7, -4, -3, -2, -1, 0, 1])
def test_the_end_of_memory(size: int, distance: int) -> None:
    text = f"r2 = {{}} ll\nr0 = *(u{size * 8} *)(r1 +{distance})\n*(u{size * 8} *)(r1 +{distance}) = 77\nexit"
    seen = []
    for kind in (Interpreter, FastEngine):
        vm = kind(Memory(1 << 20), Kernel())
        end = vm.memory.end  # type: ignore[attr-defined]  # a Memory
        try:
            seen.append((vm.run(image(text.format(0)), end), vm.memory.load(end - 16, 8), vm.memory.load(end - 8, 8)))
        except Trap as trap:
            seen.append(str(trap))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("base", [0, 8, 4095, 0xFFFF_8880_0000_0000, 0xFFFF_887F_FFFF_FFF8, (1 << 64) - 8, 1 << 63])
def test_where_no_memory_is(base: int) -> None:
    text = f"r1 = {base} ll\nr0 = *(u64 *)(r1 +{{}})\nexit"
    for off in (-8, 0, 8, 32767):
        seen = []
        for kind in (Interpreter, FastEngine):
            with pytest.raises(Trap) as caught:
                kind(Memory(1 << 20), Kernel()).run(image(text.format(off)), 0)
            seen.append(str(caught.value))
        assert seen[0] == seen[1]


def test_memory_that_grows_during_a_call() -> None:
    def more(args: Args, frame: object) -> int:
        return vm.memory.alloc(1 << 16)

    vm = machine(helper5=more)
    text = "r6 = *(u64 *)(r1 +0)\ncall bpf_ktime_get_ns\nr0 += 65528\n*(u64 *)(r0 +0) = 5\nr0 = *(u64 *)(r0 +0)\nexit"
    assert vm.run(image(text), vm.memory.alloc(8)) == 5


def test_kasan_sees_what_is_freed() -> None:
    vm = machine("kasan")
    at = vm.memory.alloc(24)
    program = image("r0 = *(u64 *)(r1 +16)\nexit")
    assert vm.run(program, at) == 0
    with pytest.raises(KernelReport, match="slab-out-of-bounds"):
        vm.run(image("*(u32 *)(r1 +24) = 1\nexit"), at)
    memory = vm.memory
    assert isinstance(memory, Memory)
    memory.free(at)
    with pytest.raises(KernelReport, match="slab-use-after-free"):
        vm.run(program, at)


def test_kasan_that_only_reports() -> None:
    vm, reports = machine("kasan"), []
    memory = vm.memory
    assert isinstance(memory, Memory)
    memory.report = reports.append
    at = memory.alloc(8)
    memory.store(at, 8, 41)
    memory.free(at)
    assert vm.run(image("r0 = *(u64 *)(r1 +0)\nr0 += 1\nexit"), at) == 42
    assert len(reports) == 1


def test_every_limit_stops_at_the_same_place() -> None:
    text = """
        r6 = 3
        again: r1 = r6
        call f
        r7 += r0
        call bpf_ktime_get_ns
        r6 += -1
        if r6 != 0 goto again
        r0 = r7
        exit
        f: r0 = r1
        r0 <<= 1
        *(u64 *)(r10 -8) = r0
        exit
    """
    for fuel in range(45):
        assert under_limit(Interpreter, text, fuel) == under_limit(FastEngine, text, fuel), fuel


def under_limit(kind: type[Interpreter], text: str, fuel: int) -> list[object]:
    """What is left of the limit at every call of helper 5, then the result or the trap."""
    seen: list[object] = []

    def note(args: Args, frame: object) -> int:
        seen.append(vm._fuel)
        return 1

    vm = kind(Memory(1 << 20), Kernel(helper5=note))
    try:
        seen.append(vm.run(image(text), 0, fuel=fuel))
    except Trap as trap:
        seen.append(str(trap))
    return seen


def test_trap_in_a_function_has_its_line() -> None:
    lines = (LineInfo(0, "a.bpf.c", "f(p);", 3, 1), LineInfo(2, "a.bpf.c", "  return *p;", 7, 2))
    with pytest.raises(Trap) as caught:
        machine().run(image("call f\nexit\nf: r1 = 0\nr0 = *(u64 *)(r1 +8)\nexit", line_info=lines), 0)
    assert (caught.value.insn, caught.value.line) == (3, "return *p; @ a.bpf.c:7")


def test_two_loops_into_each_other() -> None:
    """A loop with two entries can't be nested; the decision tree runs it."""
    text = """
        r0 = 0
        if r1 == 0 goto second
        first: r0 += 1
        second: r0 += 16
        if r0 < 100 goto first
        exit
    """
    assert "if b <" in source(text)
    for ctx in (0, 1):
        assert machine().run(image(text), ctx) == Interpreter(Memory(1 << 20), Kernel()).run(image(text), ctx)


NESTED = """
    r0 = 0
    r2 = 0
    outer: r3 = 0
    inner: r4 = 0
    deep: r0 += 1
    if r0 == {stop} goto {to}
    r4 += 1
    if r4 < 3 goto deep
    r3 += 1
    if r3 < 3 goto inner
    after: r2 += 1
    if r2 < 3 goto outer
    end: r0 += 1000
    last: r0 += r2
    exit
"""


@pytest.mark.parametrize("to", ["outer", "inner", "after", "end", "last"])
def test_leaving_nested_loops(to: str) -> None:
    for stop in (1, 2, 5, 9, 14, 27):
        program = image(NESTED.format(stop=stop, to=to))
        expected = Interpreter(Memory(1 << 20), Kernel()).run(program, 0)
        assert machine().run(program, 0) == expected
    assert "while True" in source(NESTED.format(stop=5, to=to))


def test_many_loops_one_after_the_other() -> None:
    text = "r0 = 0\n" + "".join(f"r1 = 3\nl{n}: r0 += 1\nr1 += -1\nif r1 != 0 goto l{n}\n" for n in range(60)) + "exit"
    assert "if b <" not in source(text)
    assert machine().run(image(text), 0) == 180


def test_many_conditions_one_after_the_other() -> None:
    text = "r0 = 0\n" + "".join(f"if r1 == {n} goto n{n}\nr0 += 1\nn{n}: r0 += 2\n" for n in range(400)) + "exit"
    assert "if b <" not in source(text)
    assert machine().run(image(text), 7) == 1199


def test_a_function_too_large_is_interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "MAX_SLOTS", 3)
    assert "INTERPRET" in source("r0 = 1\nr0 += 1\nr0 += 1\nexit")
    assert machine().run(image("r0 = 1\nr0 += 1\nr0 += 1\nexit"), 0) == 3


def test_a_function_with_many_blocks_is_a_decision_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    text = NESTED.format(stop=5, to="end")
    expected = machine().run(image(text), 0)
    monkeypatch.setattr(graph, "MAX_BLOCKS", 3)
    assert "if b <" in source(text)
    assert machine().run(image(text), 0) == expected


def test_old_images_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MAX_IMAGES", 2)
    vm = machine()
    programs = [image(f"r0 = {number}\nexit") for number in range(4)]
    for _ in range(2):
        assert [vm.run(program, 0) for program in programs] == [0, 1, 2, 3]


def test_a_constant_address_outside_of_memory() -> None:
    vm = machine()
    memory = vm.memory
    assert isinstance(memory, Memory)
    with pytest.raises(Trap, match="unable to handle page fault"):
        vm.run(Image.of_insns((*asm(f"r1 = {memory.end - 4} ll\nr0 = *(u64 *)(r1 +0)"), Insn(0x95))), 0)
