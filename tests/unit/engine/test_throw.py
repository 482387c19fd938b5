# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""bpf_throw on every engine: frames of functions and callbacks are left, the exception callback has the last word."""

from __future__ import annotations

import pytest

from bpfvm.engine.choose import engine_class
from bpfvm.engine.image import Image, callback_handle
from bpfvm.engine.jit import available
from bpfvm.engine.services import CallFrame, Engine
from bpfvm.engine.throw import Thrown
from bpfvm.errors import Trap
from bpfvm.isa.asm import asm
from bpfvm.memory import Memory

Args = tuple[int, int, int, int, int]
NAMES = ["interp", "fast", pytest.param("jit", marks=pytest.mark.skipif(not available(), reason="no llvmlite"))]


class Kernel:
    """kfunc 1 throws its argument; helper 181 (bpf_loop) calls back; helper 5 runs a whole program inside."""

    def __init__(self) -> None:
        self.machine: Engine | None = None
        self.inner: Image | None = None

    def kfunc(self, btf_id: int, args: Args, frame: CallFrame) -> int:
        raise Thrown(args[0])

    def helper(self, func_id: int, args: Args, frame: CallFrame) -> int:
        if func_id == 181:
            for index in range(args[0]):
                frame.call(args[1], index, args[2])
            return args[0]
        assert self.machine is not None and self.inner is not None
        return self.machine.run(self.inner, args[0]) + 1


@pytest.fixture(params=NAMES)
def machine(request: pytest.FixtureRequest) -> Engine:
    kernel = Kernel()
    options = {"cache_dir": "", "tier": "best"} if request.param == "jit" else {}
    kernel.machine = engine_class(request.param)(Memory(1 << 20), kernel, **options)
    return kernel.machine


def image(text: str, handler: str = "") -> Image:
    """A program; `handler` is appended and gets what is thrown."""
    slot = len(asm(text)) if handler else 0
    return Image.of_insns(asm(f"{text}\n{handler}"), "test", verified=True, exception_cb=slot)


THROW = "r1 = 0x1234\ncall bpf_throw#1\nr0 = 7\nexit"
DEEP = "r6 = 1\ncall pc+1\nexit\ncall pc+1\nexit\n" + THROW
HANDLER = "r0 = r1\nr0 += 1\nexit"
LOOP = "r1 = 5\nr2 = subprog[body]\nr3 = 0\nr4 = 0\ncall bpf_loop\nr0 = 3\nexit\nbody:\n"


@pytest.mark.parametrize("fuel", [None, 1000])
@pytest.mark.parametrize("text", [THROW, DEEP, LOOP + THROW], ids=["main", "deep", "callback"])
def test_result(machine: Engine, text: str, fuel: int | None) -> None:
    for _ in range(3):
        assert machine.run(image(text), 0, fuel=fuel) == 0x1234
        assert machine.run(image(text, HANDLER), 0, fuel=fuel) == 0x1235
    with pytest.raises(Exception, match="no program is running"):
        _ = machine.frame


def test_same_image_again_and_again(machine: Engine) -> None:
    program = image(DEEP, HANDLER)
    assert [machine.run(program, 0) for _ in range(20)] == [0x1235] * 20


def test_instructions_of_the_handler_count(machine: Engine) -> None:
    assert machine.run(image(THROW, HANDLER), 0, fuel=5) == 0x1235
    with pytest.raises(Trap, match="limit") as caught:
        machine.run(image(THROW, HANDLER), 0, fuel=4)
    assert caught.value.text == "exit"
    assert caught.value.insn == len(asm(THROW)) + 2


def test_inner_run_ends_alone(machine: Engine) -> None:
    kernel = machine.services
    assert isinstance(kernel, Kernel)
    kernel.inner = image(DEEP)
    assert machine.run(image("call bpf_ktime_get_ns\nexit"), 0) == 0x1235


@pytest.mark.parametrize("caller", ["", "call pc+1\nexit\n"], ids=["main", "function"])
def test_after_a_tail_call_the_other_programs_handler_is_asked(machine: Engine, caller: str) -> None:
    target = image(DEEP, "r0 = r1\nr0 += 9\nexit")
    machine.tail_calls = lambda array, index: target
    assert machine.run(image(f"{caller}call bpf_tail_call\nr0 = 0\nexit", HANDLER), 0) == 0x1234 + 9


def test_callback_without_a_program_around(machine: Engine) -> None:
    program = image("r1 = subprog[body]\nr0 = 0\nexit\nbody:\n" + THROW, HANDLER)
    handle = callback_handle(4)
    assert machine.call_func(program, handle, (1,)) == 0x1235


def test_batch(machine: Engine) -> None:
    program = image("r0 = r1\nr2 = r1\nr2 &= 1\nif r2 == 0 goto +2\nr1 += 100\ncall bpf_throw#1\nexit", HANDLER)
    contexts = list(range(600))
    assert list(machine.batch(program, contexts)) == [each + 101 if each & 1 else each for each in contexts]
    assert list(machine.batch(program, [1, 1, 3])) == [102, 102, 104]
