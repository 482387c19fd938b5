# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Our verifier on our suite, with the emulated kernel's types: what `bpfvm conform` shows."""

from __future__ import annotations

import pytest

from bpfvm.conform.ours import OurVerifier
from bpfvm.conform.suite import Case
from bpfvm.session import Session
from tests.conformance.own.known import cases, hold, known, outcome


@pytest.fixture(scope="module")
def ours() -> OurVerifier:
    session = Session()
    return OurVerifier(session.btf, session.profile, session.kernel.registry)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_case(case: Case, ours: OurVerifier) -> None:
    hold(outcome(ours, case))


def test_the_list_names_cases_only() -> None:
    assert set(known()) <= {case.name for case in cases()}


def test_every_program_of_the_suite_is_a_case_with_something_to_say() -> None:
    for case in cases():
        assert case.messages or not case.failure, f"{case.name}: a refusal without its message"
