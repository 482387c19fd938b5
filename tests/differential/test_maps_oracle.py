# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The same operations on our maps and on the running kernel's: every errno and every byte must agree."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from bpfvm.errors import SyscallError
from bpfvm.isa.asm import asm
from bpfvm.isa.insn import encode
from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec
from bpfvm.runtime import Map, Runtime
from tests import kernel_oracle
from tests.differential.bpf_maps import KernelMap, create, possible_cpus, unusable

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=f"the kernel can't be the oracle: {WHY_NOT}")


def _runtime() -> Runtime:
    return Runtime(Memory(), None, cpus=possible_cpus())


def _ours(found: Map, name: str, *args: object) -> tuple[int, bytes]:
    try:
        return 0, getattr(found, name)(*args) or b""
    except SyscallError as error:
        return error.errno, b""


KINDS = [
    ("array", 4, 12, 5, 0),
    ("percpu_array", 4, 12, 5, 0),
    ("hash", 6, 12, 4, 0),
    ("hash", 4, 8, 4, 1),
    ("percpu_hash", 4, 12, 4, 0),
    ("percpu_hash", 4, 4, 4, 1),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind[0]}-{kind[4]}")
@pytest.mark.parametrize("seed", range(4))
def test_random_operations_agree(kind: tuple[str, int, int, int, int], seed: int) -> None:
    name, key_size, value_size, entries, flags = kind
    dice = random.Random(f"{name} {flags} {seed}")
    ours = _runtime().create_map(MapSpec("m", name, key_size, value_size, entries, flags))
    size = ours.user_value_size
    theirs = KernelMap(name, key_size, size, entries, flags) if size == value_size else None
    if theirs is None:
        theirs = KernelMap(name, key_size, value_size, entries, flags)
        theirs.value_size = size
    try:
        for _ in range(300):
            key = dice.randrange(entries + 3).to_bytes(key_size, "little")
            flag = dice.choice((0, 0, 0, 1, 2, 3, 4, 5, 8))
            operation, args = dice.choice(
                (
                    ("get", (key,)),
                    ("get", (key, flag)),
                    ("update", (key, dice.randbytes(size))),
                    ("update", (key, dice.randbytes(size), flag)),
                    ("delete", (key,)),
                )
            )
            assert _ours(ours, operation, *args) == getattr(theirs, operation)(*args), (operation, args)
        assert set(ours.keys()) == _all_keys(theirs)
        for key in list(ours.keys()):
            assert _ours(ours, "get", key) == theirs.get(key)
    finally:
        theirs.close()


def _all_keys(theirs: KernelMap) -> set[bytes]:
    keys: set[bytes] = set()
    error, key = theirs.next_key(None)
    while not error:
        keys.add(key)
        error, key = theirs.next_key(key)
    return keys


@pytest.mark.parametrize("kind", ["array", "percpu_array"])
@pytest.mark.parametrize("key", [None, 0, 1, 2, 3, 4, 0xFFFF_FFFF])
def test_next_key_of_arrays_agrees(kind: str, key: int | None) -> None:
    given = None if key is None else key.to_bytes(4, "little")
    ours = _runtime().create_map(MapSpec("m", kind, 4, 8, 3))
    theirs = KernelMap(kind, 4, 8, 3)
    try:
        assert _ours(ours, "next_key", given) == theirs.next_key(given)
    finally:
        theirs.close()


@pytest.mark.parametrize("kind", ["hash", "percpu_hash", "lru_hash", "lru_percpu_hash"])
def test_next_key_at_the_edges_of_hashes(kind: str) -> None:
    ours = _runtime().create_map(MapSpec("m", kind, 4, 8, 256))
    theirs = KernelMap(kind, 4, 8, 256)
    try:
        assert _ours(ours, "next_key", None) == theirs.next_key(None)
        assert _ours(ours, "next_key", b"\1\0\0\0") == theirs.next_key(b"\1\0\0\0")
        value = bytes(ours.user_value_size)
        assert _ours(ours, "update", b"\1\0\0\0", value) == theirs.update(b"\1\0\0\0", value)
        for key in (None, b"\1\0\0\0", b"\2\0\0\0"):
            assert _ours(ours, "next_key", key) == theirs.next_key(key)
    finally:
        theirs.close()


@pytest.mark.parametrize("kind", ["lru_hash", "lru_percpu_hash"])
def test_an_lru_map_that_never_fills_agrees(kind: str) -> None:
    dice = random.Random(kind)
    ours = _runtime().create_map(MapSpec("m", kind, 4, 8, 4096))
    theirs = KernelMap(kind, 4, 8, 4096)
    theirs.value_size = size = ours.user_value_size
    try:
        for _ in range(200):
            key = dice.randrange(8).to_bytes(4, "little")
            flag = dice.choice((0, 1, 2, 3, 4))
            operation, args = dice.choice(
                (("get", (key,)), ("update", (key, dice.randbytes(size), flag)), ("delete", (key,)))
            )
            assert _ours(ours, operation, *args) == getattr(theirs, operation)(*args), (operation, args)
    finally:
        theirs.close()


