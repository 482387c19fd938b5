# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Our suite put to the running kernel: its expectations are Linux's. And to our verifier with that kernel's types."""

from __future__ import annotations

import pytest

from bpfvm.conform.answer import AGREE, NOT_ASKED, compare
from bpfvm.conform.ours import OurVerifier
from bpfvm.conform.suite import Case
from tests.conformance.kernel.kernel import kernel
from tests.conformance.own.known import cases, hold, outcome
from tests.differential.verifier_oracle import environment, unusable
from tests.kernel_verdict import ask

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


@pytest.fixture(scope="module")
def ours() -> OurVerifier:
    return OurVerifier(kernel(), environment().profile)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_the_kernel_says_so(case: Case) -> None:
    found = compare(case, ask(case))
    if found.state == NOT_ASKED:
        pytest.skip(found.what)
    assert found.state == AGREE, found.what


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_and_so_do_we(case: Case, ours: OurVerifier) -> None:
    hold(outcome(ours, case))
