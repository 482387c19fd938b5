# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The running kernel (6.18) and our verifier agree about iterators and dynptrs: verdict, errno and level-2 log."""

from __future__ import annotations

import pytest

from bpfvm.obj.model import Program
from tests.differential import dynptr_cases, iterator_cases
from tests.differential.dynptr_cases import DYNPTRS
from tests.differential.function_info import both_with_functions, has_callbacks
from tests.differential.iterator_cases import ITERATORS
from tests.differential.verifier_cases import Case
from tests.differential.verifier_oracle import Both, assemble, both, normal, unusable

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
CASES = (*ITERATORS, *DYNPTRS)
UNSOUND = (*iterator_cases.UNSOUND, *dynptr_cases.UNSOUND)


def _both(case: Case) -> Both:
    insns = assemble(case.text)
    if not has_callbacks(insns):
        return both(insns, case.prog_type, case.maps)
    sleepable = case.prog_type == "syscall"
    return both_with_functions(Program("oracle", case.prog_type, insns, maps=case.maps, sleepable=sleepable))


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_verdict_and_log(case: Case) -> None:
    got = _both(case)
    assert got.same_verdict(), (got.rejection, got.errno, got.log[-600:])
    assert normal(got.our_log) == normal(got.log)


def test_both_verdicts_occur() -> None:
    verdicts = [_both(case).accepted for case in CASES[::2]]
    assert verdicts.count(True) > 40
    assert verdicts.count(False) > 60


@pytest.mark.parametrize("case", UNSOUND, ids=[case.name for case in UNSOUND])
def test_what_linux_accepts_wrongly_is_refused(case: Case) -> None:
    got = _both(case)
    assert got.accepted
    assert got.rejection is not None and not got.rejection.unsupported
