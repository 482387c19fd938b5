# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Stack depths against the running kernel: spills around inlined calls that don't count, may_goto that doesn't yet."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bpfvm.isa.asm import asm
from bpfvm.isa.insn import Insn, encode
from bpfvm.obj.model import Program
from tests import kernel_oracle as ko
from tests.differential.verifier_oracle import environment, unusable
from verifier.verify import check

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)

CPU = "call bpf_get_smp_processor_id"
OTHER = "call bpf_get_prandom_u32"
MAY_GOTO = Insn(0xE5, 0, 0, 1, 0)


def _around(call: str, off: int, reg: int = 1) -> str:
    return f"*(u64 *)(r10 -{off}) = r{reg} / {call} / r{reg} = *(u64 *)(r10 -{off})"


CASES = {
    "inlined": f"r1 = 1 / {_around(CPU, 16)} / exit",
    "called": f"r1 = 1 / {_around(OTHER, 16)} / exit",
    "an inlined and a called one": f"r1 = 1 / {_around(CPU, 16)} / {_around(OTHER, 16)} / exit",
    "a called one above": f"r1 = 1 / {_around(CPU, 16)} / {_around(OTHER, 8)} / exit",
    "a called one below": f"r1 = 1 / {_around(CPU, 16)} / {_around(OTHER, 24)} / exit",
    "other use above": f"r1 = 1 / {_around(CPU, 16)} / *(u64 *)(r10 -8) = r1 / exit",
    "other use below": f"r1 = 1 / {_around(CPU, 16)} / *(u64 *)(r10 -24) = r1 / exit",
    "other store below": f"r1 = 1 / {_around(CPU, 16)} / *(u64 *)(r10 -24) = 1 / exit",
    "slot read again": f"r1 = 1 / {_around(CPU, 16)} / r3 = *(u64 *)(r10 -16) / exit",
    "slot read before": f"r3 = *(u64 *)(r10 -16) / r1 = 1 / {_around(CPU, 16)} / exit",
    "part of the slot": f"r1 = 1 / {_around(CPU, 16)} / r3 = *(u8 *)(r10 -9) / exit",
    "two registers": f"r1 = 1 / r2 = 1 / *(u64 *)(r10 -16) = r2 / {_around(CPU, 24)} / r2 = *(u64 *)(r10 -16) / exit",
    "two inside out": f"r1 = 1 / r2 = 1 / *(u64 *)(r10 -24) = r2 / {_around(CPU, 16)} / r2 = *(u64 *)(r10 -24) / exit",
    "same register twice": f"r1 = 1 / *(u64 *)(r10 -16) = r1 / {_around(CPU, 24)} / r1 = *(u64 *)(r10 -16) / exit",
    "r0": f"r0 = 1 / {_around(CPU, 16, 0)} / exit",
    "r6": f"r6 = 1 / {_around(CPU, 16, 6)} / exit",
    "other register back": f"r1 = 1 / *(u64 *)(r10 -16) = r1 / {CPU} / r2 = *(u64 *)(r10 -16) / exit",
    "no fill": f"r1 = 1 / *(u64 *)(r10 -16) = r1 / {CPU} / exit",
    "jump to the spill": f"r1 = 1 / if r1 == 5 goto a / r1 = 2 / a: {_around(CPU, 16)} / exit",
    "jump to the call": (
        f"r1 = 1 / if r1 == 5 goto a / *(u64 *)(r10 -16) = r1 / a: {CPU} / r1 = *(u64 *)(r10 -16) / exit"
    ),
    "jump to the fill": (
        f"r1 = 1 / r0 = 1 / if r1 == 5 goto a / *(u64 *)(r10 -16) = r1 / {CPU} / a: r1 = *(u64 *)(r10 -16) / exit"
    ),
    "chain": f"r1 = 1 / {_around(CPU, 264)} / call sub / r0 = 0 / exit / sub: *(u64 *)(r10 -256) = 1 / r0 = 0 / exit",
    "chain too deep": (
        f"r1 = 1 / {_around(OTHER, 264)} / call s / r0 = 0 / exit / s: *(u64 *)(r10 -256) = 1 / r0 = 0 / exit"
    ),
    "in the callee": f"r1 = 1 / call s / exit / s: r1 = 1 / {_around(CPU, 16)} / r0 = 0 / exit",
    "callee reads the caller's": (
        f"r1 = r10 / r1 += -16 / call s / exit / s: r6 = *(u64 *)(r1 +0) / r1 = 1 / {_around(CPU, 16)} / exit"
    ),
    "helper reads the slot": (
        f"r1 = 1 / {_around(CPU, 16)} / r1 = r10 / r1 += -16 / r2 = 8 / r3 = 0 / r4 = 0 / r5 = 0 / "
        "call bpf_csum_diff / r0 = 0 / exit"
    ),
    "variable offset": (
        f"r6 = 8 / if r1 == 0 goto a / r6 = 16 / a: r1 = 1 / {_around(CPU, 24)} / r2 = r10 / r2 -= r6 / exit"
    ),
}
TYPES = ("sched_cls", "xdp", "socket_filter", "cgroup_sysctl", "lwt_in")


def _compare(insns: tuple[Insn, ...], prog_type: str) -> None:
    kernel = ko.verify(encode(insns), prog_type, log_level=4)
    rejection, run = check(Program("oracle", prog_type, insns), environment(), log_level=0)
    assert (kernel.ok, kernel.errno) == (rejection is None, rejection.errno if rejection else 0), (
        kernel.log,
        rejection,
    )
    if not kernel.ok:
        assert rejection is not None
        assert rejection.message in kernel.log
        return
    shown = re.search(r"stack depth ([\d+]+)", kernel.log)
    assert shown is not None
    assert [sub.stack_depth for sub in run.subprogs] == [int(text) for text in shown[1].split("+")]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("prog_type", TYPES)
def test_stack_depth(name: str, prog_type: str) -> None:
    _compare(
        asm(CASES[name].replace(" / ", "\n").replace("a: ", "a:\n").replace("s: ", "s:\n").replace("sub: ", "sub:\n")),
        prog_type,
    )


@pytest.mark.parametrize("depth", [8, 496, 504, 512])
def test_may_goto_needs_no_stack_of_the_512(depth: int) -> None:
    """What it counts in is added once the depth has been checked; only an interpreter's frame could be too small."""
    insns = (Insn(0x7A, 10, 0, -depth, 1), MAY_GOTO, Insn(0x05, 0, 0, -2, 0), Insn(0xB7), Insn(0x95))
    kernel = ko.verify(encode(insns), "socket_filter", log_level=4)
    rejection, _ = check(Program("oracle", "socket_filter", insns), replace(environment()), log_level=0)
    assert kernel.ok
    assert rejection is None
