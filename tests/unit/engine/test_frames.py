# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Frames on every engine: where they are, what a program finds and leaves there, and what it can do to r10."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bpfvm.engine.choose import engine_class
from bpfvm.engine.image import Image
from bpfvm.engine.jit import available
from bpfvm.engine.services import CallFrame, Engine
from bpfvm.isa.asm import asm
from bpfvm.isa.opcodes import MAX_BPF_STACK
from bpfvm.memory import Memory
from bpfvm.memory.fault import PAGE_SIZE

NAMES = ["interp", "fast", pytest.param("jit", marks=pytest.mark.skipif(not available(), reason="no llvmlite"))]
FIRST_END = Memory.BASE + PAGE_SIZE + MAX_BPF_STACK
"""Where the first frame ends: its room is the first thing that an engine takes of an empty memory."""


class Kernel:
    """Helper 5 gives the 8 bytes at r1; `look` gets its frame."""

    def __init__(self, look: Callable[[CallFrame], None] = lambda frame: None) -> None:
        self.look = look

    def helper(self, func_id: int, args: tuple[int, ...], frame: CallFrame) -> int:
        self.look(frame)
        return frame.memory.load(args[0], 8)

    def kfunc(self, btf_id: int, args: tuple[int, ...], frame: CallFrame) -> int:
        raise AssertionError(btf_id)


@pytest.fixture(params=NAMES)
def make(request: pytest.FixtureRequest) -> Callable[..., Engine]:
    def made(checker: str = "off", **more: object) -> Engine:
        options = {"cache_dir": "", "tier": "best", **more} if request.param == "jit" else more
        return engine_class(request.param)(Memory(1 << 20, checker), Kernel(), **options)

    return made


def raw(text: str) -> Image:
    return Image.of_insns(asm(text))


def verified(text: str) -> Image:
    return Image.of_insns(asm(text), verified=True)


@pytest.mark.parametrize("fuel", [None, 100])
@pytest.mark.parametrize("program", [raw, verified])
def test_addresses(make: Callable[..., Engine], program: Callable[[str], Image], fuel: int | None) -> None:
    vm = make()
    assert vm.run(program("r0 = r10\nexit"), 0, fuel=fuel) == FIRST_END
    assert vm.run(program("call f\nexit\nf: call g\nexit\ng: r0 = r10\nexit"), 0, fuel=fuel) == FIRST_END + 1024


def test_watching_moves_no_frame(make: Callable[..., Engine]) -> None:
    vm, seen = make(), list[int]()
    vm.on_insn = lambda image, slot, regs: seen.append(regs[10])
    end = vm.memory.end
    assert vm.run(raw("r0 = r10\nexit"), 0) == FIRST_END
    assert seen == [FIRST_END] * 2
    assert vm.memory.end == end


def test_the_frame_that_a_helper_sees(make: Callable[..., Engine]) -> None:
    vm, seen = make(), list[bool]()
    program = verified("r1 = r10\nr1 += -8\ncall bpf_ktime_get_ns\nexit")
    vm.services = Kernel(lambda frame: seen.append(frame.image is program and vm.frame.image is program))
    for watcher in (None, lambda image, slot, regs: None):
        vm.on_insn = watcher
        vm.run(program, 0)
    assert seen == [True, True]


@pytest.mark.parametrize("fuel", [None, 100])
@pytest.mark.parametrize("program", [raw, verified])
def test_what_a_frame_leaves(make: Callable[..., Engine], program: Callable[[str], Image], fuel: int | None) -> None:
    """A function that is called next finds it, as does a helper and whoever reads memory afterwards."""
    vm = make()
    text = "call f\ncall g\nexit\nf: *(u64 *)(r10 -8) = 5\nr0 = 1\nexit\ng: r0 = *(u64 *)(r10 -8)\nexit"
    assert vm.run(program(text), 0, fuel=fuel) == 5
    text = "r1 = 77\n*(u64 *)(r10 -16) = r1\nr0 = *(u64 *)(r10 -16)\nexit"
    assert vm.run(program(text), 0, fuel=fuel) == 77
    assert vm.memory.load(FIRST_END - 16, 8) == 77
    address = FIRST_END - 16
    text = f"*(u64 *)(r10 -16) = 78\nr1 = {address} ll\ncall bpf_ktime_get_ns\n*(u64 *)(r10 -16) = 79\nexit"
    assert vm.run(program(text), 0, fuel=fuel) == 78
    assert vm.memory.load(FIRST_END - 16, 8) == 79


