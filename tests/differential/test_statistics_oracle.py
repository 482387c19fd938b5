# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The stack depths and the counts that end the log (BPF_LOG_STATS) against the running kernel."""

from __future__ import annotations

import re

import pytest

from bpfvm.isa.insn import Insn, encode
from bpfvm.obj.model import Program
from tests import kernel_oracle as ko
from tests.differential.verifier_oracle import assemble, environment, unusable
from verifier.verify import check

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
STATS = 4
MAY_GOTO = Insn(0xE5, 0, 0, 1, 0)
CPU = "*(u64 *)(r10 -16) = r1 / call bpf_get_smp_processor_id / r1 = *(u64 *)(r10 -16)"
CASES: dict[str, tuple[str, str]] = {
    "none": ("socket_filter", "r0 = 0 / exit"),
    "own": ("socket_filter", "*(u32 *)(r10 -12) = 1 / r0 = 0 / exit"),
    "two functions": (
        "socket_filter",
        "*(u64 *)(r10 -8) = 1 / call f / exit / f: *(u64 *)(r10 -24) = 1 / r0 = 0 / exit",
    ),
    "function never reached": (
        "socket_filter",
        "r0 = 0 / if r0 == 0 goto x / call f / x: exit / f: *(u64 *)(r10 -24) = 1 / exit",
    ),
    "spills that go": ("socket_filter", f"r1 = 1 / {CPU} / exit"),
    "may_goto": ("socket_filter", "*(u64 *)(r10 -8) = 1 / may_goto / r0 = 1 / r0 = 0 / exit"),
    "may_goto never reached": ("socket_filter", "r0 = 0 / if r0 == 0 goto x / may_goto / r0 = 1 / x: exit"),
    "may_goto in a function": ("socket_filter", "call f / exit / f: may_goto / r0 = 1 / r0 = 0 / exit"),
    "thrown": ("sched_cls", "r1 = 0 / kcall bpf_throw / r0 = 0 / exit"),
    "refused": ("socket_filter", f"r1 = 1 / {CPU} / r0 = r2 / exit"),
    "refused in a function": (
        "socket_filter",
        "*(u64 *)(r10 -8) = 1 / call f / exit / f: *(u64 *)(r10 -24) = 1 / r0 = r9 / exit",
    ),
}
"""name → (program type, text)."""


@pytest.mark.parametrize("name", CASES)
def test_statistics(name: str) -> None:
    prog_type, text = CASES[name]
    insns = tuple(
        MAY_GOTO if i.code == 0x05 and i.off == 77 else i for i in assemble(text.replace("may_goto", "goto pc+77"))
    )
    kernel = ko.verify(encode(insns), prog_type, log_level=STATS)
    rejection, run = check(Program("oracle", prog_type, insns), environment(), log_level=STATS)
    assert kernel.ok == (rejection is None), kernel.log
    assert run.log.text() == re.sub(r"verification time \d+ usec\n", "", kernel.log)
