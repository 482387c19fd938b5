# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What docs/btf.md shows is what happens."""

from __future__ import annotations

import doctest
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs/btf.md"


def test_examples() -> None:
    done = doctest.testfile(str(DOCS), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert done.attempted > 15
    assert done.failed == 0
