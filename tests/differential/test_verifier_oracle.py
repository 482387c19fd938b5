# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The running kernel (6.18) and our verifier give the same verdict, errno and level-2 log."""

from __future__ import annotations

import pytest

from tests.differential.verifier_cases import ARRAY, KERNEL_OBJECTS, PLAIN, Case
from tests.differential.verifier_generate import generate
from tests.differential.verifier_oracle import OPS, assemble, both, kernel_btf, normal, steps, unusable

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
GENERATED = 200
MAX_STEPS = 1000


def _member(name: str) -> int:
    if name.isdigit():
        return int(name)
    return next(i for i, m in enumerate(kernel_btf().struct(OPS).members) if m.name == name)


def _compare(case: Case, level: int) -> None:
    got = both(assemble(case.text), case.prog_type, case.maps, member=_member(case.member), level=level)
    assert got.same_verdict(), (got.rejection, got.errno, got.log[-600:])
    assert normal(got.our_log) == normal(got.log)


@pytest.mark.parametrize("case", PLAIN, ids=[case.name for case in PLAIN])
def test_plain_programs(case: Case) -> None:
    _compare(case, 2)


@pytest.mark.parametrize("case", KERNEL_OBJECTS, ids=[case.name for case in KERNEL_OBJECTS])
def test_programs_with_kernel_objects(case: Case) -> None:
    _compare(case, 2)


@pytest.mark.parametrize("case", PLAIN[::3], ids=[case.name for case in PLAIN[::3]])
def test_level_1_logs(case: Case) -> None:
    _compare(case, 1)


def test_both_verdicts_occur_in_the_tables() -> None:
    verdicts = [both(assemble(case.text), case.prog_type, case.maps, level=0).accepted for case in PLAIN]
    assert verdicts.count(True) > 30
    assert verdicts.count(False) > 30


@pytest.mark.parametrize("first", range(0, GENERATED, 20))
def test_generated_programs(first: int) -> None:
    for seed in range(first, first + 20):
        insns = generate(seed)
        if steps(insns, "socket_filter", (ARRAY,)) > MAX_STEPS:
            continue  # a loop that runs long: minutes of log
        got = both(insns, "socket_filter", (ARRAY,), every_state=seed & 3 == 0)
        assert got.same_verdict(), (seed, got.rejection, got.errno, got.log[-600:])
        assert normal(got.our_log) == normal(got.log), seed
