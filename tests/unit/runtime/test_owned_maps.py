# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Maps whose elements belong to kernel objects, or go between user space and programs."""

from __future__ import annotations

import errno

import pytest

from bpfvm.btf.builder import Builder
from bpfvm.errors import SyscallError
from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec
from bpfvm.runtime import Runtime
from bpfvm.runtime.maps import LocalStorageMap, PerfEventArrayMap, UserRingbufMap
from bpfvm.runtime.maps.local_storage import GET_F_CREATE
from bpfvm.runtime.maps.map_in_map import ArrayOfMapsMap

OWNER, OTHER = 0xFFFF_8880_0000_1000, 0xFFFF_8880_0000_2000


@pytest.fixture
def runtime() -> Runtime:
    return Runtime(Memory(checker="kasan"), None)


def storage(runtime: Runtime) -> LocalStorageMap:
    builder = Builder()
    number = builder.integer("int", 4, signed=True)
    spec = MapSpec("s", "task_storage", 4, 4, 0, 1, btf=builder.build(), key_type_id=number, value_type_id=number)
    made = runtime.create_map(spec)
    assert isinstance(made, LocalStorageMap)
    return made


def test_storage_is_made_when_asked_for_and_belongs_to_one_owner(runtime: Runtime) -> None:
    made = storage(runtime)
    assert made.storage(OWNER, 0, 0) == 0
    addr = made.storage(OWNER, 0, GET_F_CREATE)
    runtime.memory.store(addr, 4, 7)
    assert made.storage(OWNER, 0, 0) == addr != made.storage(OTHER, 0, GET_F_CREATE)
    assert (made.get_of(OWNER), made.get_of(OTHER)) == (b"\7\0\0\0", bytes(4))
    assert (made.drop(OWNER), made.drop(OWNER), made.drop(0)) == (0, -errno.ENOENT, -errno.EINVAL)
    with pytest.raises(SyscallError, match="ENOENT"):
        made.get_of(OWNER)


def test_new_storage_may_begin_as_a_copy(runtime: Runtime) -> None:
    made = storage(runtime)
    first = made.storage(OWNER, 0, GET_F_CREATE)
    runtime.memory.store(first, 4, 9)
    assert runtime.memory.load(made.storage(OTHER, first, GET_F_CREATE), 4) == 9
    assert made.storage(OTHER, 0, 2) == made.storage(0, 0, GET_F_CREATE) == 0


def test_user_space_updates_storage_with_flags(runtime: Runtime) -> None:
    made = storage(runtime)
    made.update_of(OWNER, b"abcd", 1)
    with pytest.raises(SyscallError, match="EEXIST"):
        made.update_of(OWNER, b"efgh", 1)
    with pytest.raises(SyscallError, match="ENOENT"):
        made.update_of(OTHER, b"efgh", 2)
    made.delete_of(OWNER)
    assert len(made) == 0


def test_perf_records_go_to_the_open_slot_of_the_current_cpu(runtime: Runtime) -> None:
    made = runtime.create_map(MapSpec("p", "perf_event_array", 4, 4, 2))
    assert isinstance(made, PerfEventArrayMap)
    current = 0xFFFF_FFFF
    assert made.output(current, b"x") == -errno.ENOENT
    made.open(0)
    made.open(1)
    assert (made.output(current, b"one"), made.output(0, b"two")) == (0, 0)
    assert (made.output(1, b"x"), made.output(2, b"x")) == (-errno.EOPNOTSUPP, -errno.E2BIG)
    assert made.output(1 << 32, b"x") == -errno.EINVAL
    assert (made.records(0), made.records(0), made.records(1)) == ([b"one", b"two"], [], [])


def test_user_samples_come_in_order_and_round_the_end(runtime: Runtime) -> None:
    made = runtime.create_map(MapSpec("u", "user_ringbuf", 0, 0, 4096))
    assert isinstance(made, UserRingbufMap)
    taken = []
    for turn in range(40):
        sample = bytes([turn]) * (200 + turn)
        made.push(sample)
        made.push(b"gone", discard=True)
        found = made.peek_sample()
        assert isinstance(found, tuple)
        taken.append(runtime.memory.read(*found) == sample)
        made.release_sample(found[1])
        assert made.peek_sample() == -errno.EAGAIN
    assert all(taken)
    assert made.peek_sample() == -errno.ENODATA


def test_a_full_user_ring_refuses_and_bad_positions_are_seen(runtime: Runtime) -> None:
    made = runtime.create_map(MapSpec("u", "user_ringbuf", 0, 0, 4096))
    assert isinstance(made, UserRingbufMap)
    made.push(bytes(4088))
    with pytest.raises(SyscallError, match="ENOSPC"):
        made.push(b"")
    with pytest.raises(SyscallError, match="E2BIG"):
        made.push(bytes(4096))
    runtime.memory.store(made.base + 2 * 4096, 8, 4)
    assert made.peek_sample() == -errno.EINVAL
    runtime.memory.store(made.base + 2 * 4096, 8, 8)
    assert made.peek_sample() == -errno.EINVAL


def test_a_program_finds_inner_maps_by_address(runtime: Runtime) -> None:
    inner = runtime.create_map(MapSpec("i", "hash", 4, 4, 2))
    outer = runtime.create_map(MapSpec("o", "array_of_maps", 4, 4, 2, inner=inner.spec))
    assert isinstance(outer, ArrayOfMapsMap)
    outer.update(b"\1\0\0\0", inner.id.to_bytes(4, "little"))
    assert (outer.lookup_elem(bytes(4)), outer.lookup_elem(b"\1\0\0\0")) == (0, inner.addr)
    assert outer.get(b"\1\0\0\0") == inner.id.to_bytes(4, "little")
