# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Tasks: processes, threads and kernel threads (struct task_struct, include/linux/sched.h)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpfvm.memory.lists import init_list_head, list_add_tail, list_del_init
from thpmm.kobject import Field, KObject

if TYPE_CHECKING:
    from thpmm.cgroup import Cgroup
    from thpmm.machine import Machine
    from thpmm.mm import Mm

PF_EXITING = 0x4
PF_FORKNOEXEC = 0x40
PF_SIGNALED = 0x400
PF_KTHREAD = 0x200000
EXIT_DEAD = 0x10
EXIT_ZOMBIE = 0x20
TASK_COMM_LEN = 16


class Signal(KObject):
    """struct signal_struct: only its address means something."""

    STRUCT = "signal_struct"


class Completion(KObject):
    """struct completion: what a vfork parent waits on."""

    STRUCT = "completion"


class ThreadGroup:
    """What the threads of one process share: its ``leader``, living and zombie ``threads``, the signal struct."""

    __slots__ = ("leader", "signal", "threads")

    def __init__(self, machine: Machine, leader: Task) -> None:
        self.leader = leader
        self.threads: list[Task] = [leader]
        self.signal = Signal(machine)

    def living(self) -> list[Task]:
        """Threads that haven't begun to exit."""
        return [thread for thread in self.threads if not thread.flags & PF_EXITING]


class Task(KObject):
    """One thread. ``name`` is the story's word for it; ``comm`` is what the kernel calls it."""

    STRUCT = "task_struct"
    __slots__ = (
        "cgroup",
        "child_tasks",
        "group",
        "name",
        "on_parent_list",
        "orphan",
        "vfork_completion",
        "waiting_vfork",
    )
    flags = Field("flags")
    mm_addr = Field("mm")
    active_mm = Field("active_mm")
    exit_state = Field("exit_state")
    pid = Field("pid")
    tgid = Field("tgid")
    real_parent = Field("real_parent")
    parent = Field("parent")
    group_leader = Field("group_leader")
    vfork_done = Field("vfork_done")
    start_time = Field("start_time")
    start_boottime = Field("start_boottime")
    signal = Field("signal")
    cgroups = Field("cgroups")

    def __init__(self, machine: Machine, name: str) -> None:
        super().__init__(machine)
        self.name = name
        self.cgroup: Cgroup | None = None
        self.child_tasks: list[Task] = []
        self.on_parent_list = False
        self.orphan = False
        self.waiting_vfork: Task | None = None
        self.vfork_completion: Completion | None = None
        self.group: ThreadGroup
        self.comm = name
        self.start_time = self.start_boottime = machine.now()
        init_list_head(machine.memory, self.at("children"))
        init_list_head(machine.memory, self.at("sibling"))

    def __repr__(self) -> str:
        return f"<task {self.name} pid {self.pid} {self.comm}>"

    @property
    def comm(self) -> str:
        """At most 15 bytes."""
        return self.machine.memory.read(self.at("comm"), TASK_COMM_LEN).split(b"\0")[0].decode("utf-8", "replace")

    @comm.setter
    def comm(self, text: str) -> None:
        data = text.encode()[: TASK_COMM_LEN - 1]
        self.machine.memory.write(self.at("comm"), data.ljust(TASK_COMM_LEN, b"\0"))

    @property
    def mm(self) -> Mm | None:
        """The address space; None for kernel threads and after exit_mm()."""
        return self.machine.mms.get(self.mm_addr)

    @property
    def is_leader(self) -> bool:
        """Is it its process's first thread?"""
        return self.group.leader is self

    @property
    def zombie(self) -> bool:
        """Dead, but not yet waited for."""
        return self.exit_state == EXIT_ZOMBIE

    def join_group(self, leader: Task | None) -> None:
        """Become a thread of ``leader``'s process, or (None) the leader of a new one."""
        if leader is None:
            self.group = ThreadGroup(self.machine, self)
        else:
            self.group = leader.group
            self.group.threads.append(self)
        self.tgid = self.group.leader.pid
        self.group_leader = self.group.leader.addr
        self.signal = self.group.signal.addr

    def set_parent(self, parent: Task) -> None:
        """Become a child of ``parent``; only leaders stand on its list of children."""
        self.unlink_parent()
        self.real_parent = self.parent = parent.addr
        if self.is_leader:
            parent.child_tasks.append(self)
            list_add_tail(self.machine.memory, self.at("sibling"), parent.at("children"))
            self.on_parent_list = True

    def unlink_parent(self) -> None:
        """Leave the parent's list of children."""
        if self.on_parent_list:
            self.machine.tasks[self.real_parent].child_tasks.remove(self)
            list_del_init(self.machine.memory, self.at("sibling"))
            self.on_parent_list = False
