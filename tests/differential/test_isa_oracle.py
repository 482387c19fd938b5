# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Our instruction set next to the running kernel's: texts, reserved fields, results. Load and test_run only.

Skipped where bpf(2) isn't usable, or where the kernel's log lacks what a test compares (before 6.17).
"""

from __future__ import annotations

import functools
import random
import re
import warnings

import pytest

from bpfvm.engine.image import Image, link_image
from bpfvm.engine.interp import Interpreter
from bpfvm.isa.asm import asm
from bpfvm.isa.disasm import disasm
from bpfvm.isa.helper_ids import HELPERS
from bpfvm.isa.insn import Insn, encode
from bpfvm.isa.table import FIELDS, OPS, Op, is_wide, reserved_ok
from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec, Program, VerifiedProgram
from bpfvm.runtime import Runtime
from tests import kernel_oracle as ko
from tests.conformance.isa.cases import Case, alu_cases, jump_cases, program_cases
from tests.property.engine.programs import CONTEXT_SIZE, sample

pytestmark = pytest.mark.skipif(not ko.available(), reason="bpf(2) is not usable here")

LISTED = re.compile(r"^\s*(\d+): [.0-9]{10} \([0-9a-f]{2}\) (.*?)\s*$", re.MULTILINE)
"""A line of `Live regs before insn`, which has every instruction of a program, reached or not."""
PROLOGUE = asm(
    "r6 = r1\nr7 = 0\nr8 = 1\nr9 = 2\n*(u64 *)(r10 -8) = 0\nr2 = 1\nr3 = 3\nr0 = 0\nif r7 == 0 goto +1\nexit"
)
EPILOGUE = asm("r0 = 0\nr0 = 0\nexit")
PROGRAMS = 1000
RESULT = 32
"""Where in the context a conformance case's r0 goes; its memory comes before."""


def in_program(op: Op, **extra: int) -> tuple[Insn, ...]:
    """Row `op` where the kernel's verifier can reach it."""
    fields = {"dst": 9, "src": 2, "off": 0, "imm": 0}
    if op.cls in ("st", "stx", "ldx"):
        loads = op.cls == "ldx" or op.name == "load_acquire"
        fields |= {"off": -8, "dst": 3 if loads else 10, "src": 10 if loads else 2}
    elif op.name == "ld_ind":
        fields["src"] = 8
    elif op.name == "call":
        fields["imm"] = 7
    elif op.name in ("div", "sdiv", "mod", "smod"):
        fields["imm"] = -3
    fields = {name: value if name in op.fields and name not in op.ignored else 0 for name, value in fields.items()}
    if op.match:
        fields[op.match[0]] = op.match[1]
    insn = Insn(op.code, **fields | extra)
    if op.name == "exit":
        return (*PROLOGUE, insn)
    return (*PROLOGUE, insn, *((Insn(0),) if is_wide(insn) else ()), *EPILOGUE)


def loadable(op: Op) -> bool:
    """Rows that need no map, arena, kfunc or function around them, and that the kernel takes at all."""
    return not op.refused and op.name not in ("call_local", "call_kfunc") and (op.name, op.match) not in {
        ("ld_imm64", ("src", number)) for number in range(1, 7)
    }  # fmt: skip


def listed(log: str) -> dict[int, str]:
    return {int(slot): text for slot, text in LISTED.findall(log)}


@functools.cache
def lists_instructions() -> bool:
    return bool(ko.available() and listed(ko.verify(encode(EPILOGUE), "socket_filter").log))


needs_listing = pytest.mark.skipif(not lists_instructions(), reason="this kernel's log doesn't list instructions")


@needs_listing
def test_texts_of_all_rows() -> None:
    for op in filter(loadable, OPS):
        insns = in_program(op)
        texts = listed(ko.verify(encode(insns), "socket_filter").log)
        ours = {slot: disasm(insns, slot) for slot in range(len(insns)) if not (slot and is_wide(insns[slot - 1]))}
        assert texts == ours


