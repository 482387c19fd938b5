# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The compiling engine with a kernel around it: helpers, callbacks, tail calls, limits, traps, batches, tiers."""

from __future__ import annotations

import gc
from array import array
from collections.abc import Callable, Sequence

import pytest

from bpfvm.engine.image import Image, callback_handle
from bpfvm.engine.interp import MAX_DEPTH
from bpfvm.engine.jit import JitEngine, available
from bpfvm.engine.services import CallFrame
from bpfvm.engine.trap import SOUNDNESS
from bpfvm.errors import BpfvmError, KernelReport, Trap, UsageError
from bpfvm.isa.asm import asm
from bpfvm.memory import Memory
from bpfvm.obj.model import LineInfo
from tests.conformance.isa.cases import Case, all_cases

pytestmark = pytest.mark.skipif(not available(), reason="the compiler needs llvmlite (extra jit)")
Args = tuple[int, int, int, int, int]
Function = Callable[[Args, CallFrame], int]
CASES = all_cases()


class Kernel:
    """Helpers and kfuncs by number."""

    def __init__(self, **functions: Function) -> None:
        self.functions = functions

    def helper(self, func_id: int, args: Args, frame: CallFrame) -> int:
        return self.functions[f"helper{func_id}"](args, frame)

    def kfunc(self, btf_id: int, args: Args, frame: CallFrame) -> int:
        return self.functions[f"kfunc{btf_id}"](args, frame)


def machine(**functions: Function) -> JitEngine:
    return JitEngine(Memory(1 << 20), Kernel(**functions), cache_dir="")


def image(text: str, **more: object) -> Image:
    return Image.of_insns(asm(text), "test", verified=True, **more)


