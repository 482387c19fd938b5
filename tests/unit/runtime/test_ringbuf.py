# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
from __future__ import annotations

import pytest

from bpfvm.errors import KernelReport, SyscallError
from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec
from bpfvm.runtime import Runtime
from bpfvm.runtime.maps import RingbufMap


@pytest.fixture
def ring() -> RingbufMap:
    made = Runtime(Memory(checker="kasan"), None).create_map(MapSpec("rb", "ringbuf", 0, 0, 4096))
    assert isinstance(made, RingbufMap)
    return made


def test_records_come_out_in_the_order_they_were_reserved(ring: RingbufMap) -> None:
    first, second = ring.reserve(5), ring.reserve(8)
    ring.memory.write(second, b"second..")
    ring.commit(second, 0)
    assert list(ring.consume()) == []
    ring.memory.write(first, b"first")
    ring.commit(first, 0)
    assert list(ring.consume()) == [b"first", b"second.."]
    assert ring.consumer_pos == ring.producer_pos == 32


def test_the_header_is_the_kernels(ring: RingbufMap) -> None:
    sample = ring.reserve(20)
    assert ring.memory.load(sample - 8, 4) == 20 | 1 << 31
    assert ring.memory.load(sample - 4, 4) == 3
    ring.commit(sample, 0, discard=True)
    assert ring.memory.load(sample - 8, 4) == 20 | 1 << 30
    assert list(ring.consume()) == []
    assert ring.consumer_pos == 32


def test_records_run_over_the_end(ring: RingbufMap) -> None:
    for n in range(300):
        record = bytes([n & 0xFF]) * (n * 7 % 900 + 1)
        assert ring.output(record, 0) == 0
        assert list(ring.consume()) == [record]


def test_a_full_buffer_refuses_until_something_is_consumed(ring: RingbufMap) -> None:
    while ring.output(b"x" * 100, 0) == 0:
        pass
    assert ring.reserve(100) == 0
    assert len(list(ring.consume())) == 36
    assert ring.reserve(100) != 0


def test_an_old_uncommitted_record_holds_the_buffer(ring: RingbufMap) -> None:
    ring.output(b"a" * 1000, 0)
    busy = ring.reserve(1000)
    list(ring.consume())
    assert ring.output(b"b" * 2000, 0) == 0
    assert ring.reserve(1100) == 0
    ring.commit(busy, 0)
    list(ring.consume())
    assert ring.reserve(1100) != 0


def test_wakeups(ring: RingbufMap) -> None:
    woken: list[int] = []
    ring.on_wakeup = lambda: woken.append(1)
    ring.output(b"a", 0)
    ring.output(b"b", 0)
    assert ring.wakeups == len(woken) == 1
    ring.output(b"c", 2)
    assert ring.wakeups == 2
    list(ring.consume())
    ring.output(b"d", 1)
    assert ring.wakeups == 2


def test_user_space_can_not_use_element_calls(ring: RingbufMap) -> None:
    with pytest.raises(SyscallError, match="ENOTSUPP"):
        ring.get(b"")


def test_a_record_is_committed_once(ring: RingbufMap) -> None:
    sample = ring.reserve(8)
    ring.commit(sample, 0)
    with pytest.raises(KernelReport, match="committed twice"):
        ring.commit(sample, 0)
