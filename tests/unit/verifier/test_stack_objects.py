# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Iterators and dynptrs without a kernel: the differential cases' verdicts on the emulated kernel's BTF, both profiles,
and what the log shows of them."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import pytest

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.errors import Rejected
from bpfvm.isa.asm import asm
from bpfvm.isa.insn import Insn
from bpfvm.obj.model import MapSpec, Program, VerifiedProgram
from tests.differential.dynptr_cases import clone, data, from_mem, give, reserve
from tests.differential.iterator_cases import BITS, DESTROY, END, LOCK, NEW, NEXT, UNLOCK, call, loop
from verifier import VerifierEnv, profile, verify

ROOT = Path(__file__).resolve().parents[3]
RINGBUF = MapSpec("r", "ringbuf", 0, 0, 4096)
ARRAY = MapSpec("a", "array", 4, 48, 4)
BOTH = pytest.mark.parametrize("kernel", ["6.12", "6.18"])
TASKS = "r1 = r10 / r1 += -24 / r2 = 0 / r3 = 0 / kcall bpf_iter_task_new"
VALUE = "*(u32 *)(r10 -4) = 0 / r1 = map[id:0] / r2 = r10 / r2 += -4 / call bpf_map_lookup_elem / if r0 == 0x0 goto X"


@lru_cache(1)
def emulated() -> Btf:
    return Btf.parse((ROOT / "thpmm/kernel/emulated.btf").read_bytes(), name="vmlinux")


def assemble(text: str) -> tuple[Insn, ...]:
    names = re.findall(r"kcall (\w+)", text)
    ids = iter([emulated().find(name, t.Func) for name in names])
    insns = asm(re.sub(r"kcall \w+", "call 4242", text).replace(" / ", "\n"))
    return tuple(Insn(0x85, 0, 2, 0, next(ids)) if i.code == 0x85 and i.imm == 4242 else i for i in insns)


def run(text: str, kernel: str = "6.18", prog_type: str = "raw_tracepoint", map_: MapSpec = ARRAY) -> VerifiedProgram:
    sleepable = prog_type == "syscall"
    program = Program("p", prog_type, assemble(text), maps=(map_,), license="GPL", sleepable=sleepable)
    return verify(program, VerifierEnv(emulated(), profile(kernel)), log_level=2)


def refused(text: str, kernel: str = "6.18", prog_type: str = "raw_tracepoint", map_: MapSpec = ARRAY) -> str:
    with pytest.raises(Rejected) as caught:
        run(text, kernel, prog_type, map_)
    return caught.value.message


# --- iterators ------------------------------------------------------------
@BOTH
def test_a_loop_converges(kernel: str) -> None:
    done = run("r6 = 0 / " + loop("r6 += 1"), kernel)
    assert done.stats["processed"] < 50
    assert "fp-8=iter_num(ref_id=1,state=active,depth=0)" in done.log.replace("_w=", "=")
    assert "state=active,depth=2" in done.log
    assert "state=drained,depth=1" in done.log


@BOTH
def test_a_loop_does_not_forget_numbers_that_matter(kernel: str) -> None:
    body = "r1 = r10 / r1 += -64 / r1 += r8 / *(u8 *)(r1 +0) = 1"
    assert run("r8 = 1 / " + loop(f"r8 += 1 / if r8 > 0x8 goto D / {body}"), kernel)
    overwritten = refused("r8 = 1 / " + loop(f"r8 += 1 / {body}"), kernel)
    assert overwritten == "expected an initialized iter_num as arg #0"


