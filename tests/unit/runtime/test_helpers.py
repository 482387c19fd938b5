# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
from __future__ import annotations

import errno
from pathlib import Path

import pytest

from bpfvm.btf import Btf
from bpfvm.engine.trap import Unsupported
from bpfvm.errors import KernelReport
from bpfvm.isa.helper_ids import HELPER_ID
from bpfvm.memory import Memory, view
from bpfvm.obj.model import MapSpec
from bpfvm.runtime import Runtime
from bpfvm.runtime.helpers import HELPER_TABLE
from tests.unit.runtime.frames import call, put

PROMISED = set(
    """
    map_lookup_elem map_update_elem map_delete_elem map_push_elem map_pop_elem map_peek_elem
    map_lookup_percpu_elem get_prandom_u32 get_smp_processor_id get_numa_node_id ktime_get_ns ktime_get_boot_ns
    ktime_get_tai_ns ktime_get_coarse_ns jiffies64 ringbuf_output ringbuf_reserve ringbuf_submit ringbuf_discard
    ringbuf_query strncmp strtol strtoul get_current_pid_tgid get_current_uid_gid get_current_comm
    get_current_task get_current_task_btf get_current_cgroup_id get_current_ancestor_cgroup_id probe_read_kernel
    probe_read_kernel_str probe_read_user probe_read_user_str probe_read probe_read_str trace_printk trace_vprintk
    snprintf for_each_map_elem loop spin_lock spin_unlock per_cpu_ptr this_cpu_ptr get_ns_current_pid_tgid
    """.split()  # noqa: SIM905  # a list of names reads better as words
)
EMULATED = Path(__file__).parents[3] / "thpmm/kernel/emulated.btf"


@pytest.fixture
def runtime() -> Runtime:
    return Runtime(Memory(checker="kasan"), None)


def test_what_is_promised_is_there() -> None:
    assert {HELPER_ID[name] for name in PROMISED} <= HELPER_TABLE.keys()


def test_other_helpers_trap_by_name(runtime: Runtime) -> None:
    with pytest.raises(Unsupported, match="not emulated: bpf_skb_store_bytes"):
        call(runtime, "skb_store_bytes")


def test_map_helpers(runtime: Runtime) -> None:
    found = runtime.create_map(MapSpec("m", "hash", 4, 8, 1))
    key, value = put(runtime, b"abcd"), put(runtime, b"12345678")
    assert call(runtime, "map_lookup_elem", found.addr, key) == 0
    assert call(runtime, "map_update_elem", found.addr, key, value, 2) == -errno.ENOENT
    assert call(runtime, "map_update_elem", found.addr, key, value, 0) == 0
    addr = call(runtime, "map_lookup_elem", found.addr, key) & (1 << 64) - 1
    assert runtime.memory.read(addr, 8) == b"12345678"
    other = put(runtime, b"wxyz")
    assert call(runtime, "map_update_elem", found.addr, other, value, 0) == -errno.E2BIG
    assert call(runtime, "map_delete_elem", found.addr, key) == 0
    assert call(runtime, "map_delete_elem", found.addr, key) == -errno.ENOENT
    with pytest.raises(Unsupported, match="is no map"):
        call(runtime, "map_lookup_elem", 0x1234, key)


def test_queue_helpers(runtime: Runtime) -> None:
    found = runtime.create_map(MapSpec("m", "queue", 0, 4, 2))
    value = put(runtime, b"abcd")
    assert call(runtime, "map_push_elem", found.addr, value, 0) == 0
    out = put(runtime, bytes(4))
    assert call(runtime, "map_peek_elem", found.addr, out) == 0
    assert call(runtime, "map_pop_elem", found.addr, out) == 0
    assert runtime.memory.read(out, 4) == b"abcd"
    assert call(runtime, "map_pop_elem", found.addr, out) == -errno.ENOENT
    assert runtime.memory.read(out, 4) == bytes(4)


