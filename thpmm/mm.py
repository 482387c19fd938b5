# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Address spaces (struct mm_struct): allocation, references, counters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thpmm.kobject import Field, KObject, sub_and_test
from thpmm.mm_flags import MMF_INIT_MASK
from thpmm.page_table import PageTable
from thpmm.task import PF_KTHREAD, Task
from thpmm.vma_tree import VmaTree

if TYPE_CHECKING:
    from thpmm.cgroup import Cgroup
    from thpmm.file import File
    from thpmm.machine import Machine

MM_FILEPAGES, MM_ANONPAGES, MM_SWAPENTS, MM_SHMEMPAGES = range(4)
PERCPU_COUNTER_SIZE = 40
PERCPU_COUNTER_COUNT = 8
PGD_SIZE = 8
"""Room for the one entry that is emulated: a program can only compare the pointer."""
TASK_SIZE = 0x7FFF_FFFF_F000
MMAP_BASE = 0x7FFF_F7FF_F000


class Mm(KObject):
    """struct mm_struct. ``mm_users``: users of the address space, 0 tears it down; ``mm_count``: references to the
    struct."""

    STRUCT = "mm_struct"
    __slots__ = ("exe", "page_table", "vmas")
    mm_count = Field("mm_count.counter")
    mm_users = Field("mm_users.counter")
    mmap_base = Field("mmap_base")
    task_size = Field("task_size")
    pgd = Field("pgd")
    map_count = Field("map_count")
    hiwater_rss = Field("hiwater_rss")
    total_vm = Field("total_vm")
    def_flags = Field("def_flags")
    start_code = Field("start_code")
    start_brk = Field("start_brk")
    brk = Field("brk")
    start_stack = Field("start_stack")
    flags = Field("flags.__mm_flags")
    owner_addr = Field("owner")
    exe_file = Field("exe_file")
    mm_id = Field("mm_id")
    bpf_thp = Field("bpf_mm.bpf_thp")

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self.vmas = VmaTree()
        self.page_table = PageTable()
        self.exe: File | None = None

    def init(self, owner: Task, creator: Mm | None) -> None:
        """mm_init(): everything a copy or a fresh struct must not take over. Leaves ``bpf_mm`` as it is."""
        machine = self.machine
        self.mm_users = self.mm_count = 1
        self.map_count = 0
        for kind in range(4):
            self._set_rss(kind, 0)
        self.flags = creator.flags & MMF_INIT_MASK if creator is not None else 0
        self.owner_addr = owner.addr
        self.pgd = machine.memory.alloc(PGD_SIZE, what="pgd")
        self.task_size = TASK_SIZE
        self.mmap_base = MMAP_BASE
        self.hiwater_rss = 0
        self.mm_id = machine.next_mm_id()
        machine.mms[self.addr] = self

    @property
    def owner(self) -> Task | None:
        """The task that its memory is charged for."""
        return self.machine.tasks.get(self.owner_addr)

    @property
    def memcg(self) -> Cgroup:
        """Where new pages are charged (get_mem_cgroup_from_mm)."""
        owner = self.owner
        return owner.cgroup if owner is not None and owner.cgroup is not None else self.machine.cgroups.root

    def set_exe(self, file: File | None) -> None:
        """set_mm_exe_file()."""
        self.exe = file
        self.exe_file = file.addr if file is not None else 0

    def _rss_addr(self, kind: int) -> int:
        return self.at("rss_stat") + kind * PERCPU_COUNTER_SIZE + PERCPU_COUNTER_COUNT

    def rss(self, kind: int) -> int:
        """Pages of one kind (swap entries for MM_SWAPENTS)."""
        value = self.machine.memory.u64(self._rss_addr(kind))
        return value - (1 << 64) if value >> 63 else value

    def _set_rss(self, kind: int, value: int) -> None:
        self.machine.memory.set_u64(self._rss_addr(kind), value)

    def add_rss(self, kind: int, pages: int) -> None:
        """add_mm_counter(); keeps the high-water mark."""
        self._set_rss(kind, self.rss(kind) + pages)
        if pages > 0 and kind != MM_SWAPENTS:
            self.hiwater_rss = max(self.hiwater_rss, self.total_rss)

    @property
    def total_rss(self) -> int:
        """Resident pages of all kinds."""
        return self.rss(MM_FILEPAGES) + self.rss(MM_ANONPAGES) + self.rss(MM_SHMEMPAGES)

    def test_flag(self, flag: int) -> bool:
        """mm_flags_test()."""
        return bool(self.flags & flag)

    def set_flag(self, flag: int) -> None:
        """mm_flags_set()."""
        self.flags = self.flags | flag

    def clear_flag(self, flag: int) -> None:
        """mm_flags_clear()."""
        self.flags = self.flags & ~flag


def mm_alloc(machine: Machine, owner: Task, creator: Mm | None) -> Mm:
    """A fresh, zeroed address space with one user (exec)."""
    mm = Mm(machine)
    mm.init(owner, creator)
    return mm


def mmget(mm: Mm) -> None:
    """One more user."""
    mm.mm_users = mm.mm_users + 1


def mmgrab(mm: Mm) -> None:
    """One more reference to the struct."""
    mm.mm_count = mm.mm_count + 1


def mmdrop(machine: Machine, addr: int) -> None:
    """Drop a reference to the struct; the last one frees it (__mmdrop)."""
    with machine.kernel.in_function("mmdrop"):
        if sub_and_test(machine, addr + machine.layouts[Mm.STRUCT].offset("mm_count.counter")):
            mm = machine.mms.pop(addr)
            machine.memory.free(mm.pgd)
            mm.free()


def get_task_mm(task: Task) -> int:
    """Address of the task's mm with a user reference taken; 0 for kernel threads and dead tasks."""
    if task.flags & PF_KTHREAD or task.mm is None:
        return 0
    mmget(task.mm)
    return task.mm.addr
