# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What surrounds the instructions: helpers, callbacks, tail calls, limits, traps, events."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from bpfvm.engine.image import Image, callback_handle, link_image
from bpfvm.engine.interp import MAX_DEPTH, Interpreter
from bpfvm.engine.services import CallFrame
from bpfvm.engine.trap import SOUNDNESS
from bpfvm.errors import KernelReport, Trap, UsageError
from bpfvm.isa.asm import asm
from bpfvm.isa.insn import Insn
from bpfvm.memory import Memory
from bpfvm.obj.model import LineInfo, Program, VerifiedProgram

Args = tuple[int, int, int, int, int]
Function = Callable[[Args, CallFrame], int]


class Kernel:
    """Helpers and kfuncs by number."""

    def __init__(self, **functions: Function) -> None:
        self.functions = functions

    def helper(self, func_id: int, args: Args, frame: CallFrame) -> int:
        return self.functions[f"helper{func_id}"](args, frame)

    def kfunc(self, btf_id: int, args: Args, frame: CallFrame) -> int:
        return self.functions[f"kfunc{btf_id}"](args, frame)


def machine(**functions: Function) -> Interpreter:
    return Interpreter(Memory(1 << 20), Kernel(**functions))


def image(text: str, **more: object) -> Image:
    insns = asm(text)
    return Image.of_insns(insns) if not more else Image("test", insns, insns, **more)  # type: ignore[arg-type]


def test_helper_gets_five_arguments_and_its_result_wraps() -> None:
    seen: list[Args] = []

    def loop(args: Args, frame: CallFrame) -> int:
        seen.append(args)
        return -22

    vm = machine(helper181=loop)
    text = "r1 = 1\nr2 = -1\nr3 = 3\nr4 = 4\nr5 = 5\ncall bpf_loop\nexit"
    assert vm.run(image(text), 0) == 0xFFFFFFFFFFFFFFEA
    assert seen == [(1, 0xFFFFFFFFFFFFFFFF, 3, 4, 5)]


def test_kfunc_by_btf_id() -> None:
    vm = machine(kfunc77=lambda args, frame: args[0] * 2)
    assert vm.run(image("r1 = 21\ncall bpf_x#77\nexit"), 0) == 42


def test_helper_writes_the_callers_stack() -> None:
    def write(args: Args, frame: CallFrame) -> int:
        frame.memory.store(args[0], 8, 99)
        return 0

    vm = machine(helper4=write)
    assert vm.run(image("r1 = r10\nr1 += -8\ncall bpf_probe_read\nr0 = *(u64 *)(r10 -8)\nexit"), 0) == 99


