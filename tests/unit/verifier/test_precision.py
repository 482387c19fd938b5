# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Precision: what a decision depended on is found again, through atomics, too."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bpfvm.engine.image import Image
from bpfvm.engine.interp import Interpreter
from bpfvm.errors import Trap
from bpfvm.isa.asm import asm
from bpfvm.memory import Memory
from bpfvm.obj.model import Program
from bpfvm.runtime import Runtime
from tests.unit.verifier.test_verify import emulated
from verifier import VerifierEnv, profile
from verifier.verify import check

FETCHES = {
    "fetch_add": "r1 = 0\nr1 = atomic64_fetch_add((u64 *)(r10 -24), r1)",
    "fetch_or": "r1 = 0\nr1 = atomic64_fetch_or((u64 *)(r10 -24), r1)",
    "xchg": "r1 = 0\nr1 = atomic64_xchg((u64 *)(r10 -24), r1)",
    "cmpxchg": "r0 = 0\nr1 = 0\nr0 = atomic64_cmpxchg((u64 *)(r10 -24), r0, r1)\nr1 = r0",
    "load_acquire": "r1 = load_acquire((u64 *)(r10 -24))",
}
UNKNOWN_OR_SIX = """
r8 = *(u32 *)(r1 +0)
*(u64 *)(r10 -24) = r8
if r8 != 0 goto +1
*(u64 *)(r10 -24) = 6
goto +0
%s
r0 = r10
r0 += -16
r0 += r1
*(u8 *)(r0 +0) = 1
r0 = 0
exit
"""


def _accepts(text: str, *, traced: bool = True, kernel: str = "6.18") -> bool:
    settings = replace(profile(kernel), precise_fetches=traced)
    env = VerifierEnv(emulated(), settings, test_state_freq=True)
    return check(Program("p", "socket_filter", asm(text)), env, log_level=0)[0] is None


@pytest.mark.parametrize("kernel", ["6.12", "6.18"])
@pytest.mark.parametrize("fetch", FETCHES)
def test_a_path_with_another_fetched_value_is_looked_at(fetch: str, kernel: str) -> None:
    if fetch == "load_acquire" and kernel == "6.12":
        return
    assert profile(kernel).precise_fetches
    assert not _accepts(UNKNOWN_OR_SIX % FETCHES[fetch], kernel=kernel)


@pytest.mark.parametrize("fetch", ["fetch_add", "fetch_or", "xchg", "cmpxchg"])
def test_without_that_a_program_gets_out_of_its_stack(fetch: str) -> None:
    """CVE-2026-43009."""
    text = UNKNOWN_OR_SIX % FETCHES[fetch]
    assert _accepts(text, traced=False)
    memory = Memory(checker="kasan")
    context = memory.alloc(192)
    memory.store(context, 4, 1 << 30)
    with pytest.raises(Trap):
        Interpreter(memory, Runtime(memory, None)).run(Image.of_insns(asm(text)), context)
