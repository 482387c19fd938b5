# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Python's collector of reference cycles, while paths are walked.

A walk makes objects by the million and hardly a cycle among them. At Python's own thresholds the looking takes up to a
third of the time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

RARELY: Final = (50_000, 20, 100)
"""Thresholds of the three generations (`gc.set_threshold`)."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Cycles are looked for less often in here, if they are looked for at all."""
    before = gc.get_threshold()
    if before[0]:
        gc.set_threshold(*RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*before)