@pytest.mark.parametrize("first", range(0, len(CASES), 23))
@pytest.mark.parametrize("fuel", [None, 1000], ids=["unlimited", "limited"])
def test_conformance_data(first: int, fuel: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, slots in (("GOOD", -1 if fuel else 5), ("FAIR", 20)):
        monkeypatch.setattr(f"bpfvm.engine.jit.effort.{name}", slots)
    vm = machine()
    for case in CASES[first : first + 23]:
        if fuel is not None or "limit" not in case.error:
            _check(vm, case, fuel)


def _check(vm: JitEngine, case: Case, fuel: int | None) -> None:
    base = vm.memory.alloc(max(len(case.mem), 1), what="context")
    vm.memory.write(base, case.mem)
    packet = case.packet

    def load(ctx: int, offset: int, size: int) -> int | None:
        assert ctx == base and packet is not None
        piece = packet[offset : offset + size] if offset >= 0 else b""
        return int.from_bytes(piece, "big") if len(piece) == size else None

    vm.packet = load if packet is not None else None
    if case.error:
        with pytest.raises((Trap, UsageError)) as caught:
            vm.run(Image.of_insns(case.insns), base, fuel=fuel)
        assert case.error in str(caught.value), case.name
        return
    assert vm.run(Image.of_insns(case.insns), base, fuel=fuel) == case.r0, case.name
    if case.after is not None:
        assert vm.memory.read(base, len(case.mem)) == case.after, case.name


def test_helper_sees_arguments_and_frame() -> None:
    seen: list[object] = []

    def helper(args: Args, frame: CallFrame) -> int:
        seen.append((args, frame.image, frame.memory))
        return -22

    vm = machine(helper5=helper)
    program = image("r1 = 1\nr2 = -1\nr3 = 3\nr4 = 4\nr5 = 5\ncall bpf_ktime_get_ns\nexit")
    assert vm.run(program, 0) == 0xFFFFFFFFFFFFFFEA
    assert seen == [((1, 0xFFFFFFFFFFFFFFFF, 3, 4, 5), program, vm.memory)]
    with pytest.raises(UsageError, match="no program is running"):
        _ = vm.frame


def test_kfunc_by_btf_id() -> None:
    assert machine(kfunc77=lambda args, frame: args[0] * 2).run(image("r1 = 21\ncall bpf_x#77\nexit"), 0) == 42


def test_helper_writes_the_callers_stack() -> None:
    def write(args: Args, frame: CallFrame) -> int:
        frame.memory.store(args[0], 8, 99)
        return 0

    text = "r1 = r10\nr1 += -8\ncall bpf_probe_read\nr0 = *(u64 *)(r10 -8)\nexit"
    assert machine(helper4=write).run(image(text), 0) == 99


CALLBACK = """
    r6 = 1000
    *(u64 *)(r10 -8) = 100
    r1 = 4
    r2 = subprog[body]
    r3 = r10
    r3 += -8
    r4 = 0
    call bpf_loop
    r1 = *(u64 *)(r10 -8)
    r0 += r1
    r0 += r6
    exit
body:
    r6 = *(u64 *)(r2 +0)
    r6 += 1
    *(u64 *)(r2 +0) = r6
    *(u64 *)(r10 -8) = 7
    r0 = r1
    exit
"""


def test_callback_from_a_helper() -> None:
    def loop(args: Args, frame: CallFrame) -> int:
        return sum(frame.call(args[1], index, args[2]) for index in range(args[0]))

    assert machine(helper181=loop).run(image(CALLBACK), 0) == 0 + 1 + 2 + 3 + 104 + 1000


def test_call_func_from_outside() -> None:
    program, vm = image("r0 = 0\nexit\nr0 = r1\nr0 -= r2\nexit"), machine()
    assert vm.call_func(program, callback_handle(2), (5, 7)) == 0xFFFFFFFFFFFFFFFE
    assert vm.run(program, 0) == 0
    with pytest.raises(Trap, match="0x1234 is not a function"):
        vm.call_func(program, 0x1234, ())


def test_frames_are_limited_and_given_back() -> None:
    vm = machine(helper5=lambda args, frame: vm.run(frame.image, 0))
    with pytest.raises(Trap, match=f"more than {MAX_DEPTH} frames"):
        vm.run(image("call bpf_ktime_get_ns\nexit"), 0)
    assert vm.run(image("r0 = 7\nexit"), 0) == 7
    with pytest.raises(Trap, match=f"more than {MAX_DEPTH} frames") as caught:
        vm.run(image("call f\nexit\nf: r0 = 0\ncall f\nexit"), 0)
    assert caught.value.insn == 2


def tail_caller(targets: Sequence[Image | None]) -> JitEngine:
    def find(prog_array: int, index: int) -> Image | None:
        assert prog_array == 0x1000
        return targets[index] if index < len(targets) else None

    return JitEngine(Memory(1 << 20), Kernel(), tail_calls=find, cache_dir="")


CALLER = "r6 = 5\nr2 = 4096\nr3 = {}\ncall bpf_tail_call\nr0 = -1\nexit"


def test_tail_calls() -> None:
    vm = tail_caller([image("r0 = r1\nr0 += 1\nexit"), None])
    assert vm.run(image(CALLER.format(0)), 41) == 42
    assert vm.run(image(CALLER.format(1)), 41) == 0xFFFFFFFFFFFFFFFF
    assert vm.run(image(CALLER.format("4294967297 ll")), 41) == 0xFFFFFFFFFFFFFFFF
    text = f"r7 = 3\ncall function\nr0 += r7\nexit\nfunction: {CALLER.format(0)}"
    assert vm.run(image(text), 0) == 0 + 0 + 1 + 3
    assert list(vm.batch(image(CALLER.format(0)), [1, 2])) == [2, 3]


def test_33_tail_calls() -> None:
    targets: list[Image | None] = [None]
    vm = tail_caller(targets)
    program = targets[0] = image("r4 = *(u64 *)(r1 +0)\nr4 += 1\n*(u64 *)(r1 +0) = r4\n" + CALLER.format(0))
    ctx = vm.memory.alloc(8)
    for count in (34, 68):
        assert vm.run(program, ctx) == 0xFFFFFFFFFFFFFFFF
        assert vm.memory.load(ctx, 8) == count


def test_fuel_counts_callbacks_and_nested_runs() -> None:
    vm = machine(helper5=lambda args, frame: frame.call(callback_handle(2)))
    text = "call bpf_ktime_get_ns\nexit\nr0 = 1\nr0 = 2\nexit"
    assert vm.run(image(text), 0, fuel=5) == 2
    with pytest.raises(Trap, match="instruction limit of this run reached") as caught:
        vm.run(image(text), 0, fuel=4)
    assert caught.value.insn == 1
    vm = machine(helper5=lambda args, frame: vm.run(image("again: goto again"), 0))
    with pytest.raises(Trap, match="instruction limit"):
        vm.run(image(text), 0, fuel=50)
    assert vm.run(image("r0 = 1\nexit"), 0) == 1


def test_may_goto_ends_a_loop() -> None:
    vm = machine()
    vm.may_goto_budget = 10
    assert vm.may_goto_budget == 10
    assert vm.run(image("r0 = 0\nagain: may_goto end\nr0 += 1\ngoto again\nend: exit"), 0) == 10


def test_marked_loads_read_zero() -> None:
    text = "r1 = 0\nr0 = *(u64 *)(r1 +8)\nr2 = *(s32 *)(r1 +8)\nr0 += r2\nr0 += 3\nexit"
    assert machine().run(image(text, probe_mem=frozenset({1, 2})), 0) == 3
    with pytest.raises(Trap):
        machine().run(image(text, probe_mem=frozenset({1})), 0)


def test_trap_says_where() -> None:
    lines = (LineInfo(0, "a.bpf.c", "int x = 0;", 3, 1), LineInfo(1, "a.bpf.c", "  return *p;", 4, 2))
    with pytest.raises(Trap) as caught:
        machine().run(image("r1 = 0\nr0 = *(u64 *)(r1 +8)\nexit", line_info=lines), 0)
    trap = caught.value
    assert (trap.prog, trap.insn, trap.text) == ("test", 1, "r0 = *(u64 *)(r1 +8)")
    assert trap.line == "return *p; @ a.bpf.c:4"
    assert trap.message == f"BUG: kernel NULL pointer dereference, address: 0000000000000008 ({SOUNDNESS})"


@pytest.mark.parametrize("error", [KernelReport("list", "list_add corruption"), KeyboardInterrupt(), ValueError("x")])
def test_whatever_a_helper_raises_comes_through(error: BaseException) -> None:
    def complain(args: Args, frame: CallFrame) -> int:
        raise error

    vm = machine(helper5=complain)
    with pytest.raises(type(error)) as caught:
        vm.run(image("call f\nexit\nf: call bpf_ktime_get_ns\nr0 = 1\nexit"), 0)
    assert caught.value is error
    assert vm.run(image("r0 = 7\nexit"), 0) == 7


def test_kasan_goes_on_when_the_report_is_only_noted() -> None:
    memory, noted = Memory(1 << 20, "kasan"), list[KernelReport]()
    memory.report = noted.append
    vm = JitEngine(memory, Kernel(), cache_dir="")
    freed = memory.alloc(16)
    memory.free(freed)
    text = f"r1 = {freed} ll\n*(u32 *)(r1 +4) = 9\nr0 = *(u32 *)(r1 +4)\nexit"
    assert vm.run(image(text), 0) == 9
    assert [report.kind for report in noted] == ["kasan", "kasan"]


def test_memory_that_a_helper_allocated_can_be_used() -> None:
    vm = machine(helper5=lambda args, frame: frame.memory.alloc(1 << 16))
    assert vm.run(image("call bpf_ktime_get_ns\nr0 += 65528\n*(u64 *)(r0 +0) = 6\nr0 = *(u64 *)(r0 +0)\nexit"), 0) == 6


def test_arena_pointers() -> None:
    vm = machine()
    kernel, user = 0xFFFF_C900_0000_0000, 0x7F00_0000_0000
    to_kernel = "r1 = 0x7f0000000010 ll\nr0 = addr_space_cast(r1, 0, 1)\nexit"
    assert vm.run(image(to_kernel, arena=(kernel, user)), 0) == 0x10
    to_user = "r1 = {} ll\nr0 = addr_space_cast(r1, 1, 0)\nexit"
    assert vm.run(image(to_user.format(0x1_0000_0010), arena=(kernel, user)), 0) == user + 0x10
    assert vm.run(image(to_user.format(0x1_0000_0000), arena=(kernel, user)), 0) == 0


def test_batch() -> None:
    vm = machine()
    contexts = [vm.memory.alloc(8) for _ in range(1000)]
    for number, ctx in enumerate(contexts):
        vm.memory.store(ctx, 8, number)
    program = image("r0 = *(u64 *)(r1 +0)\nr0 *= 3\nexit")
    assert vm.batch(program, contexts[:3]) == array("Q", [0, 3, 6])
    assert vm.batch(program, array("Q", contexts)) == array("Q", range(0, 3000, 3))
    with pytest.raises(Trap, match="NULL pointer"):
        vm.batch(program, [*contexts, 0, contexts[0]])
    assert vm.batch(program, []) == array("Q")


def test_a_hot_program_is_compiled_again() -> None:
    vm = machine()
    program = image("r0 = r1\nr0 += 1\nexit")
    assert [vm.run(program, number) for number in range(4100)] == list(range(1, 4101))
    assert not vm._codes[id(program)].quick


def test_code_that_is_replaced_while_it_runs() -> None:
    """A callback gets hot, or a new entry is needed, while the same code is running further out."""

    def again(args: Args, frame: CallFrame) -> int:
        for number in range(4100):
            assert frame.call(callback_handle(4), number) == number + 1
        return frame.call(callback_handle(5), 7)

    vm = machine(helper5=again)
    text = "r6 = 30\ncall bpf_ktime_get_ns\nr0 += r6\nexit\nr1 += 1\nr0 = r1\nexit"
    program = image(text)
    for _ in range(3):
        assert vm.run(program, 0) == 37
    assert not vm._codes[id(program)].quick


def test_watching_counting_and_running_take_turns() -> None:
    vm = JitEngine(Memory(1 << 20), Kernel(), cache_dir="", tier="best")
    program, seen = image("r0 = r1\nr0 += 1\nexit"), list[int]()
    for _ in range(2):
        assert vm.run(program, 4) == vm.run(program, 4) == 5
        assert vm.run(program, 4, fuel=3) == 5
        with pytest.raises(Trap, match="instruction limit"):
            vm.run(program, 4, fuel=2)
        vm.on_insn = lambda where, slot, regs: seen.append(slot)
        assert vm.run(program, 4) == 5
        vm.on_insn = None
    assert seen == [0, 1, 2, 0, 1, 2]


def test_code_goes_with_its_image() -> None:
    vm = machine()
    for number in range(3):
        vm.run(image(f"r0 = {number}\nexit"), 0)
    gc.collect()
    assert len(vm._codes) == 0


def test_watched_runs_step_by_step() -> None:
    vm, seen = machine(), list[tuple[str, int, int]]()
    vm.on_insn = lambda where, slot, regs: seen.append((where.name, slot, regs[0]))
    assert vm.run(image("r0 = 5\nexit"), 0) == 5
    assert vm.call_func(image("r0 = 6\nexit"), callback_handle(0), ()) == 6
    assert seen == [("test", 0, 0), ("test", 1, 5), ("test", 0, 0), ("test", 1, 6)]


def test_unknown_tier() -> None:
    with pytest.raises(UsageError, match="tier `fastest`; there are quick, best"):
        JitEngine(Memory(1 << 20), Kernel(), tier="fastest")  # type: ignore[arg-type]  # that is the point


def test_errors_are_ours() -> None:
    with pytest.raises(BpfvmError, match="outside the program"):
        machine().run(Image.of_insns(asm("goto pc+5\nexit")), 0)