@BOTH
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{NEW} / {END}", "Unreleased reference id=1 alloc_insn=4"),
        (f"{NEXT} / {END}", "expected an initialized iter_num as arg #0"),
        (f"{NEW} / {NEW} / {END}", "expected uninitialized iter_num as arg #0"),
        (f"{NEW} / *(u64 *)(r10 -8) = 0 / {DESTROY} / {END}", "expected an initialized iter_num as arg #0"),
        (f"{NEW} / r6 = *(u64 *)(r10 -8) / {DESTROY} / {END}", "invalid read from stack off -8+0 size 8"),
        (f"{NEW} / {call(0, 'num_next')} / {END}", "expected an initialized iter_num as arg #0"),
        (f"{BITS} / {call(-16, 'num_next')} / {END}", "expected an initialized iter_num as arg #0"),
        (f"r2 = 0 / r3 = 1 / kcall bpf_iter_num_new / {END}", "arg#0 expected pointer to an iterator on stack"),
        (loop("*(u32 *)(r0 +0) = 0"), "R0 cannot write into rdonly_mem"),
    ],
)
def test_what_may_not_be_done_to_an_iterator(kernel: str, text: str, message: str) -> None:
    assert refused(text, kernel) == message


def test_rcu_is_asked_for_when_the_iterator_is_made_or_used() -> None:
    without = f"{TASKS} / {call(-24, 'task_destroy')} / {END}"
    assert refused(without, "6.12", "syscall") == "expected an RCU CS when using bpf_iter_task_destroy"
    wanted = "kernel func bpf_iter_task_new requires RCU critical section protection"
    assert refused(without, "6.18", "syscall") == wanted
    ended = f"{LOCK} / {TASKS} / {UNLOCK} / {call(-24, 'task_next')} / {END}"
    for kernel in ("6.12", "6.18"):
        assert refused(ended, kernel, "syscall") == "expected an RCU CS when using bpf_iter_task_next"


# --- dynptrs ------------------------------------------------------------
@BOTH
def test_a_record_is_given_back(kernel: str) -> None:
    done = run(f"{reserve(-24)} / {give(-24)} / {END}", kernel, map_=RINGBUF)
    assert "fp-24=dynptr_ringbuf(id=1,ref_id=2,dynptr_id=1)" in done.log.replace("_w=", "=")


@BOTH
@pytest.mark.parametrize(
    ("rest", "message"),
    [
        (END, "Unreleased reference id=2 alloc_insn=6"),
        (f"{give(-24)} / {give(-24)} / {END}", "arg 1 is an unacquired reference"),
        (f"*(u8 *)(r10 -20) = 0 / {give(-24)} / {END}", "cannot overwrite referenced dynptr"),
        (f"{give(-24)} / {data(-24)} / {END}", "Expected an initialized dynptr as arg #0"),
        (f"{data(-24)} / *(u8 *)(r0 +0) = 1 / {END}", "R0 invalid mem access 'mem_or_null'"),
        (f"{data(-24)} / r7 = r0 / {give(-24)} / r0 = *(u8 *)(r7 +0) / exit", "R7 invalid mem access 'scalar'"),
        (f"{clone(-24, -48)} / {give(-24)} / {data(-48)} / {END}", "Expected an initialized dynptr as arg #0"),
        (
            f"r1 = r10 / r1 += -24 / call F / {END} / F: r6 = r1 / {clone(0, -16).replace('r1 = r10', 'r1 = r6')} / "
            f"r1 = r6 / r2 = 0 / call bpf_ringbuf_submit_dynptr / {data(-16)} / {END}",
            "Expected an initialized dynptr as arg #0",
        ),
    ],
)
def test_what_may_not_be_done_to_a_record(kernel: str, rest: str, message: str) -> None:
    assert refused(f"{reserve(-24)} / {rest}", kernel, map_=RINGBUF) == message


@BOTH
def test_a_slice_ends_with_its_dynptr(kernel: str) -> None:
    start = f"{VALUE} / r6 = r0 / {from_mem(-32)} / {data(-32)} / if r0 == 0x0 goto X"
    assert run(f"{start} / *(u64 *)(r0 +0) = 1 / X: {END}", kernel)
    gone = refused(f"{start} / *(u64 *)(r10 -24) = 0 / *(u64 *)(r0 +0) = 1 / X: {END}", kernel)
    assert gone == "R0 invalid mem access 'scalar'"
