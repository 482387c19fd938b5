# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What helpers and kfuncs ask about tasks and cgroups, answered for the runtime (bpfvm.runtime.subsystem.Tasks)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thpmm.machine import Machine


class RuntimeTasks:
    """Addresses in, addresses out; 0 stands for none. ``refs`` counts what programs hold, so that leaks can be seen."""

    __slots__ = ("machine", "refs")

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.refs: dict[int, int] = {}

    def by_pid(self, pid: int) -> int:
        """find_task_by_pid_ns() in the initial namespace."""
        task = self.machine.pids.find(pid)
        return task.addr if task is not None else 0

    def by_vpid(self, pid: int) -> int:
        """The same: there is one namespace."""
        return self.by_pid(pid)

    def acquire(self, task: int) -> int:
        """bpf_task_acquire()."""
        return self._get(task) if task in self.machine.tasks else 0

    def release(self, task: int) -> None:
        """bpf_task_release()."""
        self._put(task)

    def cgroup_by_id(self, cgroup_id: int) -> int:
        """cgroup_get_from_id()."""
        group = self.machine.cgroups.by_id(cgroup_id)
        return group.addr if group is not None else 0

    def cgroup_acquire(self, cgroup: int) -> int:
        """bpf_cgroup_acquire()."""
        return self._get(cgroup) if self.machine.cgroups.by_addr(cgroup) is not None else 0

    def cgroup_release(self, cgroup: int) -> None:
        """bpf_cgroup_release()."""
        self._put(cgroup)

    def cgroup_ancestor(self, cgroup: int, level: int) -> int:
        """cgroup_ancestor()."""
        group = self.machine.cgroups.by_addr(cgroup)
        if group is None or not 0 <= level <= group.level:
            return 0
        return next(each.addr for each in group.lineage() if each.level == level)

    def under_cgroup(self, task: int, ancestor: int) -> bool:
        """task_under_cgroup_hierarchy()."""
        found = self.machine.tasks.get(task)
        if found is None or found.cgroup is None:
            return False
        return any(group.addr == ancestor for group in found.cgroup.lineage())

    def cgroup_id_of(self, cgroup: int) -> int:
        """cgroup_id()."""
        group = self.machine.cgroups.by_addr(cgroup)
        return group.kernfs.id if group is not None else 0

    def cgroup_of(self, task: int) -> int:
        """task_dfl_cgroup()."""
        found = self.machine.tasks.get(task)
        return found.cgroup.addr if found is not None and found.cgroup is not None else 0

    def current_cgroup_id(self) -> int:
        """Id of the current task's group; the root's when nothing runs."""
        task = self.machine.current_task
        group = task.cgroup if task is not None and task.cgroup is not None else self.machine.cgroups.root
        return group.kernfs.id

    # --- walks ------------------------------------------------------------------------------------------------------
    def processes(self) -> list[int]:
        """for_each_process()."""
        return [task.addr for task in self.machine.tasks.values() if task.pid and task.is_leader]

    def threads(self, task: int) -> list[int]:
        """for_each_thread()."""
        found = self.machine.tasks.get(task)
        return [each.addr for each in found.group.threads] if found is not None else []

    def vmas(self, task: int) -> list[tuple[int, int]] | None:
        """Areas of task->mm; None for kernel threads."""
        found = self.machine.tasks.get(task)
        if found is None or found.mm is None:
            return None
        return [(vma.vm_end, vma.addr) for vma in found.mm.vmas]

    def cgroup_parent(self, cgroup: int) -> int:
        """cgroup_parent()."""
        group = self.machine.cgroups.by_addr(cgroup)
        return group.parent.addr if group is not None and group.parent is not None else 0

    def cgroup_children(self, cgroup: int) -> list[int]:
        """Groups in cgrp->self.children."""
        group = self.machine.cgroups.by_addr(cgroup)
        return [child.addr for child in group.children.values()] if group is not None else []

    def cgroup_tasks(self, cgroup: int) -> list[int]:
        """Tasks of the group's css_set."""
        group = self.machine.cgroups.by_addr(cgroup)
        return [task.addr for task in group.tasks] if group is not None else []

    def _get(self, addr: int) -> int:
        self.refs[addr] = self.refs.get(addr, 0) + 1
        return addr

    def _put(self, addr: int) -> None:
        left = self.refs.get(addr, 0) - 1
        if left > 0:
            self.refs[addr] = left
        else:
            self.refs.pop(addr, None)
