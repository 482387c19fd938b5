# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The emulated machine's memory management: every part of it, and what is running."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from bpfvm.events import Event
from bpfvm.struct_ops.kernel import Kernel
from thpmm.bpf_thp.lifecycle import BpfThp
from thpmm.bpf_thp.profiles import ThpProfile
from thpmm.buddy import Zone
from thpmm.cgroup import Cgroup, CgroupTree
from thpmm.file import File, Files
from thpmm.folio import Folio
from thpmm.huge_zero import HugeZero
from thpmm.journal import Journal
from thpmm.khugepaged import Khugepaged
from thpmm.kobject import Layouts
from thpmm.mm import Mm
from thpmm.orders import PAGE_SHIFT
from thpmm.pid import PidNamespace
from thpmm.reclaim import Reclaim
from thpmm.rmap import free_folio
from thpmm.strand import Strands
from thpmm.swap import Swap
from thpmm.sysfs import Sysfs
from thpmm.task import Task
from thpmm.vma import VmOps
from thpmm.vmstat import Vmstat


@dataclass(frozen=True, slots=True)
class MachineSize:
    """MiB of memory and of swap."""

    memory_mb: int = 512
    swap_mb: int = 256


class Machine:
    """Parts by name; tasks and address spaces by the address of their struct."""

    def __init__(
        self, kernel: Kernel, profile: ThpProfile, size: MachineSize, settings: Mapping[str, str | int] | None = None
    ) -> None:
        self.kernel = kernel
        self.memory = kernel.memory
        self.layouts = Layouts(kernel.btf)
        self.profile = profile
        self.has_transparent_hugepage = True
        self.tasks: dict[int, Task] = {}
        self.names: dict[str, Task] = {}
        self.mms: dict[int, Mm] = {}
        self.init: Task | None = None
        self.current: list[int] = []
        self._last_mm_id = 0
        self.pids = PidNamespace()
        self.vmstat = Vmstat()
        self.sysfs = Sysfs(self.vmstat, settings)
        self.journal = Journal(self)
        self.strands = Strands(kernel, self.current)
        self.zone = Zone(size.memory_mb << 20 >> PAGE_SHIFT)
        self.swap = Swap(self, size.swap_mb << 20 >> PAGE_SHIFT)
        self.reclaim = Reclaim(self)
        self.huge_zero = HugeZero(self)
        self.files = Files(self)
        self.vm_ops = {name: VmOps(self) for name in ("file", "shmem")}
        self.cgroups = CgroupTree(self)
        self.khugepaged = Khugepaged(self)
        self.bpf_thp = BpfThp(self)

    def emit(self, event: Event) -> None:
        """Tell observers; callers that build costly events ask ``kernel.sink.active`` first."""
        if self.kernel.sink.active:
            self.kernel.sink.emit(event)

    # --- time -------------------------------------------------------------------------------------------------------
    def now(self) -> int:
        """ns since boot."""
        return self.kernel.runtime.clock.ns

    def advance(self, nanoseconds: int) -> None:
        """Let time pass: programs' timers run, pressure averages follow."""
        self.kernel.runtime.elapse(nanoseconds)
        for group in self.cgroups.root.subtree():
            group.psi_group.update()

    def stall(self, nanoseconds: int, memcg: Cgroup | None) -> None:
        """The running task waited for memory; as nothing else runs meanwhile, that is full pressure."""
        if nanoseconds > 0:
            (memcg or self.cgroups.root).psi_group.stall(nanoseconds, full=True)
            self.advance(nanoseconds)

    # --- what runs --------------------------------------------------------------------------------------------------
    @property
    def current_task(self) -> Task | None:
        """The running task; None for the idle task."""
        return self.tasks.get(self.current[-1]) if self.current else None

    @contextmanager
    def as_current(self, task: Task) -> Iterator[None]:
        """Run a block as ``task``."""
        self.current.append(task.addr)
        try:
            yield
        finally:
            self.current.pop()

    # --- tasks ------------------------------------------------------------------------------------------------------
    def new_task(self, name: str) -> Task:
        """A task_struct that nobody knows of yet but by its name."""
        task = Task(self, name)
        self.tasks[task.addr] = task
        self.names[name] = task
        return task

    def discard_task(self, task: Task) -> None:
        """A task_struct whose creation failed."""
        if task.pid:
            self.pids.free(task.pid)
        self.forget_task(task)

    def forget_task(self, task: Task) -> None:
        """put_task_struct()."""
        del self.tasks[task.addr]
        if self.names.get(task.name) is task:
            del self.names[task.name]
        task.free()

    def swap_leader(self, old: Task, new: Task) -> None:
        """A thread that execs becomes the leader and takes over its pid (de_thread)."""
        old.pid, new.pid = new.pid, old.pid
        self.pids.exchange(old, new)
        group = old.group
        group.leader = new
        parent = self.tasks[old.real_parent]
        old.unlink_parent()
        for child in list(old.child_tasks):
            child.set_parent(new)
        for thread in group.threads:
            thread.group_leader, thread.tgid = new.addr, new.pid
        new.set_parent(parent)

    def next_mm_id(self) -> int:
        """mm_id."""
        self._last_mm_id += 1
        return self._last_mm_id

    # --- pages ------------------------------------------------------------------------------------------------------
    def folio_at(self, pfn: int) -> Folio | None:
        """The folio that begins at a frame."""
        owner = self.zone.owner.get(pfn)
        return owner if isinstance(owner, Folio) else None

    def free_page_cache(self, folio: Folio) -> None:
        """Take an unmapped folio out of its file and free it."""
        if folio.file is not None:
            file, first = folio.file
            for page in range(first, first + folio.nr_pages):
                file.pages.pop(page, None)
        free_folio(self, folio)

    def drop_page_cache(self, file: File) -> None:
        """Free all pages of a file that nobody maps."""
        for folio in dict.fromkeys(file.pages.values()):
            self.free_page_cache(folio)
