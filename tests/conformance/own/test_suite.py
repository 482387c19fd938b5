# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Our verifier on our suite, with the emulated kernel's types: what `bpfvm conform` shows."""

from __future__ import annotations

import pytest

from bpfvm.conform.ours import OurVerifier
from bpfvm.conform.suite import UNPRIVILEGED, Case
from tests.conformance.own.known import cases, emulated, hold, known, outcome


@pytest.fixture(scope="module")
def ours() -> OurVerifier:
    return emulated()


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_case(case: Case, ours: OurVerifier) -> None:
    hold(outcome(ours, case))


def test_the_list_names_cases_only() -> None:
    assert set(known()) <= {case.name for case in cases()}


def test_every_program_of_the_suite_is_a_case_with_something_to_say() -> None:
    for case in cases():
        says_why = case.messages or case.mode == UNPRIVILEGED  # some of those never get to the verifier
        assert says_why or not case.failure, f"{case.name}: a refusal without its message"
