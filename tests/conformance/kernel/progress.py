# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A progress line on standard error, when somebody looks at it."""

from __future__ import annotations

import sys
import time
from types import TracebackType


class Progress:
    """``with Progress("compiling", 790) as p: p.step("x.c")``; silent unless standard error is a terminal."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._start = time.monotonic()
        self._shown = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            print(file=sys.stderr)

    def step(self, name: str) -> None:
        """One more is done; ``name`` is shown beside the numbers."""
        self.at(self._done + 1, name)

    def at(self, done: int, name: str) -> None:
        """So many are done."""
        self._done = done
        if not self._shown:
            return
        width = 30
        filled = width * self._done // max(self._total, 1)
        seconds = time.monotonic() - self._start
        bar = "#" * filled + "-" * (width - filled)
        line = f"\r{self._what} [{bar}] {self._done}/{self._total} {seconds:.0f} s {name[:40]:40}"
        print(line, end="", file=sys.stderr, flush=True)
