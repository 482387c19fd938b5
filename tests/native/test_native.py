# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The verifier compiled by mypyc says the same as its sources: verdicts, whole logs, counts.

`make build-native` compiles it in place, `make test-native` in a temporary copy.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hatch_build import MODULES, built

ROOT = Path(__file__).resolve().parents[2]
MUST = os.environ.get("BPFVM_NATIVE") == "1"


def answers(*options: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.native.answers", *options], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def extensions() -> list[Path]:
    found = built()
    if not found and not MUST:
        pytest.skip("the verifier is not compiled here (make build-native)")
    return found


def test_every_module_is_compiled_and_not_older_than_its_source(extensions: list[Path]) -> None:
    assert len(extensions) == len(MODULES) + 1
    oldest = min(path.stat().st_mtime for path in extensions)
    changed = [module for module in MODULES if (ROOT / module).stat().st_mtime > oldest]
    assert not changed, "compile again (make build-native) or go without (make clean-native)"


def test_compiled_and_uncompiled_say_the_same(extensions: list[Path]) -> None:
    compiled, pure = answers(), answers("--pure")
    assert compiled["compiled"]
    assert not pure["compiled"]
    assert compiled["answers"].keys() == pure["answers"].keys()
    assert len(pure["answers"]) > 500
    for name, answer in pure["answers"].items():
        assert compiled["answers"][name] == answer, name


def test_the_sources_list_names_what_is_there() -> None:
    assert [module for module in MODULES if not (ROOT / module).exists()] == []
