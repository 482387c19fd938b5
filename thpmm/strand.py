# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Races without chance: a kernel operation that can stop at a named point while others run, and go on later.

Each strand is a thread, but only one of them ever runs: control is handed over at pause points, at contended locks
and at the end. So an interleaving is written down in the story, not found by luck."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from bpfvm.errors import KernelReport, UsageError
from bpfvm.struct_ops.kernel import Kernel

StrandState = Literal["running", "paused", "blocked", "done"]


class Strand:
    """One operation: ``state``, and once it is done ``result`` or the exception that ``join`` raises."""

    __slots__ = (
        "_back",
        "_baton",
        "_error",
        "_function",
        "_owner",
        "_saved",
        "_thread",
        "name",
        "pause_at",
        "point",
        "result",
        "state",
    )

    def __init__(self, owner: Strands, name: str, function: Callable[[], Any], pause_at: str | None) -> None:
        self.name = name
        self.pause_at = pause_at
        self.point: str | None = None
        self.state: StrandState = "running"
        self.result: Any = None
        self._owner = owner
        self._function = function
        self._error: BaseException | None = None
        self._baton = threading.Event()
        self._back = threading.Event()
        self._saved: tuple[list[str], list[int]] = ([], [])
        self._thread = threading.Thread(target=self._run, name=f"strand {name}", daemon=True)

    def _run(self) -> None:
        self._wait()
        try:
            self.result = self._function()
        except BaseException as error:  # noqa: BLE001  (raised again by join(), in the thread that resumed the strand)
            self._error = error
        self.state = "done"
        self._back.set()

    def _wait(self) -> None:
        self._baton.wait()
        self._baton.clear()

    def switch_out(self, state: StrandState, point: str) -> None:
        """Called inside of the strand: hand control back until resume()."""
        self.state, self.point = state, point
        self._back.set()
        self._wait()
        self.state, self.point = "running", None

    def switch_in(self) -> None:
        """Called outside: let the strand run until it pauses, blocks or ends."""
        self._owner.enter(self)
        try:
            if not self._thread.is_alive() and self.state == "running":
                self._thread.start()
            self._baton.set()
            self._back.wait()
            self._back.clear()
        finally:
            self._owner.leave(self)
        self._owner.poll()

    def is_(self, state: StrandState) -> bool:
        """Is that its state now?"""
        return self.state == state

    def resume(self) -> Any:
        """Go on from the pause; returns the result, or None when it stopped again. Raises what the operation raised."""
        if self.state != "paused":
            raise UsageError(f"strand '{self.name}' is {self.state}, not paused")
        self.pause_at = None
        self.switch_in()
        return self.join()

    def join(self) -> Any:
        """The result of a strand that is done (None if it isn't). Raises what the operation raised, once."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return self.result


class Strands:
    """All strands of a machine. ``context`` is what has to be swapped with them: call stack and stack of current
    tasks."""

    def __init__(self, kernel: Kernel, current: list[int]) -> None:
        self.kernel = kernel
        self.current = current
        self.active: list[Strand] = []
        self.blocked: dict[Strand, Callable[[], bool]] = {}
        self.points: set[str] = set()

    def start(self, name: str, function: Callable[[], Any], *, pause_at: str | None = None) -> Strand:
        """Run until ``pause_at``, a lock held by another strand, or the end. An error is raised right here."""
        strand = Strand(self, name, function, pause_at)
        if pause_at is not None and pause_at not in self.points:
            self.points.add(pause_at)
            self.kernel.on_pause.setdefault(pause_at, []).append(lambda: self.reach(pause_at))
        strand.switch_in()
        strand.join()
        return strand

    def enter(self, strand: Strand) -> None:
        """Swap in a strand's own call stack and current task."""
        stacks = (self.kernel.call_stack[:], self.current[:])
        self.kernel.call_stack[:], self.current[:] = strand._saved
        strand._saved = stacks
        self.active.append(strand)

    def leave(self, strand: Strand) -> None:
        """Swap them out again."""
        self.active.remove(strand)
        stacks = (self.kernel.call_stack[:], self.current[:])
        self.kernel.call_stack[:], self.current[:] = strand._saved
        strand._saved = stacks

    def reach(self, point: str) -> None:
        """A pause point was reached: stop here if the running strand was asked to."""
        if self.active and self.active[-1].pause_at == point:
            self.active[-1].switch_out("paused", point)

    def wait_until(self, reason: str, ready: Callable[[], bool]) -> None:
        """Let the running strand wait for something another one has to do; outside of strands nobody could wait, so it
        returns at once (``Kernel.blocker``)."""
        while self.active and not ready():
            strand = self.active[-1]
            self.blocked[strand] = ready
            strand.switch_out("blocked", reason)

    def poll(self) -> None:
        """Let those go on whose wait is over, the longest waiting first; done whenever control comes back to the
        story."""
        while not self.active:
            strand = next((strand for strand, ready in self.blocked.items() if ready()), None)
            if strand is None:
                return
            del self.blocked[strand]
            strand.switch_in()


class SpinLock:
    """A lock that a paused strand may hold."""

    __slots__ = ("holder", "name", "strands")

    def __init__(self, name: str, strands: Strands) -> None:
        self.name = name
        self.strands = strands
        self.holder: str | None = None

    @contextmanager
    def held(self, by: str) -> Iterator[None]:
        """Hold the lock for a block. A report that escapes from the block releases it as well, so that a story can go
        on after what would have ended the machine."""
        self.strands.wait_until(self.name, lambda: self.holder is None)
        if self.holder is not None:
            self.strands.kernel.report(
                KernelReport(
                    "soft_lockup", f"watchdog: BUG: soft lockup - {self.name} is held by {self.holder}, which is paused"
                )
            )
        self.holder = by
        try:
            yield
        finally:
            self.holder = None
