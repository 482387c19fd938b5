# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The pid namespace: numbers handed out in a circle, found again, given back (kernel/pid.c)."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from bpfvm.errors import SyscallError
from thpmm.errnos import EAGAIN

if TYPE_CHECKING:
    from thpmm.task import Task

RESERVED_PIDS = 300
PID_MAX_DEFAULT = 32768


class PidNamespace:
    """``pid_max`` is exclusive; ``last`` may be set, as through /proc/sys/kernel/ns_last_pid, to have a pid used
    again."""

    __slots__ = ("_tasks", "last", "pid_max")

    def __init__(self, pid_max: int = PID_MAX_DEFAULT) -> None:
        self.pid_max = pid_max
        self.last = 0
        self._tasks: dict[int, Task] = {}

    def alloc(self, task: Task) -> int:
        """The next free number above the last one; after the largest it goes on at 300. Raises SyscallError(EAGAIN)."""
        first = RESERVED_PIDS if self.last >= RESERVED_PIDS else 1
        for pid in chain(range(self.last + 1, self.pid_max), range(first, self.last + 1)):
            if pid not in self._tasks:
                self.last = pid
                self._tasks[pid] = task
                return pid
        raise SyscallError(EAGAIN, "no pid is free")

    def free(self, pid: int) -> None:
        """The task was waited for: its number may be used again."""
        self._tasks.pop(pid, None)

    def find(self, pid: int) -> Task | None:
        """The task, thread or zombie with this number (find_get_task_by_vpid)."""
        return self._tasks.get(pid)

    def exchange(self, one: Task, other: Task) -> None:
        """Two tasks have swapped their numbers."""
        self._tasks[one.pid], self._tasks[other.pid] = one, other
