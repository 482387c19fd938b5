# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Timers and work queues run when time passes."""

from __future__ import annotations

import errno

import pytest

from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec
from bpfvm.runtime import Map, Runtime
from bpfvm.runtime.kfuncs import KFUNCS
from tests.unit.memory.btf_bytes import BtfBytes
from tests.unit.runtime.frames import PythonFrame, call

SIZE = 32


def make(kind: str) -> Map:
    """Value: struct { struct bpf_timer timer; struct bpf_wq work; }"""
    btf = BtfBytes()
    u64 = btf.int("u64", 8)
    timer, work = (btf.struct(name, 16, ("opaque", u64, 0)) for name in ("bpf_timer", "bpf_wq"))
    value = btf.struct("value", SIZE, ("timer", timer, 0), ("work", work, 128))
    spec = MapSpec("m", kind, 4, SIZE, 4, btf=btf.btf(), value_type_id=value)
    made = Runtime(Memory(checker="kasan"), None).create_map(spec)
    made.update(b"\1\0\0\0", bytes(SIZE))
    return made


@pytest.mark.parametrize("kind", ["array", "hash", "lru_hash"])
def test_a_timer_calls_its_function_when_its_time_has_come(kind: str) -> None:
    found = make(kind)
    runtime, timer = found.rt, found.lookup_elem(b"\1\0\0\0")
    seen: list[tuple[int, int, int]] = []

    def fired(map_addr: int, key: int, value: int) -> int:
        seen.append((map_addr, runtime.memory.load(key, 4), value))
        return 0

    assert call(runtime, "timer_start", timer, 5, 0) == -errno.EINVAL
    assert call(runtime, "timer_init", timer, found.addr, 1) == 0
    assert call(runtime, "timer_init", timer, found.addr, 1) == -errno.EBUSY
    assert call(runtime, "timer_init", timer, found.addr, 5) == -errno.EINVAL
    assert call(runtime, "timer_start", timer, 5, 0) == -errno.EINVAL
    assert call(runtime, "timer_set_callback", timer, 1, callbacks=(fired,)) == 0
    assert call(runtime, "timer_start", timer, 1000, 0) == 0
    runtime.elapse(999)
    assert seen == []
    runtime.elapse(1)
    runtime.elapse(10_000)
    assert seen == [(found.addr, 1, timer)]


def test_cancelled_and_freed_timers_never_run() -> None:
    found = make("hash")
    runtime, timer = found.rt, found.lookup_elem(b"\1\0\0\0")
    answers: list[int] = []

    def fired(*_: int) -> int:
        answers.append(call(runtime, "timer_cancel", timer))
        return 0

    call(runtime, "timer_init", timer, found.addr, 1)
    call(runtime, "timer_set_callback", timer, 1, callbacks=(fired,))
    call(runtime, "timer_start", timer, 10, 0)
    assert (call(runtime, "timer_cancel", timer), call(runtime, "timer_cancel", timer)) == (1, 0)
    call(runtime, "timer_start", timer, 10, 0)
    runtime.elapse(10)
    assert answers == [-35]
    call(runtime, "timer_start", timer, 10, 0)
    found.delete(b"\1\0\0\0")
    runtime.elapse(100)
    assert answers == [-35]


def test_work_runs_as_soon_as_time_passes() -> None:
    found = make("array")
    runtime, work = found.rt, found.lookup_elem(b"\1\0\0\0") + 16
    seen: list[int] = []
    frame = PythonFrame(runtime.memory, lambda map_addr, key, value: seen.append(value) or 0)

    def kfunc(name: str, *args: int) -> int:
        return runtime.kfuncs[f"bpf_{name}"](runtime, (*args, 0, 0, 0, 0, 0)[:5], frame)

    assert kfunc("wq_start", work, 0) == -errno.EINVAL
    assert kfunc("wq_init", work, found.addr, 1) == -errno.EINVAL
    assert kfunc("wq_init", work, found.addr, 0) == 0
    assert kfunc("wq_init", work, found.addr, 0) == -errno.EBUSY
    assert kfunc("wq_set_callback_impl", work, 1, 0) == 0
    assert kfunc("wq_start", work, 0) == 0
    assert seen == []
    runtime.elapse()
    assert seen == [work - 16]


@pytest.mark.parametrize("how", ["signal", "resume"])
def test_work_of_a_task_runs_once_each_time_it_is_scheduled(how: str) -> None:
    found = make("hash")
    runtime, place = found.rt, found.lookup_elem(b"\1\0\0\0") + 16
    seen: list[tuple[int, ...]] = []

    def schedule() -> int:
        args = (7, place, found.addr, 1, 0)
        return KFUNCS[f"bpf_task_work_schedule_{how}_impl"](runtime, args, PythonFrame(runtime.memory, ran))

    def ran(map_addr: int, key: int, value: int) -> int:
        seen.append((map_addr, runtime.memory.load(key, 4), value, schedule()))
        return 0

    assert (schedule(), schedule()) == (0, -errno.EBUSY)
    runtime.elapse(0)
    runtime.elapse(5)
    assert seen == [(found.addr, 1, place - 16, -errno.EBUSY)]
    assert schedule() == 0
    found.delete(b"\1\0\0\0")
