# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How much the compiler may do: less for large programs, more for hot ones."""

from __future__ import annotations

from time import thread_time

import pytest

from bpfvm.engine.image import Image
from bpfvm.engine.jit import JitEngine, available
from bpfvm.engine.jit.effort import BEST, FAIR, GOOD, HOT_CALLS, HOT_NS, effort, is_hot
from bpfvm.isa.asm import asm
from bpfvm.memory import Memory
from tests.property.engine.engines import Kernel


def test_effort_by_size() -> None:
    sizes = (1, GOOD, GOOD + 1, FAIR, FAIR + 1, 1_000_000)
    assert [effort("quick", size) for size in sizes] == ["good", "good", "fair", "fair", "least", "least"]
    assert {effort("best", size) for size in sizes} == {"best"}


def test_hot() -> None:
    assert not is_hot(20, HOT_CALLS - 1, HOT_NS - 1)
    assert is_hot(20, HOT_CALLS, 0) and is_hot(20, 1, HOT_NS)
    assert not is_hot(2000, HOT_CALLS * 100, HOT_NS)
    assert is_hot(2000, 1, 500_000_000)
    assert not is_hot(BEST + 1, HOT_CALLS * 100, HOT_NS * 10_000)


@pytest.mark.skipif(not available(), reason="the compiler needs llvmlite (extra jit)")
def test_a_large_program_is_ready_soon() -> None:
    """What takes LLVM's passes ten seconds."""
    text = "r0 = r1\n" + "if r0 > 7 goto +2\nr0 *= 3\nr0 ^= r1\nr0 += 1\n" * 5000 + "exit"
    vm = JitEngine(Memory(1 << 20), Kernel(), cache_dir="")
    program = Image.of_insns(asm(text))
    start = thread_time()
    want = vm.run(program, 5)
    assert thread_time() - start < 5
    assert list(vm.batch(program, [5] * 300)) == [want] * 300
