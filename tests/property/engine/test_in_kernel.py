# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Generated programs in the running kernel, those included that its verifier is mistaken about."""

from __future__ import annotations

import pytest

from bpfvm.isa.asm import asm
from tests import kernel_oracle as ko
from tests.property.engine.engines import Kernel, cases
from tests.property.engine.in_kernel import in_kernel, interpreted, kernel_difference, spread
from tests.property.engine.programs import Sample, sample

needs_kernel = pytest.mark.skipif(not ko.available(), reason="bpf(2) cannot be used here")


def test_spread_programs_compute_the_same() -> None:
    nothing = asm("goto pc+0")
    for seed in range(40):
        made = sample(seed)
        wider = Sample(
            spread(made.insns, lambda insn: nothing if insn.code in (0xBF, 0xC3, 0xDB) else ()), made.context
        )
        assert len(wider.insns) > len(made.insns)
        assert interpreted(wider, Kernel()) == interpreted(made, Kernel()), seed


@needs_kernel
def test_same_in_the_kernel() -> None:
    for case in cases("verifiable", range(100)):
        assert kernel_difference(case.made, Kernel()) == "", case


@needs_kernel
@pytest.mark.parametrize("seed", [33137, 35156], ids=["a branch decided for all paths", "half of r0 not cleared"])
def test_where_linux_is_mistaken(seed: int) -> None:
    made = sample(seed)
    if in_kernel(made.insns, made.context) == interpreted(made, Kernel()):
        pytest.skip("this kernel is not mistaken")
    assert kernel_difference(made, Kernel()) == ""