@needs_listing
def test_texts_of_references_and_calls() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the oracle leaves closing vmlinux to the interpreter
        kfunc = ko.vmlinux_btf_id("bpf_rcu_read_lock")
    if kfunc is None:
        pytest.skip("no kfunc bpf_rcu_read_lock")
    insns = asm(f"""
        r1 = map[id:0]
        r2 = map[id:0][0]+4
        r3 = 0xfffffffffffffff0
        call bpf_rcu_read_lock#{kfunc}
        call pc+1
        exit
        r0 = 0
        exit
    """)
    log = ko.verify(encode(insns), "syscall", flags=ko.F_SLEEPABLE, maps=[ko.MapSpec("array", 4, 8, 1)]).log
    texts = listed(log)
    addresses = {slot: texts[slot].split(" = ")[1] for slot in (0, 2)}
    assert int(addresses[2], 16) > int(addresses[0], 16) > 1 << 63
    by_src = {1: addresses[0], 2: addresses[2]}

    def ours(slot: int) -> str:
        def name(insn: Insn, i: int) -> str | None:
            return "bpf_rcu_read_lock" if insn.src == 2 else None

        return disasm(insns, slot, call_name=name, imm64=lambda low, high: by_src.get(low.src))

    assert texts == {slot: ours(slot) for slot in texts}


@needs_listing
def test_names_of_all_helpers() -> None:
    insns = (*(Insn(0x85, imm=number) for number in range(213)), *asm("r0 = 0\nexit"))
    texts = listed(ko.verify(encode(insns), "socket_filter").log)
    assert [texts[number] for number in range(213)] == [disasm(insns, number) for number in range(213)]
    assert texts[max(HELPERS) + 1] == "call unknown#212"


@pytest.mark.parametrize("op", [op for op in OPS if loadable(op)], ids=lambda op: op.text)
def test_reserved_fields(op: Op) -> None:
    for name in FIELDS:
        if (name in op.fields and name not in op.ignored) or op.name == "addr_space_cast":
            continue
        insns = in_program(op, **{name: 1})
        verdict = ko.verify(encode(insns), "socket_filter")
        refused = (
            "reserved" in verdict.log or "invalid may_goto" in verdict.log or "invalid bpf_ld_imm64" in verdict.log
        )
        assert refused != reserved_ok(insns[len(PROLOGUE)]), verdict.log[-200:]


class NoServices:
    """A kernel without functions."""

    def helper(self, func_id: int, args: tuple[int, ...], frame: object) -> int:
        raise AssertionError(f"helper {func_id}")

    def kfunc(self, btf_id: int, args: tuple[int, ...], frame: object) -> int:
        raise AssertionError(f"kfunc {btf_id}")


@pytest.fixture(scope="module")
def machine() -> Interpreter:
    return Interpreter(Memory(1 << 20), NoServices())


def both(machine: Interpreter, insns: tuple[Insn, ...], context: bytes) -> tuple[bytes, bytes]:
    """The context after running `insns` on the kernel and on the interpreter."""
    run = ko.test_run(encode(insns), "syscall", ctx=context, flags=ko.F_SLEEPABLE, log_level=1)
    assert run.ok, f"errno {run.errno}: {run.log[-400:]}"
    memory = machine.memory
    assert isinstance(memory, Memory)
    at = memory.alloc(len(context), what="context")
    memory.write(at, context)
    assert machine.run(Image.of_insns(insns), at) & 0xFFFFFFFF == run.retval & 0xFFFFFFFF
    ours = memory.read(at, len(context))
    memory.free(at)
    return run.ctx_out, ours


def test_random_programs(machine: Interpreter) -> None:
    for seed in range(PROGRAMS):
        made = sample(seed)
        assert len(made.context) == CONTEXT_SIZE
        kernel, ours = both(machine, made.insns, made.context)
        assert kernel == ours, f"seed {seed}"


def storing(case: Case) -> tuple[Insn, ...]:
    """The case as a function, called by a program that stores its whole r0 in the context."""
    text = "r6 = r1\nr2 = {}\ncall pc+3\n*(u64 *)(r6 +{}) = r0\nr0 = 0\nexit"
    caller = asm(text.format(len(case.mem), RESULT))
    return (*caller, *case.insns)


