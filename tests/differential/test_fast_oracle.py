# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The fast engine next to the running kernel: random programs and the conformance data. Load and test_run only."""

from __future__ import annotations

import pytest

from bpfvm.engine.fast import FastEngine
from bpfvm.memory import Memory
from tests import kernel_oracle as ko
from tests.conformance.isa.cases import Case
from tests.differential.test_isa_oracle import RESULT, NoServices, both, data_cases, storing
from tests.property.engine.programs import sample

pytestmark = pytest.mark.skipif(not ko.available(), reason="bpf(2) is not usable here")

FIRST, PROGRAMS = 5000, 300


@pytest.fixture(scope="module")
def machine() -> FastEngine:
    return FastEngine(Memory(1 << 20), NoServices())


def test_random_programs(machine: FastEngine) -> None:
    for seed in range(FIRST, FIRST + PROGRAMS):
        made = sample(seed)
        kernel, ours = both(machine, made.insns, made.context)
        assert kernel == ours, f"seed {seed}"


def test_conformance_data(machine: FastEngine) -> None:
    def check(case: Case) -> None:
        kernel, ours = both(machine, storing(case), case.mem.ljust(RESULT, b"\0") + bytes(8))
        assert kernel == ours, case.name
        assert int.from_bytes(kernel[RESULT:], "little") == case.r0, case.name

    for case in data_cases():
        check(case)