def test_callback_from_a_helper() -> None:
    def loop(args: Args, frame: CallFrame) -> int:
        return sum(frame.call(args[1], index, args[2]) for index in range(args[0]))

    vm = machine(helper181=loop)
    text = """
        r6 = 1000
        *(u64 *)(r10 -8) = 100
        r1 = 4
        r2 = subprog[body]
        r3 = r10
        r3 += -8
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
    assert vm.run(image(text), 0) == 0 + 1 + 2 + 3 + 104 + 1000


def test_call_func_from_outside() -> None:
    program = image("r0 = 0\nexit\nr0 = r1\nr0 -= r2\nexit")
    assert machine().call_func(program, callback_handle(2), (5, 7)) == 0xFFFFFFFFFFFFFFFE
    with pytest.raises(Trap, match="0x1234 is not a function"):
        machine().call_func(program, 0x1234, ())


def test_run_inside_a_run() -> None:
    inner = image("r0 = r1\n*(u64 *)(r10 -8) = 1\nr0 += 1\nexit")
    vm = machine(helper5=lambda args, frame: vm.run(inner, 41))
    assert vm.run(image("*(u64 *)(r10 -8) = 5\ncall bpf_ktime_get_ns\nr1 = *(u64 *)(r10 -8)\nr0 += r1\nexit"), 0) == 47


def test_frames_are_limited_and_given_back() -> None:
    vm = machine(helper5=lambda args, frame: vm.run(frame.image, 0))
    with pytest.raises(Trap, match=f"more than {MAX_DEPTH} frames"):
        vm.run(image("call bpf_ktime_get_ns\nexit"), 0)
    assert vm.run(image("r0 = 7\nexit"), 0) == 7
    with pytest.raises(UsageError, match="no program is running"):
        _ = vm.frame


def tail_caller(targets: Sequence[Image | None]) -> Interpreter:
    def find(prog_array: int, index: int) -> Image | None:
        assert prog_array == 0x1000
        return targets[index] if index < len(targets) else None

    return Interpreter(Memory(1 << 20), Kernel(), tail_calls=find)


CALLER = "r6 = 5\nr2 = 4096\nr3 = {}\ncall bpf_tail_call\nr0 = -1\nexit"


def test_tail_call_replaces_the_program() -> None:
    vm = tail_caller([image("r0 = r1\nr0 += 1\nexit"), None])
    assert vm.run(image(CALLER.format(0)), 41) == 42
    assert vm.run(image(CALLER.format(1)), 41) == 0xFFFFFFFFFFFFFFFF
    assert vm.run(image(CALLER.format("4294967297 ll")), 41) == 0xFFFFFFFFFFFFFFFF


def test_tail_call_in_a_function_returns_to_its_caller() -> None:
    vm = tail_caller([image("r0 = 30\nexit")])
    text = f"r7 = 3\ncall function\nr0 += r7\nexit\nfunction: {CALLER.format(0)}"
    assert vm.run(image(text), 0) == 33


def test_33_tail_calls() -> None:
    targets: list[Image | None] = [None]
    vm = tail_caller(targets)
    targets[0] = image("r4 = *(u64 *)(r1 +0)\nr4 += 1\n*(u64 *)(r1 +0) = r4\n" + CALLER.format(0))
    ctx = vm.memory.alloc(8)
    assert vm.run(targets[0], ctx) == 0xFFFFFFFFFFFFFFFF
    assert vm.memory.load(ctx, 8) == 34
    assert vm.run(targets[0], ctx) == 0xFFFFFFFFFFFFFFFF
    assert vm.memory.load(ctx, 8) == 68


def test_tail_call_without_program_arrays() -> None:
    with pytest.raises(Trap, match="bpf_tail_call in a run without program arrays"):
        machine().run(image(CALLER.format(0)), 0)


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
    assert vm.run(image("r0 = 0\nagain: may_goto end\nr0 += 1\ngoto again\nend: exit"), 0) == 10
    nested = "r6 = 0\nagain: may_goto end\ncall function\nr6 += r0\ngoto again\nend: r0 = r6\nexit\n"
    function = "function: r0 = 0\nmore: may_goto done\nr0 += 1\ngoto more\ndone: exit"
    assert vm.run(image(nested + function), 0) == 100


def test_events_before_each_instruction() -> None:
    vm, seen = machine(), []
    vm.on_insn = lambda where, slot, regs: seen.append((where.name, slot, regs[0]))
    vm.run(image("r0 = 5\ncall f\nexit\nf: r0 = 6\nexit"), 0)
    assert seen == [("raw", 0, 0), ("raw", 1, 5), ("raw", 3, 0), ("raw", 4, 6), ("raw", 2, 6)]


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


def test_trap_of_an_unverified_program_is_its_own() -> None:
    with pytest.raises(Trap) as caught:
        machine().run(image("r1 = 0\nr0 = *(u64 *)(r1 +8)\nexit"), 0)
    assert SOUNDNESS not in str(caught.value)


def test_trap_in_a_callee_is_reported_once_at_the_callee() -> None:
    with pytest.raises(Trap) as caught:
        machine().run(image("call f\nexit\nf: r1 = 0\n*(u8 *)(r1 +0) = 1\nexit"), 0)
    assert caught.value.insn == 3


def test_kernel_reports_pass_through() -> None:
    def complain(args: Args, frame: CallFrame) -> int:
        raise KernelReport("list", "list_add corruption")

    with pytest.raises(KernelReport, match="list_add corruption"):
        machine(helper5=complain).run(image("call bpf_ktime_get_ns\nexit"), 0)


def test_arena_pointers() -> None:
    vm = machine()
    kernel, user = 0xFFFF_C900_0000_0000, 0x7F00_0000_0000
    to_kernel = "r1 = 0x7f0000000010 ll\nr0 = addr_space_cast(r1, 0, 1)\nexit"
    assert vm.run(image(to_kernel, arena=(kernel, user)), 0) == 0x10
    to_user = "r1 = {} ll\nr0 = addr_space_cast(r1, 1, 0)\nexit"
    assert vm.run(image(to_user.format(0x1_0000_0010), arena=(kernel, user)), 0) == user + 0x10
    assert vm.run(image(to_user.format(0x1_0000_0000), arena=(kernel, user)), 0) == 0
    with pytest.raises(Trap, match="between address spaces 2 and 3"):
        vm.run(image("r1 = addr_space_cast(r1, 2, 3)\nexit", arena=(kernel, user)), 0)


def test_registers_that_are_not_there() -> None:
    for insn in (Insn(0xB7, 11), Insn(0xBF, 0, 15), Insn(0x85, 11)):
        with pytest.raises(Trap, match="there is no register"):
            machine().run(Image.of_insns((insn, Insn(0x95))), 0)


def test_unknown_opcode() -> None:
    with pytest.raises(Trap, match="unknown opcode 0xff") as caught:
        machine().run(Image.of_insns((Insn(0xFF),)), 0)
    assert caught.value.text == "BUG_alu64_ff"


@pytest.mark.parametrize("insns", [(Insn(0x18, 1),), (Insn(0x18, 1), Insn(0x95))], ids=["missing", "not zero"])
def test_broken_wide_instruction(insns: tuple[Insn, ...]) -> None:
    with pytest.raises(Trap, match="second half of a 16-byte instruction is missing"):
        machine().run(Image.of_insns(insns), 0)


def test_empty_program() -> None:
    with pytest.raises(Trap, match="ran past the last instruction"):
        machine().run(Image.of_insns(()), 0)


def verified(text: str) -> VerifiedProgram:
    insns = asm(text)
    return VerifiedProgram(Program("linked", "syscall", insns), insns, probe_mem=frozenset({9}))


def test_link_resolves_references() -> None:
    text = """
        r1 = map[id:1]
        r2 = map[id:0][0]+8
        r3 = var[id:5]
        r4 = subprog[function]
        r5 = map[idx:0]
        r6 = map[idx:1][0]+4
        r7 = 0x123456789 ll
        exit
        function: exit
    """
    linked = link_image(verified(text), [0xFFFF888000001000, 2], [0xFFFF8880000000F8, 7], lambda btf_id: btf_id * 3)
    values = [
        linked.insns[slot].imm & 0xFFFFFFFF | (linked.insns[slot + 1].imm & 0xFFFFFFFF) << 32
        for slot in range(0, 14, 2)
    ]
    assert values == [2, 0xFFFF888000000100, 15, callback_handle(15), 0xFFFF888000001000, 11, 0x123456789]
    assert all(linked.insns[slot].src == 0 for slot in range(0, 14, 2))
    assert (linked.name, linked.verified, linked.probe_mem) == ("linked", True, frozenset({9}))
    assert linked.source == asm(text)


def test_link_refuses_a_missing_map() -> None:
    with pytest.raises(UsageError, match="slot 0 refers to map 2, of 1"):
        link_image(verified("r1 = map[id:2]\nexit"), [1], [1], lambda btf_id: 0)
