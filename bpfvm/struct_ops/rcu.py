# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Read-copy-update, as far as a machine that runs one thing at a time needs it.

A read-side section is only ever interrupted by a pause point. Whatever asks for a grace period meanwhile can't be
made to wait (it runs on top of the reader), so ``synchronize`` returns at once and says so, and frees queued with
``call`` happen when the last reader leaves.
"""

from __future__ import annotations

from collections.abc import Callable


class Rcu:
    """``readers`` counts nested read-side sections, ``trace_readers`` those of sleepable programs (RCU tasks trace).

    Grace periods wait for the former only; frees wait in ``pending`` until both are zero.
    """

    __slots__ = ("grace_periods", "pending", "readers", "trace_readers")

    def __init__(self) -> None:
        self.readers = 0
        self.trace_readers = 0
        self.grace_periods = 0
        self.pending: list[Callable[[], None]] = []

    def read_lock(self) -> None:
        """rcu_read_lock."""
        self.readers += 1

    def read_unlock(self) -> None:
        """rcu_read_unlock; the last reader out lets queued callbacks run."""
        self.readers -= 1
        self._run_pending()

    def read_lock_trace(self) -> None:
        """rcu_read_lock_trace."""
        self.trace_readers += 1

    def read_unlock_trace(self) -> None:
        """rcu_read_unlock_trace; the last reader out lets queued callbacks run."""
        self.trace_readers -= 1
        self._run_pending()

    def call(self, callback: Callable[[], None]) -> None:
        """call_rcu: run ``callback`` after every reader that is inside now has left."""
        self.pending.append(callback)
        self._run_pending()

    def synchronize(self) -> bool:
        """One grace period; False when a paused reader kept it from completing."""
        self.grace_periods += 1
        return not self.readers

    def _run_pending(self) -> None:
        while self.pending and not self.readers and not self.trace_readers:
            self.pending.pop(0)()
