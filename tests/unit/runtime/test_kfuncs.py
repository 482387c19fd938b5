# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
from __future__ import annotations

import errno
from pathlib import Path

import pytest

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.engine.trap import Unsupported
from bpfvm.memory import Memory, View
from bpfvm.obj.model import MapSpec
from bpfvm.runtime import Runtime
from tests.unit.runtime.frames import PythonFrame, call, put
from tests.unit.runtime.frames import call_kfunc as run

EMULATED = Path(__file__).parents[3] / "thpmm/kernel/emulated.btf"


class FewTasks:
    """Task 0x100 has pid 5 and is in cgroup 0x20 (id 2), a child of cgroup 0x10 (id 1)."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def by_pid(self, pid: int) -> int:
        return 0x100 if pid == 5 else 0

    def by_vpid(self, pid: int) -> int:
        return 0x100 if pid == 1 else 0

    def acquire(self, task: int) -> int:
        self.log.append(f"+{task:x}")
        return task

    def release(self, task: int) -> None:
        self.log.append(f"-{task:x}")

    def cgroup_by_id(self, cgroup_id: int) -> int:
        return {1: 0x10, 2: 0x20}.get(cgroup_id, 0)

    cgroup_acquire, cgroup_release = acquire, release

    def cgroup_ancestor(self, cgroup: int, level: int) -> int:
        return {(0x20, 0): 0x10, (0x20, 1): 0x20, (0x10, 0): 0x10}.get((cgroup, level), 0)

    def under_cgroup(self, task: int, ancestor: int) -> bool:
        return ancestor in (0x10, 0x20)

    def cgroup_id_of(self, cgroup: int) -> int:
        return cgroup >> 4

    def cgroup_of(self, task: int) -> int:
        return 0x20

    def processes(self) -> list[int]:
        return [0x100, 0x200]

    def threads(self, task: int) -> list[int]:
        return [task, task + 1]

    def vmas(self, task: int) -> list[tuple[int, int]] | None:
        return [(0x2000, 0xA), (0x5000, 0xB), (0x9000, 0xC)] if task == 0x100 else None

    def cgroup_parent(self, cgroup: int) -> int:
        return {0x20: 0x10, 0x30: 0x10, 0x40: 0x30}.get(cgroup, 0)

    def cgroup_children(self, cgroup: int) -> list[int]:
        return {0x10: [0x20, 0x30], 0x30: [0x40]}.get(cgroup, [])

    def cgroup_tasks(self, cgroup: int) -> list[int]:
        return [0x100, 0x101] if cgroup == 0x20 else []


@pytest.fixture
def runtime() -> Runtime:
    made = Runtime(Memory(checker="kasan"), None)
    made.tasks = FewTasks()
    return made


def test_tasks(runtime: Runtime) -> None:
    assert run(runtime, "bpf_task_from_pid", 5) == run(runtime, "bpf_task_from_vpid", 1) == 0x100
    assert run(runtime, "bpf_task_from_pid", -1) == run(runtime, "bpf_task_from_vpid", 5) == 0
    assert run(runtime, "bpf_task_acquire", 0x100) == 0x100
    run(runtime, "bpf_task_release", 0x100)
    assert runtime.tasks.log == ["+100", "+100", "+100", "-100"]  # type: ignore[union-attr]  # FewTasks


def test_cgroups(runtime: Runtime) -> None:
    assert run(runtime, "bpf_cgroup_from_id", 2) == 0x20
    assert run(runtime, "bpf_cgroup_from_id", 9) == 0
    assert run(runtime, "bpf_cgroup_acquire", 0x10) == 0x10
    run(runtime, "bpf_cgroup_release", 0x10)
    assert run(runtime, "bpf_cgroup_ancestor", 0x20, 0) == 0x10
    assert run(runtime, "bpf_cgroup_ancestor", 0x20, 2) == run(runtime, "bpf_cgroup_ancestor", 0x20, -1) == 0
    assert run(runtime, "bpf_task_under_cgroup", 0x100, 0x20) == 1
    assert run(runtime, "bpf_task_under_cgroup", 0x100, 0x30) == 0
    assert call(runtime, "get_current_ancestor_cgroup_id", 0) == 1
    assert (
        call(runtime, "get_current_ancestor_cgroup_id", 7) == call(runtime, "get_current_ancestor_cgroup_id", -1) == 0
    )


def test_sections_and_casts(runtime: Runtime) -> None:
    run(runtime, "bpf_rcu_read_lock")
    assert runtime.rcu_depth == 1
    run(runtime, "bpf_rcu_read_unlock")
    assert runtime.rcu_depth == 0
    assert run(runtime, "bpf_preempt_disable") == run(runtime, "bpf_preempt_enable") == 0
    assert run(runtime, "bpf_rdonly_cast", 0x77, 3) == run(runtime, "bpf_cast_to_kern_ctx", 0x77) == 0x77
    found = runtime.create_map(MapSpec("m", "hash", 4, 4, 4))
    found.update(bytes(4), bytes(4))
    assert run(runtime, "bpf_map_sum_elem_count", found.addr) == 1


@pytest.mark.parametrize(
    ("start", "end", "code", "numbers"),
    [
        (2, 5, 0, [2, 3, 4]),
        (3, 3, 0, []),
        (-2, 1, 0, [-2, -1, 0]),
        (5, 2, -errno.EINVAL, []),
        (0, (8 << 20) + 1, -errno.E2BIG, []),
    ],
)
def test_the_numeric_iterator(runtime: Runtime, start: int, end: int, code: int, numbers: list[int]) -> None:
    it = put(runtime, b"\xff" * 8)
    assert run(runtime, "bpf_iter_num_new", it, start, end) == code
    seen = []
    while run(runtime, "bpf_iter_num_next", it):
        seen.append(runtime.memory.load(it, 4))
    assert seen == [number & 0xFFFF_FFFF for number in numbers]
    run(runtime, "bpf_iter_num_destroy", it)
    assert runtime.memory.load(it, 8) == 0


def test_kfuncs_are_found_by_btf_id() -> None:
    btf = Btf.parse(EMULATED.read_bytes())
    runtime = Runtime(Memory(), btf)
    frame = PythonFrame(runtime.memory)
    known = btf.find("bpf_rcu_read_lock")
    assert known
    for _ in range(2):
        runtime.kfunc(known, (0, 0, 0, 0, 0), frame)
    assert runtime.rcu_depth == 2
    with pytest.raises(Unsupported, match="not emulated: task_struct"):
        runtime.kfunc(btf.find("task_struct"), (0, 0, 0, 0, 0), frame)
    with pytest.raises(Unsupported, match="without a subsystem that has tasks: bpf_task_from_pid"):
        run(runtime, "bpf_task_from_pid", 1)


def walked(runtime: Runtime, kind: str, *args: int) -> list[int] | int:
    """What an iterator visits, or the errno of its start; then it must be empty."""
    it = runtime.memory.alloc(64)
    code = run(runtime, f"bpf_iter_{kind}_new", it, *args)
    found: list[int] = []
    while each := run(runtime, f"bpf_iter_{kind}_next", it):
        found.append(each)
    run(runtime, f"bpf_iter_{kind}_destroy", it)
    assert not runtime.iterators and not (code and found)
    return code or found


def test_walks(runtime: Runtime) -> None:
    assert walked(runtime, "task", 0, 0) == [0x100, 0x200]
    assert walked(runtime, "task", 0, 1) == [0x100, 0x101, 0x200, 0x201]
    assert walked(runtime, "task", 0x200, 2) == [0x200, 0x201]
    assert walked(runtime, "task", 0, 2) == walked(runtime, "task", 0x100, 3) == -errno.EINVAL
    assert walked(runtime, "task_vma", 0x100, 0x2000) == [0xB, 0xC]
    assert walked(runtime, "task_vma", 0x200, 0) == -errno.ENOENT
    assert walked(runtime, "css", 0x10, 2) == [0x10, 0x20, 0x30, 0x40]
    assert walked(runtime, "css", 0x10, 3) == [0x20, 0x40, 0x30, 0x10]
    assert walked(runtime, "css", 0x40, 4) == [0x40, 0x30, 0x10]
    assert walked(runtime, "css", 0x40, 1) == -errno.EINVAL
    assert walked(runtime, "css_task", 0x20, 0) == [0x100, 0x101]
    assert walked(runtime, "css_task", 0x20, 1) == [0x100]
    assert walked(runtime, "css_task", 0x20, 2) == -errno.EINVAL


def test_locks_that_notice_deadlocks(runtime: Runtime) -> None:
    lock, saved = put(runtime, bytes(8)), put(runtime, bytes(8))
    assert run(runtime, "bpf_res_spin_lock", lock) == 0
    assert run(runtime, "bpf_res_spin_lock", lock) == run(runtime, "bpf_res_spin_lock_irqsave", lock, saved) == -35
    run(runtime, "bpf_res_spin_unlock", lock)
    assert run(runtime, "bpf_res_spin_lock_irqsave", lock, saved) == 0


def test_areas_are_found_by_address() -> None:
    runtime = Runtime(Memory(), Btf.parse(EMULATED.read_bytes()))
    assert runtime.btf is not None
    area = runtime.memory.alloc(256)
    found = View(runtime.memory, runtime.btf, runtime.btf.find("vm_area_struct", t.Struct), area)
    found["vm_start"] = 0x2000

    class OneArea(FewTasks):
        def vmas(self, task: int) -> list[tuple[int, int]] | None:
            return [(0x5000, area)] if task == 0x100 else None

    runtime.tasks = OneArea()
    seen: list[tuple[int, ...]] = []

    def visit(*args: int) -> int:
        seen.append(args)
        return 1

    def find(task: int, addr: int, flags: int = 0) -> int:
        return call(runtime, "find_vma", task, addr, 1, 77, flags, callbacks=(visit,))

    assert [find(0x100, addr) for addr in (0x1FFF, 0x2000, 0x4FFF, 0x5000)] == [-errno.ENOENT, 0, 0, -errno.ENOENT]
    assert (find(0x100, 0x2000, 1), find(0, 0x2000), find(0x300, 0x2000)) == (-errno.EINVAL, *[-errno.ENOENT] * 2)
    assert seen == [(0x100, area, 77)] * 2


def test_symbols_have_addresses(runtime: Runtime) -> None:
    runtime.symbol_address = {"psi_system": 0x123}.get
    to = put(runtime, bytes(8))
    assert call(runtime, "kallsyms_lookup_name", put(runtime, b"psi_system\0"), 11, 0, to) == 0
    assert runtime.memory.u64(to) == 0x123


def test_strings_of_the_current_task(runtime: Runtime) -> None:
    runtime.current = lambda: 0x100
    runtime.read_user = lambda addr, size: b"user\0more"[addr - 0x1000 :][:size] if 0x1000 <= addr < 0x1009 else None
    to = put(runtime, b"x" * 8)
    assert run(runtime, "bpf_copy_from_user_task_str", to, 8, 0x1000, 0x100, 1) == 5
    assert runtime.memory.read(to, 8) == b"user" + bytes(4)
    assert run(runtime, "bpf_copy_from_user_task_str", to, 8, 0x1000, 0x200, 2) == -errno.EINVAL
    with pytest.raises(Unsupported, match="another task"):
        run(runtime, "bpf_copy_from_user_task_str", to, 8, 0x1000, 0x200, 0)


@pytest.mark.parametrize("kind", ["kmem_cache", "dmabuf"])
def test_walks_over_what_is_not_there(runtime: Runtime, kind: str) -> None:
    it = put(runtime, bytes(8))
    assert [run(runtime, f"bpf_iter_{kind}_{step}", it) for step in ("new", "next", "destroy")] == [0, 0, 0]


def test_signals_are_written_down() -> None:
    runtime = Runtime(Memory(), Btf.parse(EMULATED.read_bytes()))
    assert runtime.btf is not None
    task = runtime.memory.alloc(runtime.btf.size_of(runtime.btf.find("task_struct", t.Struct)))
    found = runtime.task_at(task)
    assert found is not None
    found.pid, found.tgid = 78, 77
    assert call(runtime, "send_signal", 9) == -errno.EPERM
    runtime.current = lambda: task
    assert [call(runtime, name, 9) for name in ("send_signal", "send_signal_thread")] == [0, 0]
    assert run(runtime, "bpf_send_signal_task", task, 15, 1) == 0
    assert run(runtime, "bpf_send_signal_task", task, 15, 2) == -errno.EINVAL
    assert [str(each) for each in runtime.signals] == [
        *("signal 9 to process 77", "signal 9 to thread 78", "signal 15 to process 77")
    ]
    found.tgid = 1
    assert call(runtime, "send_signal", 9) == -errno.EPERM
