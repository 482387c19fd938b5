# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The table of checks in docs/parity.md is current, and every check has programs that show both of its sides."""

from __future__ import annotations

import pytest

from bpf_progs.build import ROOT
from tests.conformance.own.known import BUDGET, cases
from tests.parity.__main__ import DOCUMENT, measured
from tests.parity.checks import CHECKS, Check
from tests.parity.table import cases_of, lines, rewritten


def test_the_document_is_current() -> None:
    old = DOCUMENT.read_text()
    assert rewritten(old, lines(measured(BUDGET))) == old, "next step: python -m tests.parity"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_check_has_both_sides(check: Check) -> None:
    """At least one program that passes, one that doesn't; and what the row names is there."""
    sides = {case.failure for case in cases_of(check, cases())}
    assert sides == {False, True}
    for module in check.ours.split():
        assert (ROOT / f"verifier/{module}.py").is_file(), module
    for test in filter(None, check.tests.split(", ")):
        assert (ROOT / test).is_dir() or (ROOT / f"tests/differential/{test}.py").is_file(), test


def test_every_program_is_about_some_check() -> None:
    covered = {case.name for check in CHECKS for case in cases_of(check, cases())}
    assert {case.name for case in cases()} - covered == set()
