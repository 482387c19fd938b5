# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Control groups (v2): a tree with kernfs ids, a memory controller and pressure per group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bpfvm.errors import SyscallError
from thpmm.errnos import EINVAL, ENOENT
from thpmm.kobject import Field, KObject
from thpmm.orders import PAGE_SHIFT, PMD_ORDER
from thpmm.psi import PsiGroup

if TYPE_CHECKING:
    from thpmm.folio import Folio
    from thpmm.machine import Machine
    from thpmm.task import Task

ROOT_ID = 1
MEMORY_CGRP_ID = 4
EVENTS = ("low", "high", "max", "oom", "oom_kill")


class KernfsNode(KObject):
    """struct kernfs_node."""

    STRUCT = "kernfs_node"
    name = Field("name")
    id = Field("id")


class Css(KObject):
    """struct cgroup_subsys_state."""

    STRUCT = "cgroup_subsys_state"
    cgroup = Field("cgroup")
    parent = Field("parent")


class CssSet(KObject):
    """struct css_set: what a task's membership points at; one per cgroup here, as there is one hierarchy."""

    STRUCT = "css_set"
    dfl_cgrp = Field("dfl_cgrp")


class Cgroup(KObject):
    """struct cgroup with its memory controller. ``usage``, ``max`` and ``high`` in pages (None: no limit)."""

    STRUCT = "cgroup"
    __slots__ = (
        "children",
        "css_set",
        "events",
        "high",
        "kernfs",
        "max",
        "memory",
        "name",
        "parent",
        "psi_group",
        "tasks",
        "usage",
    )
    self_cgroup = Field("self.cgroup")
    self_parent = Field("self.parent")
    level = Field("level")
    kn = Field("kn")
    psi = Field("psi")

    def __init__(self, machine: Machine, name: str, kernfs_id: int, parent: Cgroup | None) -> None:
        super().__init__(machine)
        self.name = name
        self.parent = parent
        self.children: dict[str, Cgroup] = {}
        self.tasks: dict[Task, None] = {}
        self.usage = 0
        self.max: int | None = None
        self.high: int | None = None
        self.events = dict.fromkeys(EVENTS, 0)
        self.kernfs = KernfsNode(machine)
        self.kernfs.id = kernfs_id
        self.kernfs.name = _string(machine, name)
        self.psi_group: PsiGroup = PsiGroup(machine, parent.psi_group if parent else None)
        self.memory = Css(machine)
        self.css_set = CssSet(machine)
        self._connect()

    def _connect(self) -> None:
        self.self_cgroup = self.memory.cgroup = self.css_set.dfl_cgrp = self.addr
        self.kn = self.kernfs.addr
        self.psi = self.psi_group.addr
        self.machine.memory.set_u64(self.at("subsys") + 8 * MEMORY_CGRP_ID, self.memory.addr)
        if self.parent is not None:
            self.level = self.parent.level + 1
            self.self_parent = self.parent.addr
            self.memory.parent = self.parent.memory.addr

    @property
    def path(self) -> str:
        """From the root, which is "/"."""
        if self.parent is None:
            return "/"
        return f"{self.parent.path.rstrip('/')}/{self.name}"

    def lineage(self) -> Iterator[Cgroup]:
        """This group, its parent, … the root."""
        group: Cgroup | None = self
        while group is not None:
            yield group
            group = group.parent

    def subtree(self) -> Iterator[Cgroup]:
        """This group and everything below it, parents first."""
        yield self
        for child in self.children.values():
            yield from child.subtree()

    def charge(self, folio: Folio) -> bool:
        """Account a folio here and in all parents; False when a limit forbids it even after reclaim
        (mem_cgroup_charge)."""
        for group in self.lineage():
            if group.max is not None and group.usage + folio.nr_pages > group.max:
                group.events["max"] += 1
                group.machine.reclaim.shrink(group.usage + folio.nr_pages - group.max, memcg=group)
                if group.usage + folio.nr_pages > group.max:
                    return False
        for group in self.lineage():
            group.usage += folio.nr_pages
            if group.high is not None and group.usage > group.high:
                group.events["high"] += 1
        folio.memcg = self
        return True

    def uncharge(self, nr_pages: int) -> None:
        """Give pages back."""
        for group in self.lineage():
            group.usage -= nr_pages

    def stat(self) -> dict[str, int]:
        """memory.stat, bytes of this group and everything below it: anon, file, shmem, anon_thp."""
        found = dict.fromkeys(("anon", "file", "shmem", "anon_thp"), 0)
        for folio in self.machine.reclaim.lru:
            if folio.memcg is None or self not in folio.memcg.lineage():
                continue
            found[folio.kind] += folio.nr_pages << PAGE_SHIFT
            if folio.kind == "anon" and folio.order == PMD_ORDER:
                found["anon_thp"] += folio.nr_pages << PAGE_SHIFT
        return found

    def limit(self, *, max_bytes: int | None = None, high_bytes: int | None = None) -> None:
        """Write memory.max and memory.high (None leaves them)."""
        if max_bytes is not None:
            self.max = max_bytes >> PAGE_SHIFT
        if high_bytes is not None:
            self.high = high_bytes >> PAGE_SHIFT


def _string(machine: Machine, text: str) -> int:
    data = text.encode() + b"\0"
    addr = machine.memory.alloc(len(data), what="kernfs name")
    machine.memory.write(addr, data)
    return addr


class CgroupTree:
    """All groups; the root has id 1 and level 0."""

    __slots__ = ("_last_id", "machine", "root")

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._last_id = ROOT_ID
        self.root = Cgroup(machine, "", ROOT_ID, None)

    def find(self, path: str) -> Cgroup:
        """The group of this path. Raises SyscallError(ENOENT)."""
        group = self.root
        for name in filter(None, path.split("/")):
            if name not in group.children:
                raise SyscallError(ENOENT, f"cgroup {path}")
            group = group.children[name]
        return group

    def by_id(self, kernfs_id: int) -> Cgroup | None:
        """The group with this id."""
        return next((group for group in self.root.subtree() if group.kernfs.id == kernfs_id), None)

    def by_addr(self, addr: int) -> Cgroup | None:
        """The group whose struct lies there."""
        return next((group for group in self.root.subtree() if group.addr == addr), None)

    def create(self, path: str) -> Cgroup:
        """mkdir, with missing parents. Raises SyscallError(EINVAL) for an empty path."""
        names = list(filter(None, path.split("/")))
        if not names:
            raise SyscallError(EINVAL, "the root cgroup exists")
        group = self.root
        for name in names:
            if name not in group.children:
                self._last_id += 1
                group.children[name] = Cgroup(self.machine, name, self._last_id, group)
            group = group.children[name]
        return group

    def move(self, task: Task, group: Cgroup) -> None:
        """Write a pid to cgroup.procs: all threads of the process move. Charged memory stays where it is."""
        for thread in task.group.threads:
            attach(thread, group)


def attach(task: Task, group: Cgroup) -> None:
    """Make a single task a member."""
    if task.cgroup is not None:
        task.cgroup.tasks.pop(task, None)
    task.cgroup = group
    group.tasks[task] = None
    task.cgroups = group.css_set.addr
