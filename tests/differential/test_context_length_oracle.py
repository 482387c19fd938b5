# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How much context a program looks at: BPF_PROG_TEST_RUN refuses a syscall program less than that."""

from __future__ import annotations

import errno

import pytest

from bpfvm.isa.insn import encode
from bpfvm.obj.model import Program
from tests import kernel_oracle as ko
from tests.differential.verifier_oracle import assemble, environment, unusable
from verifier import verify

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=f"the kernel can't be the oracle: {WHY_NOT}")
SLEEPABLE = 16
CASES = {
    "nothing": ("r0 = 0 / exit", 0),
    "a load": ("r0 = *(u16 *)(r1 +6) / r0 = 0 / exit", 8),
    "a store": ("*(u32 *)(r1 +20) = 1 / r0 = 0 / exit", 24),
    "the farthest of several": ("*(u8 *)(r1 +0) = 1 / r2 = *(u64 *)(r1 +8) / *(u8 *)(r1 +3) = 1 / r0 = 0 / exit", 16),
    "on a path that isn't taken": ("r2 = r1 / r0 = 0 / if r0 == 0 goto +1 / r0 = *(u8 *)(r2 +30) / exit", 0),
}


@pytest.mark.parametrize("case", CASES)
def test_the_shortest_context_is_the_kernels(case: str) -> None:
    text, expected = CASES[case]
    insns = assemble(text)
    accepted = verify(Program("oracle", "syscall", insns, sleepable=True), environment())
    runs = {size: ko.test_run(encode(insns), "syscall", ctx=bytes(size), flags=SLEEPABLE).errno for size in range(40)}
    shortest = min(size for size, error in runs.items() if not error)
    assert set(runs.values()) <= {0, errno.EINVAL}
    assert (accepted.max_ctx_offset, shortest) == (expected, expected)
