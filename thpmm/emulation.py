# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The machine as a story drives it: each method is a step (a system call, an access, a kernel thread's turn)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bpfvm.errors import SyscallError, UsageError
from bpfvm.struct_ops.kernel import Kernel
from thpmm.bpf_thp.mm_list import nodes
from thpmm.bpf_thp.profiles import ThpProfile
from thpmm.bpf_thp.type import BpfThpOps
from thpmm.cgroup import Cgroup
from thpmm.errnos import EINVAL, ESRCH
from thpmm.events import PageFault
from thpmm.exec import do_execve
from thpmm.exit import do_exit, do_group_exit, mmput, wait_task
from thpmm.fault import handle_mm_fault, mapped_order
from thpmm.fork import CLONE_VFORK, CLONE_VM, FailAt, clone_flags, copy_process
from thpmm.journal import Seen
from thpmm.machine import Machine, MachineSize
from thpmm.madvise import ADVICE, advice_number, do_madvise
from thpmm.mm import Mm, mmget
from thpmm.mmap import STORY_FLAGS, do_brk, do_mmap, do_mprotect, do_munmap, page_align, prot_bits
from thpmm.orders import PAGE_SIZE, PMD_SIZE, align_up
from thpmm.prctl import get_thp_disable, set_thp_disable
from thpmm.psi import PSI_MEM_FULL, PSI_MEM_SOME
from thpmm.replay import Answer, Ask, replay
from thpmm.results import CollapseResult, FaultResult, ScanResult, SmapsResult
from thpmm.runtime_tasks import RuntimeTasks
from thpmm.smaps import show_smaps
from thpmm.spawn import boot_tasks, kthread, posix_spawn, spawn, thread
from thpmm.strand import Strand
from thpmm.task import PF_EXITING, Task

TaskRef = Task | str | int
SIGNALS = {"segv": "SIGSEGV", "oom": "SIGKILL"}


