# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The running kernel (6.18) and our verifier give the same verdict, errno and log for programs of every type."""

from __future__ import annotations

import pytest

from tests.differential.type_cases import ALL, TypeCase
from tests.differential.types_oracle import both_hooked
from tests.differential.verifier_oracle import assemble, normal, unusable

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
CASES = [(group, case) for group, cases in ALL.items() for case in cases]


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[f"{group}: {case.name}" for group, case in CASES])
def test_programs_of_every_type(case: TypeCase) -> None:
    got = both_hooked(assemble(case.text), case.hook, case.maps, level=2)
    assert got.same_verdict(), (got.rejection, got.errno, got.log[-400:])
    assert normal(got.our_log) == normal(got.log)


@pytest.mark.parametrize("group", ALL)
def test_both_verdicts_occur(group: str) -> None:
    verdicts = {both_hooked(assemble(case.text), case.hook, case.maps, level=0).accepted for case in ALL[group]}
    assert verdicts == {True, False}
