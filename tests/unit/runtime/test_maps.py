# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Map kinds. That errnos are the kernel's is checked against the kernel in tests/differential/test_maps_oracle.py."""

from __future__ import annotations

import errno

import pytest

from bpfvm.errors import SyscallError, UsageError
from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec
from bpfvm.runtime import Map, Runtime
from bpfvm.runtime.maps import ArrayMap, HashMap, QueueMap

RDONLY, WRONLY = 8, 16
ONE, TWO = b"\1\0\0\0", b"\2\0\0\0"


def make(
    kind: str = "hash",
    key: int = 4,
    value: int = 8,
    entries: int = 4,
    flags: int = 0,
    *,
    checker: str = "kasan",
    **more: object,
) -> Map:
    runtime = Runtime(Memory(checker=checker), None)
    return runtime.create_map(MapSpec("m", kind, key, value, entries, flags, **more))  # type: ignore[arg-type]  # test data


def errno_of(found: Map, name: str, *args: object) -> int:
    with pytest.raises(SyscallError) as error:
        getattr(found, name)(*args)
    return error.value.errno


def test_array_values_lie_in_a_row_and_are_seen_by_programs() -> None:
    found = make("array", value=12, entries=3)
    assert isinstance(found, ArrayMap)
    found.update(ONE, b"hello world!")
    assert found.memory.read(found.values + 16, 12) == b"hello world!"
    assert found.lookup(ONE) == found.lookup_elem(ONE) == found.values + 16
    assert (found.lookup(b"\3\0\0\0"), found.lookup_elem(b"\3\0\0\0")) == (None, 0)
    assert [key[0] for key, _ in found.items()] == [0, 1, 2]


def test_hash_keys_come_in_the_order_of_their_first_insertion() -> None:
    found = make(entries=200)
    names = [bytes([n * 37 % 101, 0, 0, 0]) for n in range(101)]
    for name in names:
        found.update(name, bytes(8))
    found.update(names[5], b"12345678")
    for name in names[10:90]:
        found.delete(name)
    assert list(found.keys()) == names[:10] + names[90:]
    assert found.next_key(b"\xff\xff\xff\xff") == names[0]
    assert errno_of(found, "next_key", names[-1]) == errno.ENOENT
    assert isinstance(found, HashMap)
    assert len(found) == 21


@pytest.mark.parametrize("flags", [0, 1])
def test_a_pointer_to_a_deleted_value_stays_usable_and_the_element_is_used_next(flags: int) -> None:
    found = make(flags=flags)
    found.update(ONE, b"11111111")
    addr = found.lookup_elem(ONE)
    found.delete(ONE)
    assert found.memory.read(addr, 8) == b"11111111"
    found.update(TWO, b"22222222")
    assert found.lookup_elem(TWO) == addr


def test_percpu_values_are_one_per_cpu() -> None:
    for kind in ("percpu_array", "percpu_hash", "lru_percpu_hash"):
        found = make(kind, value=4)
        found.rt.cpu = 1
        assert found.update_elem(ONE, b"abcd", 0) == 0
        assert found.get(ONE) == bytes(8) + b"abcd" + bytes(4)
        assert found.lookup_elem(ONE) == found.lookup_percpu_elem(ONE, 1) != found.lookup_percpu_elem(ONE, 0)
        assert found.lookup_percpu_elem(ONE, 2) == 0
        found.update(ONE, b"1111....2222....")
        found.rt.cpu = 0
        assert found.memory.read(found.lookup_elem(ONE), 4) == b"1111"


@pytest.mark.parametrize("kind", ["lru_hash", "lru_percpu_hash"])
def test_a_full_lru_map_drops_what_was_not_used_for_longest(kind: str) -> None:
    found = make(kind, entries=3)
    value = bytes(found.user_value_size)
    for n in range(3):
        found.update(bytes([n, 0, 0, 0]), value)
    found.lookup_elem(bytes(4))
    found.get(ONE)
    found.update(b"\7\0\0\0", value)
    assert sorted(key[0] for key, _ in found.items()) == [0, 2, 7]
    found.delete(TWO)
    found.update(b"\x08\0\0\0", value)
    assert sorted(key[0] for key, _ in found.items()) == [0, 7, 8]


