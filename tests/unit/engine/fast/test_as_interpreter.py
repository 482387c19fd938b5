# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Everything the interpreter's own tests ask for, asked of the fast engine."""

from __future__ import annotations

import pytest

from bpfvm.engine.fast import FastEngine
from tests.unit.engine import test_interp as surroundings


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "Interpreter", FastEngine)


globals().update({name: value for name, value in vars(surroundings).items() if name.startswith("test_")})


def test_the_tests_are_there() -> None:
    assert sum(name.startswith("test_") for name in globals()) > 20