@pytest.mark.parametrize("kind", ["array", "hash", "percpu_array"])
def test_for_each_map_elem(runtime: Runtime, kind: str) -> None:
    found = runtime.create_map(MapSpec("m", kind, 4, 4, 3))
    for n in range(3):
        found.update_elem(bytes([n, 0, 0, 0]), bytes([n + 10, 0, 0, 0]), 0)
    seen: list[tuple[int, ...]] = []

    def visit(map_addr: int, key: int, value: int, ctx: int) -> int:
        seen.append((map_addr, runtime.memory.load(key, 4), runtime.memory.load(value, 4), ctx))
        return int(len(seen) == 2)

    assert call(runtime, "for_each_map_elem", found.addr, 1, 77, 0, callbacks=(visit,)) == 2
    assert seen == [(found.addr, 0, 10, 77), (found.addr, 1, 11, 77)]
    assert call(runtime, "for_each_map_elem", found.addr, 1, 77, 1, callbacks=(visit,)) == -errno.EINVAL


def test_ring_buffer_helpers(runtime: Runtime) -> None:
    found = runtime.create_map(MapSpec("m", "ringbuf", 0, 0, 4096))
    sample = call(runtime, "ringbuf_reserve", found.addr, 8, 0) & (1 << 64) - 1
    runtime.memory.set_u64(sample, 5)
    call(runtime, "ringbuf_submit", sample, 0)
    gone = call(runtime, "ringbuf_reserve", found.addr, 8, 0)
    call(runtime, "ringbuf_discard", gone, 0)
    assert call(runtime, "ringbuf_output", found.addr, put(runtime, b"xyz"), 3, 0) == 0
    assert call(runtime, "ringbuf_query", found.addr, 0) == 48
    assert list(found.consume()) == [b"\5" + bytes(7), b"xyz"]  # type: ignore[attr-defined]  # it is a ring buffer
    assert call(runtime, "ringbuf_reserve", found.addr, 8, 1) == 0
    with pytest.raises(Unsupported, match="no ring buffer record"):
        call(runtime, "ringbuf_submit", put(runtime, bytes(64)) + 16, 0)


def test_loop(runtime: Runtime) -> None:
    seen: list[tuple[int, int]] = []

    def body(index: int, ctx: int) -> int:
        seen.append((index, ctx))
        return int(index == 3)

    assert call(runtime, "loop", 3, 1, 9, 0, callbacks=(body,)) == 3
    assert call(runtime, "loop", 10, 1, 9, 0, callbacks=(body,)) == 4
    assert seen[-1] == (3, 9)
    assert call(runtime, "loop", 1, 1, 0, 1) == -errno.EINVAL
    assert call(runtime, "loop", (8 << 20) + 1, 1, 0, 0) == -errno.E2BIG
    assert call(runtime, "loop", 0, 1, 0, 0) == 0


def test_time_chance_and_place(runtime: Runtime) -> None:
    first, second = call(runtime, "ktime_get_ns"), call(runtime, "ktime_get_boot_ns")
    assert second > first
    assert call(runtime, "ktime_get_tai_ns") > 1_700_000_000_000_000_000
    assert call(runtime, "ktime_get_coarse_ns") <= runtime.clock.ns
    assert call(runtime, "ktime_get_coarse_ns") % 4_000_000 == 0
    ticks = call(runtime, "jiffies64")
    runtime.clock.advance(1_000_000_000)
    assert call(runtime, "jiffies64") == ticks + 250
    runtime.cpu = 1
    assert call(runtime, "get_smp_processor_id") == 1
    assert call(runtime, "get_numa_node_id") == 0
    numbers = [call(runtime, "get_prandom_u32") for _ in range(4)]
    again = Runtime(Memory(), None)
    again.cpu = 1
    assert [call(again, "get_prandom_u32") for _ in range(4)] == numbers
    assert len(set(numbers)) == 4