@pytest.mark.parametrize("checker", ["off", "kasan"])
def test_stores_elsewhere_and_in_the_frame(make: Callable[..., Engine], checker: str) -> None:
    vm = make(checker)
    at = vm.memory.alloc(16)
    vm.memory.store(at, 8, 3)
    text = """
        *(u64 *)(r10 -8) = 0
        r6 = 10
    more:
        r2 = *(u64 *)(r10 -8)
        r3 = *(u64 *)(r1 +0)
        r2 += r3
        *(u64 *)(r10 -8) = r2
        *(u64 *)(r1 +8) = r2
        r6 += -1
        if r6 != 0 goto more
        r0 = *(u64 *)(r10 -8)
        exit
    """
    assert vm.run(verified(text), at) == 30
    assert (vm.memory.load(at + 8, 8), vm.memory.load(FIRST_END - 8, 8)) == (30, 30)


@pytest.mark.parametrize("fuel", [None, 100])
def test_a_raw_program_reaches_its_frame_by_any_address(make: Callable[..., Engine], fuel: int | None) -> None:
    text = f"*(u64 *)(r10 -8) = 1\nr1 = {FIRST_END - 8} ll\n*(u64 *)(r1 +0) = 2\nr0 = *(u64 *)(r10 -8)\nexit"
    assert make().run(raw(text), 0, fuel=fuel) == 2


@pytest.mark.parametrize("fuel", [None, 100])
@pytest.mark.parametrize("checker", ["off", "kasan"])
def test_a_marked_load_where_r10_was_moved(make: Callable[..., Engine], checker: str, fuel: int | None) -> None:
    """It reads 0 there, as at any other bad address."""
    text = "w10 -= -4\nr0 = 7\nr0 = *(s8 *)(r10 -12)\nexit"
    program = Image.of_insns(asm(text), probe_mem=frozenset({2}))
    assert make(checker).run(program, 0, fuel=fuel) == 0


@pytest.mark.parametrize("fuel", [None, 100])
def test_a_tail_call_gives_r10_back(make: Callable[..., Engine], fuel: int | None) -> None:
    """The registers go on as they are, but for r10."""
    target = raw("r0 = r6\nr0 <<= 32\nw1 = w10\nr0 |= r1\nexit")
    for caller in ("r6 = 9\nr10 += -8\ncall bpf_tail_call\nexit", "r6 = 9\ncall bpf_tail_call\nexit"):
        for program in (raw, verified) if "r10" not in caller else (raw,):
            vm = make(tail_calls=lambda array, index: target)
            assert vm.run(program(caller), 0, fuel=fuel) == 9 << 32 | FIRST_END & 0xFFFFFFFF


@pytest.mark.parametrize("fuel", [None, 100])
@pytest.mark.parametrize("program", [raw, verified])
def test_a_tail_call_gives_all_steps_back(
    make: Callable[..., Engine], program: Callable[[str], Image], fuel: int | None
) -> None:
    """Linux writes the count of may_goto at the start of a program, which a tail call goes through as well."""
    target = program("r0 = 0\nmore: may_goto out\nr0 += 1\ngoto more\nout: exit")
    vm = make(tail_calls=lambda array, index: target)
    vm.may_goto_budget = 5
    assert vm.run(program("more: may_goto out\ngoto more\nout: call bpf_tail_call\nexit"), 0, fuel=fuel) == 5
