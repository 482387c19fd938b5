# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A mutex of the emulated kernel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bpfvm.errors import KernelOops, KernelReport, UsageError

if TYPE_CHECKING:
    from bpfvm.struct_ops.kernel import Kernel


class Mutex:
    """``holder`` names the kernel function that holds it, "" when free; ``stuck`` once its holder died in an oops."""

    __slots__ = ("_kernel", "holder", "name", "stuck")

    def __init__(self, name: str, kernel: Kernel) -> None:
        self.name = name
        self.holder = ""
        self.stuck = False
        self._kernel = kernel

    @contextmanager
    def held(self, function: str) -> Iterator[None]:
        """Hold the mutex for a block of ``function``.

        A KernelOops inside leaves it locked for good, as the task that would unlock it is gone. Raises KernelReport
        "hung_task" when its holder died, UsageError when the holder is merely paused and this caller can't wait.
        """
        self._acquire(function)
        try:
            yield
        except KernelOops:
            self.stuck = True
            raise
        finally:
            if not self.stuck:
                self.holder = ""

    def _acquire(self, function: str) -> None:
        if self.holder and not self.stuck:
            self._kernel.wait_until(f"{self.name} held by {self.holder}", lambda: not self.holder or self.stuck)
        if self.stuck:
            self._kernel.report(
                KernelReport(
                    "hung_task",
                    f"task hung: waiting for {self.name} in {function}; "
                    f"its holder died in {self.holder} and never unlocked it",
                )
            )
        if self.holder:
            raise UsageError(
                f"{function} would wait for {self.name}, held by {self.holder} further up the same call chain: "
                "let that call return first (a pause point inside it can't take this mutex)"
            )
        self.holder = function