def data_cases() -> list[Case]:
    """Conformance cases that the kernel's verifier takes as they are."""
    return [
        case
        for case in (*alu_cases(), *jump_cases(), *program_cases())
        if not case.error and not case.run_only and case.packet is None
    ]


@pytest.mark.parametrize("case", data_cases(), ids=lambda case: case.name)
def test_conformance_data(machine: Interpreter, case: Case) -> None:
    text = storing(case)
    context = case.mem.ljust(RESULT, b"\0") + bytes(8)
    kernel, ours = both(machine, text, context)
    assert kernel == ours
    assert int.from_bytes(kernel[RESULT:], "little") == case.r0
    if case.after is not None:
        assert kernel[: len(case.mem)] == case.after


PACKET = bytes(range(0x60, 0xA0))
L2_HEADER = 14
"""A socket filter's offset 0 is behind the Ethernet header."""


def test_packet_loads(machine: Interpreter) -> None:
    def load(ctx: int, offset: int, size: int) -> int | None:
        data = PACKET[L2_HEADER:]
        return int.from_bytes(data[offset : offset + size], "big") if 0 <= offset <= len(data) - size else None

    machine.packet = load
    end = len(PACKET) - L2_HEADER
    for size in (8, 16, 32):
        for offset in (0, 1, 7, end - 4, end - 2, end - 1, end, 0x7FFFFFFF):
            for place in (f"skb[{offset}]", f"skb[r7 + {offset - 5}]"):
                insns = asm(f"r6 = r1\nr7 = 5\nr0 = *(u{size} *){place}\nr0 += 1\nexit")
                run = ko.test_run(encode(insns), "socket_filter", data=PACKET)
                assert run.ok
                ours = machine.run(Image.of_insns(insns), 0)
                assert ours & 0xFFFFFFFF == run.retval & 0xFFFFFFFF, (size, place)


def map_program(rng: random.Random, map_type: str, count: int) -> tuple[Insn, ...]:
    """`count` random lookups, updates and deletes of small keys; what each gives goes to the context."""
    text = ["r6 = r1"]
    for number in range(count):
        text += [f"*(u32 *)(r10 -4) = {rng.randrange(6)}", f"*(u64 *)(r10 -16) = {rng.randrange(1 << 31)}"]
        text += ["r1 = map[id:0]", "r2 = r10", "r2 += -4"]
        kind = rng.choice(("lookup", "update", "delete", "change"))
        if kind in ("lookup", "change"):
            text += ["call bpf_map_lookup_elem", f"if r0 == 0 goto none{number}"]
            if kind == "change":
                text += ["r1 = 3", "lock *(u64 *)(r0 +0) += r1"]
            text += ["r0 = *(u64 *)(r0 +0)", f"none{number}:"]
        elif kind == "update":
            flags = rng.choice((0, 0, 1, 2, 3, 4))
            text += ["r3 = r10", "r3 += -16", f"r4 = {flags}", "call bpf_map_update_elem"]
        else:
            text += ["call bpf_map_delete_elem"]
        text += [f"*(u64 *)(r6 +{8 * number}) = r0"]
    return asm("\n".join([*text, "r0 = 0", "exit"]))


@pytest.mark.parametrize("map_type", ["array", "hash"])
@pytest.mark.parametrize("seed", range(15))
def test_map_programs(map_type: str, seed: int) -> None:
    count = 30
    insns = map_program(random.Random(seed), map_type, count)
    kernel_map = ko.MapSpec(map_type, 4, 8, 4)
    run = ko.test_run(
        encode(insns), "syscall", ctx=bytes(count * 8), flags=ko.F_SLEEPABLE, maps=[kernel_map], log_level=1
    )
    assert run.ok, run.log[-400:]
    memory = Memory(4 << 20)
    runtime = Runtime(memory, None)
    spec = MapSpec("m", map_type, 4, 8, 4)
    made = runtime.create_map(spec)
    image = link_image(VerifiedProgram(Program("p", "syscall", insns, maps=(spec,)), insns), [made.addr], [0], abs)
    context = memory.alloc(count * 8)
    assert Interpreter(memory, runtime).run(image, context) == 0
    assert memory.read(context, count * 8) == run.ctx_out
