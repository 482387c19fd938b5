# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What helpers and kfuncs ask the subsystem that owns tasks and cgroups. All objects are kernel addresses, 0 for
none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Tasks(Protocol):
    """Plugged into ``Runtime.tasks`` by a subsystem. Functions that "acquire" take a reference for the program."""

    def by_pid(self, pid: int) -> int:
        """The task_struct with this pid in the initial namespace; 0 when there is none (find_task_by_pid_ns)."""
        ...

    def by_vpid(self, pid: int) -> int:
        """The task_struct with this pid in the current task's namespace; 0 when there is none."""
        ...

    def acquire(self, task: int) -> int:
        """Take a reference; ``task``, or 0 when it is already on its way out (refcount_inc_not_zero)."""
        ...

    def release(self, task: int) -> None:
        """Drop a reference."""
        ...

    def cgroup_by_id(self, cgroup_id: int) -> int:
        """The default hierarchy's cgroup with this id; 0 when there is none."""
        ...

    def cgroup_acquire(self, cgroup: int) -> int:
        """Take a reference; ``cgroup``, or 0 when it is going away."""
        ...

    def cgroup_release(self, cgroup: int) -> None:
        """Drop a reference."""
        ...

    def cgroup_ancestor(self, cgroup: int, level: int) -> int:
        """The ancestor at ``level`` (0 the root, the cgroup's own level itself); 0 for a level outside of that."""
        ...

    def under_cgroup(self, task: int, ancestor: int) -> bool:
        """Is the task's cgroup ``ancestor`` or below it?"""
        ...

    def cgroup_id_of(self, cgroup: int) -> int:
        """The cgroup's kernfs id."""
        ...

    def cgroup_of(self, task: int) -> int:
        """The cgroup the task is in."""
        ...

    # --- walks ------------------------------------------------------------------------------------------------------
    def processes(self) -> Sequence[int]:
        """First threads of all processes, oldest first."""
        ...

    def threads(self, task: int) -> Sequence[int]:
        """All threads of the task's process, its first one first."""
        ...

    def vmas(self, task: int) -> Sequence[tuple[int, int]] | None:
        """(end address, vm_area_struct) of all areas of the task's address space, ascending; None without one."""
        ...

    def cgroup_parent(self, cgroup: int) -> int:
        """The cgroup above; 0 for the root."""
        ...

    def cgroup_children(self, cgroup: int) -> Sequence[int]:
        """The cgroups right below, oldest first."""
        ...

    def cgroup_tasks(self, cgroup: int) -> Sequence[int]:
        """Tasks that are in the cgroup itself."""
        ...