def test_queue_and_stack() -> None:
    for kind, order in (("queue", b"abc"), ("stack", b"cba")):
        found = make(kind, key=0, value=1, entries=3)
        assert isinstance(found, QueueMap)
        for letter in (b"a", b"b", b"c"):
            found.update(b"", letter)
        assert found.push_elem(b"d", 0) == -errno.E2BIG
        assert bytes(found.pop()[0] for _ in range(3)) == order
        assert errno_of(found, "pop") == errno.ENOENT
        with pytest.raises(UsageError, match="no addresses"):
            found.lookup(b"")
    for letter in b"abcd":
        assert found.push_elem(bytes([letter]), 2) == 0
    assert found.get(b"") == b"d"
    assert len(found) == 3


def test_frozen_maps_can_be_read_and_written_by_programs_only() -> None:
    found = make("array", value=4, entries=1, initial=b"ab", frozen=True)
    assert found.get(bytes(4)) == b"ab\0\0"
    assert errno_of(found, "update", bytes(4), b"1234") == errno.EPERM
    assert errno_of(found, "freeze") == errno.EBUSY
    assert found.update_elem(bytes(4), b"1234", 0) == 0


def test_user_space_access_flags() -> None:
    assert errno_of(make(flags=RDONLY), "update", ONE, bytes(8)) == errno.EPERM
    assert errno_of(make(flags=RDONLY), "delete", ONE) == errno.EPERM
    assert errno_of(make(flags=WRONLY), "get", ONE) == errno.EPERM
    assert errno_of(make(flags=WRONLY), "next_key") == errno.EPERM


def test_wrong_sizes_are_the_callers_mistake() -> None:
    found = make()
    with pytest.raises(UsageError, match="a key has 4 bytes, not 1"):
        found.get(b"1")
    with pytest.raises(UsageError, match="a value has 8 bytes, not 1"):
        found.update(ONE, b"1")


def test_kinds_that_are_not_emulated_are_refused_by_name() -> None:
    runtime = Runtime(Memory(), None)
    with pytest.raises(SyscallError, match="type insn_array are not emulated"):
        runtime.create_map(MapSpec("m", "insn_array", 4, 8, 1))
    with pytest.raises(SyscallError, match="no map type 'hashish': EINVAL"):
        runtime.create_map(MapSpec("m", "hashish", 4, 8, 1))
    for sizes in ((-1, 8, 1), (4, 1 << 40, 1), (4, 8, 1 << 33)):
        with pytest.raises(SyscallError, match="EINVAL"):
            runtime.create_map(MapSpec("m", "hash", *sizes))
    with pytest.raises(SyscallError, match="ENOMEM"):
        runtime.create_map(MapSpec("m", "array", 4, 1 << 20, 1 << 20))


@pytest.mark.parametrize(
    "kind", ["array", "percpu_array", "hash", "percpu_hash", "lru_hash", "lru_percpu_hash", "queue", "ringbuf"]
)
def test_a_deleted_map_leaves_nothing_behind(kind: str) -> None:
    runtime = Runtime(Memory(checker="kasan"), None)
    sizes = {"queue": (0, 8, 4), "ringbuf": (0, 0, 4096)}.get(kind, (4, 8, 4))
    found = runtime.create_map(MapSpec("m", kind, *sizes))
    if kind not in ("queue", "ringbuf"):
        found.update(ONE, bytes(found.user_value_size))
        found.update(TWO, bytes(found.user_value_size))
    assert runtime.map_at(found.addr) is runtime.map_named("m") is found
    runtime.delete_map(found.id)
    assert runtime.memory.live_blocks() == []
    assert (runtime.maps, runtime.ringbufs) == ({}, {})
    with pytest.raises(UsageError, match="no map 'm'"):
        runtime.map_named("m")


def test_elements_may_be_deleted_while_they_are_walked() -> None:
    found = make(entries=8)
    for n in range(6):
        found.update(bytes([n, 0, 0, 0]), bytes([n]) * 8)
    seen = []
    for key, value in found.elements():
        seen.append(found.memory.load(value, 1))
        found.delete_elem(found.memory.read(key, 4))
        found.delete_elem(bytes([seen[-1] + 1, 0, 0, 0]))
    assert seen == [0, 2, 4]
    assert list(found.keys()) == []


def test_hash_lookup_and_delete() -> None:
    found = make()
    found.update(ONE, b"12345678")
    assert isinstance(found, HashMap)
    assert found.pop(ONE) == b"12345678"
    assert errno_of(found, "pop", ONE) == errno.ENOENT