def test_spin_locks_are_checked(runtime: Runtime) -> None:
    lock = put(runtime, bytes(4))
    call(runtime, "spin_lock", lock)
    assert runtime.memory.load(lock, 4) == 1
    with pytest.raises(KernelReport, match="spinlock recursion"):
        call(runtime, "spin_lock", lock)
    call(runtime, "spin_unlock", lock)
    with pytest.raises(KernelReport, match="already unlocked"):
        call(runtime, "spin_unlock", lock)


def test_per_cpu_variables(runtime: Runtime) -> None:
    runtime.percpu_vars[0x1000] = (0x5000, 0x6000)
    assert call(runtime, "per_cpu_ptr", 0x1000, 1) == 0x6000
    assert call(runtime, "per_cpu_ptr", 0x1000, 2) == 0
    assert call(runtime, "this_cpu_ptr", 0x1000) == 0x5000
    with pytest.raises(Unsupported, match="no per-CPU variable"):
        call(runtime, "this_cpu_ptr", 0x2000)


def test_the_current_task() -> None:
    runtime = Runtime(Memory(), Btf.parse(EMULATED.read_bytes()))
    assert call(runtime, "get_current_pid_tgid") == 0
    out = put(runtime, b"\xff" * 16)
    assert call(runtime, "get_current_comm", out, 16) == 0
    assert runtime.memory.read(out, 16) == b"swapper/0".ljust(16, b"\0")
    assert runtime.btf is not None
    size = view(runtime.memory, runtime.btf, "task_struct", 1).sizeof()
    task = view(runtime.memory, runtime.btf, "task_struct", runtime.memory.alloc(size))
    task.pid, task.tgid, task.comm = 12, 10, b"fifteen-letters"
    runtime.current = lambda: task.addr
    runtime.uid_gid = lambda: (1000, 100)
    runtime.cgroup_id = lambda: 77
    assert call(runtime, "get_current_pid_tgid") == 10 << 32 | 12
    assert call(runtime, "get_current_uid_gid") == 100 << 32 | 1000
    assert call(runtime, "get_current_cgroup_id") == 77
    assert call(runtime, "get_current_task") & (1 << 64) - 1 == task.addr
    assert call(runtime, "get_current_comm", out, 8) == 0
    assert runtime.memory.read(out, 8) == b"fifteen\0"
    info = put(runtime, b"\xff" * 8)
    assert call(runtime, "get_ns_current_pid_tgid", 1, 2, info, 8) == -errno.EINVAL
    assert runtime.memory.read(info, 8) == bytes(8)
    runtime.ns_ids = lambda dev, inode: (3, 4)
    assert call(runtime, "get_ns_current_pid_tgid", 1, 2, info, 8) == 0
    assert runtime.memory.read(info, 8) == b"\3\0\0\0\4\0\0\0"


def test_probe_reads(runtime: Runtime) -> None:
    source, to = put(runtime, b"hello\0world"), put(runtime, b"\xee" * 16)
    assert call(runtime, "probe_read_kernel", to, 5, source) == 0
    assert runtime.memory.read(to, 6) == b"hello\xee"
    assert call(runtime, "probe_read_kernel_str", to, 16, source) == 6
    assert call(runtime, "probe_read_kernel_str", to, 3, source) == 3
    assert runtime.memory.read(to, 3) == b"he\0"
    runtime.memory.free(source)
    assert call(runtime, "probe_read_kernel", to, 5, source) == 0
    runtime.read_user = lambda addr, size: b"user\0more"[addr - 0x4000 :][:size] if addr >= 0x4000 else None
    assert call(runtime, "probe_read_user_str", to, 16, 0x4000) == 5
    assert call(runtime, "probe_read_user", to, 4, 0x4000) == 0
    assert call(runtime, "probe_read_user", to, 4, 0x3000) == -errno.EFAULT
    assert runtime.memory.read(to, 4) == bytes(4)
    assert call(runtime, "probe_read", to, 4, 0x4000) == 0
    assert call(runtime, "probe_read", to, 4, source) == 0
    assert call(runtime, "probe_read_kernel", to, 0, 0) == 0