class Thp:
    """Everything a story can do. ``task`` arguments: a Task, the story's name for it, or a pid.

    A system call that fails raises SyscallError, an oops KernelOops, a checker's complaint KernelReport.
    """

    def __init__(
        self, kernel: Kernel, profile: ThpProfile, size: MachineSize, settings: Mapping[str, str | int] | None = None
    ) -> None:
        self.machine = Machine(kernel, profile, size, settings)
        self.kernel = kernel
        self.profile = profile
        self.type = BpfThpOps(self.machine)
        self.tasks_face = RuntimeTasks(self.machine)
        runtime = kernel.runtime
        runtime.current = lambda: self.machine.current[-1] if self.machine.current else 0
        runtime.cgroup_id = self.tasks_face.current_cgroup_id
        runtime.tasks = self.tasks_face
        kernel.blocker = self.machine.strands.wait_until
        self.ksyms = {"psi_system": self.machine.cgroups.root.psi_group.addr}
        error = kernel.registry.register(self.type)
        if error:
            kernel.console(f"bpf_thp: Failed to register struct_ops ({error})")
        boot_tasks(self.machine)
        self.machine.journal.clear()

    def replay(self, ask: Ask, *, times: int = 1) -> list[Answer]:
        """What another program says to everything that the hook was asked so far: ``replay(partial(loaded.batch,
        "its_thp_get_order"))``. Calls about areas that are gone are left out."""
        return replay(self.machine, ask, times=times)

    # --- who --------------------------------------------------------------------------------------------------------
    def task(self, ref: TaskRef) -> Task:
        """Raises UsageError for an unknown name, SyscallError(ESRCH) for a pid nobody has."""
        if isinstance(ref, Task):
            return ref
        found = self.machine.names.get(ref) if isinstance(ref, str) else self.machine.pids.find(ref)
        if found is None and isinstance(ref, int):
            raise SyscallError(ESRCH, f"pid {ref}")
        if found is None:
            raise UsageError(f"no task '{ref}' (there are: {', '.join(self.machine.names)})")
        return found

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks, zombies included, in the order they were created."""
        return tuple(self.machine.tasks.values())

    def _alive(self, ref: TaskRef) -> Task:
        task = self.task(ref)
        if task.flags & PF_EXITING:
            raise UsageError(f"{task.name} has ended; it can't do anything")
        return task

    def _mm(self, ref: TaskRef) -> Mm:
        task = self._alive(ref)
        if task.mm is None:
            raise UsageError(f"{task.name} is a kernel thread; it has no address space")
        return task.mm

    @contextmanager
    def _syscall(self, ref: TaskRef, name: str) -> Iterator[Mm]:
        """Run a block as a task inside of a system call (or exception) handler."""
        task, mm = self._alive(ref), self._mm(ref)
        with self.machine.as_current(task), self.kernel.in_function(name):
            yield mm

    # --- processes --------------------------------------------------------------------------------------------------
    def spawn(self, name: str, *, cgroup: str = "/") -> Task:
        """A fresh process, in a cgroup."""
        self._new_name(name)
        task = spawn(self.machine, name)
        if cgroup != "/":
            self.cgroup_move(task, cgroup)
        return task

    def kthread(self, name: str) -> Task:
        """A kernel thread."""
        self._new_name(name)
        return kthread(self.machine, name)

    def fork(self, of: TaskRef, as_: str, *, fail_at: FailAt = None) -> Task:
        """fork(); ``fail_at`` is a place of thpmm.fork or the number of a VMA."""
        return self.clone(of, as_, 0, fail_at=fail_at)

    def vfork(self, of: TaskRef, as_: str) -> Task:
        """vfork(): the parent is not held back; the story decides who does what next."""
        return self.clone(of, as_, CLONE_VM | CLONE_VFORK)

    def clone(self, of: TaskRef, as_: str, flags: int | Iterable[str] = 0, *, fail_at: FailAt = None) -> Task:
        """clone() with flags by name or value."""
        self._new_name(as_)
        return copy_process(self.machine, self._alive(of), as_, clone_flags(flags), fail_at=fail_at)

    def posix_spawn(self, of: TaskRef, as_: str, exec: str = "", *, fail_at: str | None = None) -> Task:
        """posix_spawn() of a program, by default one called like the task."""
        self._new_name(as_)
        return posix_spawn(self.machine, self._alive(of), as_, exec or f"/usr/bin/{as_}", fail_at=fail_at)

    def thread(self, of: TaskRef, as_: str) -> Task:
        """pthread_create()."""
        self._new_name(as_)
        return thread(self.machine, self._alive(of), as_)

    def exec(self, task: TaskRef, path: str = "", *, fail_at: str | None = None) -> None:
        """execve(), by default of the program with the task's name. A failure after the point of no return kills
        the task."""
        found = self._alive(task)
        do_execve(self.machine, found, path or f"/usr/bin/{found.name}", fail_at=fail_at)

    def exit(self, task: TaskRef) -> None:
        """This thread ends; the last one takes the process along."""
        do_exit(self.machine, self._alive(task))

    def exit_group(self, task: TaskRef) -> None:
        """exit(3): the whole process ends."""
        do_group_exit(self.machine, self._alive(task))

    def kill(self, task: TaskRef) -> None:
        """SIGKILL to the whole process."""
        do_group_exit(self.machine, self.task(task), killed=True)

    def reap(self, task: TaskRef) -> None:
        """The parent waits for a zombie; its pid is free then. Raises SyscallError EAGAIN, ECHILD."""
        wait_task(self.machine, self.task(task))

    def next_pid(self, pid: int) -> None:
        """The next task gets this pid if it is free (/proc/sys/kernel/ns_last_pid): so a pid is used again."""
        self.machine.pids.last = pid - 1

    def _new_name(self, name: str) -> None:
        if name in self.machine.names:
            raise UsageError(f"there is a task '{name}' already")

    # --- memory -----------------------------------------------------------------------------------------------------
    def mmap(
        self,
        task: TaskRef,
        length: int,
        *,
        at: int | None = None,
        prot: str = "rw",
        flags: Iterable[str] = ("private", "anonymous"),
        file: str | None = None,
        pgoff: int = 0,
        dax: bool = False,
        thp_capable: bool = False,
    ) -> int:
        """Address of a new mapping. ``flags``: private or shared, anonymous, fixed; ``file`` is a path (its kind
        is said by whoever opens it first)."""
        wanted = set(flags)
        if not wanted <= set(STORY_FLAGS) or {"private", "shared"} <= wanted:
            raise UsageError(
                f"mmap flags {sorted(wanted)}: choose from {', '.join(STORY_FLAGS)}, not private and shared together"
            )
        opened = self.machine.files.open(file, dax=dax, thp_capable=thp_capable) if file is not None else None
        with self._syscall(task, "do_mmap") as mm:
            return do_mmap(
                self.machine,
                mm,
                length,
                at=at,
                flags=prot_bits(prot),
                shared="shared" in wanted,
                file=opened,
                pgoff=pgoff,
            )

    def munmap(self, task: TaskRef, at: int, length: int) -> None:
        """munmap(). Raises SyscallError(EINVAL)."""
        if at < 0 or at & (PAGE_SIZE - 1) or length <= 0:
            raise SyscallError(EINVAL, f"munmap({at:#x}, {length})")
        with self._syscall(task, "do_munmap") as mm:
            do_munmap(mm, at, at + page_align(length))

    def mprotect(self, task: TaskRef, at: int, length: int, prot: str) -> None:
        """mprotect(). Raises SyscallError EINVAL, ENOMEM, EACCES."""
        with self._syscall(task, "do_mprotect_pkey") as mm:
            do_mprotect(mm, at, length, prot_bits(prot))

    def madvise(self, task: TaskRef, at: int, length: int, advice: str | int) -> None:
        """madvise(). Raises SyscallError EINVAL, ENOMEM."""
        with self._syscall(task, "do_madvise") as mm:
            do_madvise(self.machine, mm, at, length, advice_number(advice))

    def brk(self, task: TaskRef, delta: int) -> int:
        """sbrk(): the heap's new end."""
        with self._syscall(task, "__x64_sys_brk") as mm:
            return do_brk(mm, mm.brk + delta)

    def fault(self, task: TaskRef, addr: int, access: str = "write", *, by: TaskRef | None = None) -> FaultResult:
        """Access an address of ``task``'s address space; ``by`` is who does it from outside (ptrace, /proc/PID/mem)."""
        if access not in ("read", "write"):
            raise UsageError(f"access '{access}': read or write")
        mm = self._mm(task)
        with self.record() as seen, self._syscall(task if by is None else by, "handle_mm_fault"):
            kind = handle_mm_fault(self.machine, mm, addr, write=access == "write")
            order = mapped_order(mm, addr)
        if self.kernel.sink.active:
            who = self.task(task if by is None else by)
            self.machine.emit(PageFault(who.comm, who.pid, addr, access == "write", kind, order))
        if kind == "oom":
            self._oom_kill(self.task(task))
        return FaultResult(seen, addr, order, kind, SIGNALS.get(kind))

    def _oom_kill(self, task: Task) -> None:
        """The faulting process is the victim."""
        self.machine.vmstat.count("oom_kill")
        group = task.cgroup
        if group is not None:
            group.events["oom"] += 1
            group.events["oom_kill"] += 1
        self.kernel.console(f"Out of memory: Killed process {task.tgid} ({task.comm})")
        do_group_exit(self.machine, task, killed=True)

    def fresh_fault(self, task: TaskRef, *, access: str = "write") -> FaultResult:
        """The first access to a new, 2 MiB-aligned anonymous mapping of 2 MiB that merges with no other."""
        with self.record() as seen:
            base = self.fresh_mapping(task, PMD_SIZE)
            found = self.fault(task, base, access)
        return FaultResult(seen, found.addr, found.order, found.kind, found.signal)

    def fresh_mapping(self, task: TaskRef, length: int) -> int:
        """A new anonymous mapping at a multiple of 2 MiB with unmapped memory on both sides."""
        mm = self._mm(task)
        room = mm.vmas.unmapped_area(align_up(length, 9) + 2 * PMD_SIZE, mm.mmap_base, PMD_SIZE, 1 << 16)
        if room is None:
            raise UsageError(f"no room for {length} bytes in {self.task(task).name}")
        return self.mmap(task, length, at=room + PMD_SIZE)

    def collapse(self, task: TaskRef, at: int, length: int = PMD_SIZE, *, by: TaskRef | None = None) -> CollapseResult:
        """madvise(MADV_COLLAPSE), or (``by``) another task's process_madvise(). Raises SyscallError EINVAL, ENOMEM,
        EBUSY, EAGAIN."""
        mm = self._mm(task)
        with self.record() as seen, self._syscall(task if by is None else by, "do_madvise"):
            collapsed = do_madvise(self.machine, mm, at, length, ADVICE["collapse"])
        return CollapseResult(seen, collapsed)

    def khugepaged(self, scans: int = 1) -> ScanResult:
        """Let khugepaged wake up so often, sleeping scan_sleep_millisecs in between."""
        machine, found, scanned, before = self.machine, [], 0, self.machine.khugepaged.pages_collapsed
        assert machine.khugepaged.task is not None
        with self.record() as seen, machine.as_current(machine.khugepaged.task), self.kernel.in_function("khugepaged"):
            for _ in range(scans):
                results, ptes = machine.khugepaged.scan()
                found += results
                scanned += ptes
                machine.advance(machine.sysfs.number("khugepaged/scan_sleep_millisecs") * 1_000_000)
        return ScanResult(seen, machine.khugepaged.pages_collapsed - before, scanned, tuple(found))

    def swap_out(self, task: TaskRef, at: int, length: int = PMD_SIZE) -> int:
        """Write anonymous folios of a range to swap (as MADV_PAGEOUT); returns the number of pages."""
        mm = self._mm(task)
        before = self.machine.vmstat.counters["pswpout"]
        folios = {pte.folio for _, pte in mm.page_table.ptes_in(at, at + length) if pte.folio is not None}
        folios |= {
            entry.folio
            for _, entry in mm.page_table.pmds_in(at, at + length)
            if not isinstance(entry, dict) and entry.folio is not None
        }
        for folio in sorted(folios, key=lambda folio: folio.pfn):
            if folio.kind == "anon":
                self.machine.swap.out(folio)
        return self.machine.vmstat.counters["pswpout"] - before

    def swap_in(self, task: TaskRef, at: int) -> FaultResult:
        """Read an address whose page is in swap."""
        return self.fault(task, at, "read")

    def smaps(self, of: TaskRef, reader: TaskRef | None = None) -> SmapsResult:
        """Read /proc/PID/smaps; a user of the address space as long as the file is open (pause point
        ``smaps_open``)."""
        mm = self._mm(of)
        with self.record() as seen, self._syscall(reader if reader is not None else of, "show_smap"):
            mmget(mm)
            try:
                self.kernel.pause_point("smaps_open")
                entries = show_smaps(self.machine, mm)
            finally:
                mmput(self.machine, mm.addr)
        return SmapsResult(seen, entries)

    # --- settings ---------------------------------------------------------------------------------------------------
    def prctl_thp_disable(self, task: TaskRef, value: int, flags: int = 0) -> int:
        """prctl(PR_SET_THP_DISABLE, value, flags). Raises SyscallError(EINVAL)."""
        return set_thp_disable(self._mm(task), value, flags)

    def prctl_get_thp_disable(self, task: TaskRef) -> int:
        """prctl(PR_GET_THP_DISABLE): 0, 1 or 3."""
        return get_thp_disable(self._mm(task))

    def sysfs_read(self, knob: str) -> str:
        """A file below transparent_hugepage. Raises SyscallError(ENOENT)."""
        return self.machine.sysfs.read(knob)

    def sysfs_write(self, knob: str, value: str | int) -> None:
        """Raises SyscallError ENOENT, EINVAL, EACCES."""
        self.machine.sysfs.write(knob, str(value))

    def cgroup_create(self, path: str, *, max: int | None = None, high: int | None = None) -> Cgroup:
        """A cgroup with its parents; limits of memory in bytes."""
        group = self.machine.cgroups.create(path)
        group.limit(max_bytes=max, high_bytes=high)
        return group

    def cgroup_move(self, task: TaskRef, path: str) -> None:
        """Move a process. Raises SyscallError(ENOENT)."""
        self.machine.cgroups.move(self.task(task), self.machine.cgroups.find(path))

    def pressure(self, where: str = "/", *, some: float | None = None, full: float | None = None) -> str:
        """Set memory pressure averages (per cent) of a cgroup, "system" or "/" being the whole machine; returns
        the file's text."""
        group = self.machine.cgroups.find("/" if where == "system" else where).psi_group
        for state, percent in ((PSI_MEM_SOME, some), (PSI_MEM_FULL, full)):
            if percent is not None:
                group.force(state, percent)
        return group.text()

    def fragment(self, fraction: float, *, order: int = 9, seed: int = 0) -> int:
        """Pin an unmovable page in this share of all blocks of ``order``; returns how many were pinned."""
        return self.machine.zone.fragment(fraction, seed, order=order)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.machine.advance(round(seconds * 1_000_000_000))

    # --- watching ---------------------------------------------------------------------------------------------------
    @contextmanager
    def record(self) -> Iterator[Seen]:
        """Everything seen during the block; filled in when it ends, also by an error."""
        seen, mark = Seen(), self.machine.journal.mark()
        try:
            yield seen
        finally:
            found = self.machine.journal.since(mark)
            seen.calls, seen.counters, seen.console = found.calls, found.counters, found.console
            self.machine.strands.poll()

    def start(self, name: str, function: Callable[[], Any], *, pause_at: str | None = None) -> Strand:
        """Run a step as a strand that stops at a pause point; see thpmm.strand."""
        return self.machine.strands.start(name, function, pause_at=pause_at)

    def managed(self, task: TaskRef) -> str | None:
        """Name of the map that the address space's pointer shows; "?" when it points at no living instance."""
        mm = self._mm(task)
        return self._instance_name(self.machine.bpf_thp.instance(mm.addr))

    def _instance_name(self, kdata: int) -> str | None:
        if not kdata:
            return None
        found = self.kernel.maps.by_kdata(kdata)
        return found.name if found is not None else "?"

    def lists(self) -> dict[str, list[str]]:
        """Per instance in use the tasks whose address spaces are on its list, in list order ("?" for one nobody uses).

        Raises KernelReport for a list that doesn't lead back to its head."""
        layout = self.machine.bpf_thp.layout
        found: dict[str, list[str]] = {}
        for st_map in self.kernel.maps:
            head = st_map.kdata + layout.mm_list
            if st_map.type.desc is self.type and self.kernel.memory.u64(head):
                found[st_map.name] = [self._user_of(node - layout.node) for node in nodes(self.kernel, head)]
        return found

    def _user_of(self, mm: int) -> str:
        owner = self.machine.mms[mm].owner if mm in self.machine.mms else None
        if owner is not None:
            return owner.name
        return next((task.name for task in self.tasks if task.mm_addr == mm), "?")

    def vmstat(self) -> dict[str, int]:
        """/proc/vmstat, as far as it is emulated."""
        return dict(self.machine.vmstat.counters)

    def stats(self, kilobytes: int) -> dict[str, int]:
        """hugepages-<kB>kB/stats. Raises UsageError for a size there is no directory for."""
        order = (kilobytes >> 2).bit_length() - 1
        if order not in self.machine.vmstat.mthp or 4 << order != kilobytes:
            raise UsageError(f"no statistics for {kilobytes} kB")
        return dict(self.machine.vmstat.mthp[order])

    def buddyinfo(self) -> tuple[int, ...]:
        """Free blocks of orders 0 … 10."""
        return self.machine.zone.buddyinfo()