@pytest.fixture
def one_cpu() -> Iterator[int]:
    """The only CPU this thread runs on meanwhile."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    yield min(allowed)
    os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize("kind", ["lru_hash", "lru_percpu_hash"])
@pytest.mark.parametrize("flags", [0, 2])
@pytest.mark.parametrize("entries", [1, 2, 5, 16, 40])
def test_full_lru_maps_drop_the_same_elements(kind: str, flags: int, entries: int, one_cpu: int) -> None:
    """Programs' lookups mark elements, so some of the lookups are a program's."""
    dice = random.Random(f"{kind} {flags} {entries}")
    runtime = _runtime()
    runtime.cpu = one_cpu
    ours = runtime.create_map(MapSpec("m", kind, 4, 8, entries, flags))
    theirs = KernelMap(kind, 4, 8, entries, flags)
    theirs.value_size = size = ours.user_value_size
    try:
        for step in range(200):
            number = dice.randrange(2 * entries + 2)
            key = number.to_bytes(4, "little")
            operation = dice.choice(("update", "update", "update", "get", "delete", "seen", "seen"))
            if operation == "seen":
                source = f"*(u32 *)(r10 -4) = {number}\nr1 = map[id:0]\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\n"
                insns = encode(asm(f"{source}if r0 == 0 goto +1\nr0 = 1\nexit"))
                assert (
                    bool(ours.lookup_elem(key))
                    == kernel_oracle.test_run(insns, "socket_filter", maps=[theirs.fd]).retval
                )
                continue
            args = (key, dice.randbytes(size), dice.choice((0, 0, 0, 1, 2, 3))) if operation == "update" else (key,)
            assert _ours(ours, operation, *args) == getattr(theirs, operation)(*args), (step, operation, number)
            assert set(ours.keys()) == _all_keys(theirs), (step, operation, number)
    finally:
        theirs.close()


@pytest.mark.parametrize("kind", ["queue", "stack"])
def test_queues_and_stacks_agree(kind: str) -> None:
    dice = random.Random(kind)
    ours = _runtime().create_map(MapSpec("m", kind, 0, 8, 3))
    theirs = KernelMap(kind, 0, 8, 3)
    try:
        for _ in range(60):
            flag = dice.choice((0, 0, 2, 2, 1, 3, 8))
            operation, args = dice.choice(
                (("get", (b"",)), ("update", (b"", dice.randbytes(8), flag)), ("delete", (b"",)))
            )
            assert _ours(ours, operation, *args) == getattr(theirs, operation)(*args), (operation, args)
    finally:
        theirs.close()


@pytest.mark.parametrize("operation", ["get", "update", "delete", "next_key"])
def test_ring_buffers_refuse_element_calls_alike(operation: str) -> None:
    ours = _runtime().create_map(MapSpec("m", "ringbuf", 0, 0, 4096))
    theirs = KernelMap("ringbuf", 0, 0, 4096)
    args = {"update": (b"", b""), "next_key": (None,)}.get(operation, (b"",))
    try:
        assert _ours(ours, operation, *args) == getattr(theirs, operation)(*args)
    finally:
        theirs.close()


CREATE_KINDS = (
    "array", "percpu_array", "hash", "percpu_hash", "lru_hash", "lru_percpu_hash", "ringbuf", "prog_array", "queue",
    "stack",
)  # fmt: skip
CREATE_FLAGS = (0, 0, 0, 1, 2, 4, 8, 0x10, 0x18, 0x40, 0x80, 0x100, 0x180, 0x400, 0x800, 0x1000, 0x8000_0000)


@pytest.mark.parametrize("kind", CREATE_KINDS)
def test_creation_is_refused_alike(kind: str) -> None:
    dice = random.Random(kind)
    runtime = _runtime()
    for _ in range(120):
        key, value = dice.choice((0, 1, 4, 4, 8, 600)), dice.choice((0, 1, 4, 8, 100, 40_000, 5 << 20))
        entries = dice.choice((0, 1, 2, 3, 64, 4096, 8192, 5000))
        flags = dice.choice(CREATE_FLAGS)
        if value * entries > 8 << 20:
            entries = 1
        if kind == "ringbuf" and dice.random() < 0.6:
            key = value = 0
        fd, error = create(kind, key, value, entries, flags)
        if fd >= 0:
            os.close(fd)
        try:
            made = runtime.create_map(MapSpec("m", kind, key, value, entries, flags))
            runtime.delete_map(made.id)
            ours = 0
        except SyscallError as refused:
            ours = refused.errno
        if error == 12:  # the host's memory limits are its own
            continue
        assert ours == error, (kind, key, value, entries, hex(flags))
