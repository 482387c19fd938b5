# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Tries, maps of maps, bloom filters and the kinds that hold kernel objects: the same operations on our maps and on the
running kernel's private ones."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable

import pytest

from bpfvm.btf.builder import Builder
from bpfvm.errors import SyscallError
from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec
from bpfvm.runtime import Runtime
from bpfvm.runtime.maps.bloom_filter import BloomFilterMap
from tests.differential.bpf_maps import KernelMap, create, load_btf, possible_cpus, unusable

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=f"the kernel can't be the oracle: {WHY_NOT}")
ZERO_SEED, NO_PREALLOC = 1 << 6, 1


def _runtime() -> Runtime:
    return Runtime(Memory(), None, cpus=possible_cpus())


def _ours(operation: Callable[..., object], *args: object) -> tuple[int, object]:
    try:
        return 0, operation(*args) or b""
    except SyscallError as error:
        return error.errno, b""


def _all_keys(next_key: Callable[[bytes | None], tuple[int, bytes]]) -> list[bytes]:
    keys: list[bytes] = []
    error, key = next_key(None)
    while not error:
        keys.append(key)
        error, key = next_key(key)
    return keys


@pytest.mark.parametrize("data_size", [1, 2, 4, 16])
@pytest.mark.parametrize("seed", range(4))
def test_tries_agree_in_every_step_and_in_order(data_size: int, seed: int) -> None:
    dice = random.Random(f"{data_size} {seed}")
    ours = _runtime().create_map(MapSpec("m", "lpm_trie", 4 + data_size, 4, 12, NO_PREALLOC))
    theirs = KernelMap("lpm_trie", 4 + data_size, 4, 12, NO_PREALLOC)
    try:
        for _ in range(400):
            data = bytes(dice.choice((0, 0x80, 0xC0, 0xA5, 0xFF)) for _ in range(data_size))
            key = struct.pack("<I", dice.choice((0, 1, 2, 7, 8, 8 * data_size, 8 * data_size + 1))) + data
            flag = dice.choice((0, 0, 1, 2, 3, 4))
            operation, args = dice.choice(
                (
                    ("get", (key,)),
                    ("get", (key,)),
                    ("update", (key, dice.randbytes(4), flag)),
                    ("update", (key, dice.randbytes(4), 0)),
                    ("delete", (key,)),
                    ("next_key", (key,)),
                )
            )
            assert _ours(getattr(ours, operation), *args) == getattr(theirs, operation)(*args), (operation, args)
        assert list(ours.keys()) == _all_keys(theirs.next_key)
    finally:
        theirs.close()


@pytest.mark.parametrize("kind", ["array_of_maps", "hash_of_maps"])
@pytest.mark.parametrize("seed", range(3))
def test_maps_of_maps_agree(kind: str, seed: int) -> None:
    """Contents are compared as "which of the inner maps", since ids and descriptors differ."""
    dice = random.Random(f"{kind} {seed}")
    runtime = _runtime()
    shapes = [("array", 4, 8, 2, 0), ("array", 4, 8, 2, 0), ("array", 4, 8, 3, 0), ("hash", 4, 8, 2, 0)]
    inner = [runtime.create_map(MapSpec("i", *shape)) for shape in shapes]
    fds = [create(*shape)[0] for shape in shapes]
    ours = runtime.create_map(MapSpec("m", kind, 4, 4, 3, inner=inner[0].spec))
    theirs = KernelMap(kind, 4, 4, 3, inner=fds[0])
    seen: dict[bytes, int] = {}
    try:
        for _ in range(200):
            key, which = struct.pack("<I", dice.randrange(5)), dice.randrange(5)
            flag = dice.choice((0, 0, 0, 1, 2, 4))
            operation = dice.choice(("get", "update", "update", "delete"))
            if operation == "update":
                our_id = inner[which].id if which < 4 else 9999
                their_fd = fds[which] if which < 4 else 9999
                left = _ours(ours.update, key, struct.pack("<I", our_id), flag)
                right = theirs.update(key, struct.pack("<I", their_fd), flag)
                assert left == right, (key, which, flag)
            else:
                left, right = _ours(getattr(ours, operation), key), getattr(theirs, operation)(key)
                assert left[0] == right[0], (operation, key)
                if right[1]:
                    our_map = int.from_bytes(bytes(left[1]), "little")  # type: ignore[call-overload]  # bytes of get
                    assert seen.setdefault(right[1], our_map) == our_map
        assert set(ours.keys()) == set(_all_keys(theirs.next_key))
    finally:
        theirs.close()
        for fd in fds:
            os.close(fd)


@pytest.mark.parametrize("template", ["prog_array", "array_of_maps", "ringbuf", "arena", "lpm_trie", "queue", "none"])
def test_templates_are_refused_alike(template: str) -> None:
    array = MapSpec("a", "array", 4, 4, 1)
    shapes = {
        "prog_array": MapSpec("i", "prog_array", 4, 4, 1),
        "array_of_maps": MapSpec("i", "array_of_maps", 4, 4, 1, inner=array),
        "ringbuf": MapSpec("i", "ringbuf", 0, 0, 4096),
        "arena": MapSpec("i", "arena", 0, 0, 1, 1 << 10),
        "lpm_trie": MapSpec("i", "lpm_trie", 8, 4, 1, NO_PREALLOC),
        "queue": MapSpec("i", "queue", 0, 4, 1),
    }
    spec = shapes.get(template)
    fds = [create("array", 4, 4, 1)[0]]
    if spec is not None:
        fds.append(
            create(spec.map_type, spec.key_size, spec.value_size, spec.max_entries, spec.map_flags, inner=fds[0])[0]
        )
    fd, error = create("hash_of_maps", 4, 4, 1, inner=fds[-1] if spec is not None else 9999)
    for each in [*fds, fd]:
        if each >= 0:
            os.close(each)
    made = MapSpec("m", "hash_of_maps", 4, 4, 1, inner=spec)
    assert _ours(lambda: _runtime().create_map(made).id and b"")[0] == error


@pytest.mark.parametrize("size", [1, 4, 7, 12, 13, 24, 31])
@pytest.mark.parametrize("hashes", [0, 1, 15])
def test_bloom_filters_say_maybe_for_the_same_values(size: int, hashes: int) -> None:
    dice = random.Random(f"{size} {hashes}")
    ours = _runtime().create_map(MapSpec("m", "bloom_filter", 0, size, 12, ZERO_SEED, hashes))
    theirs = KernelMap("bloom_filter", 0, size, 12, ZERO_SEED, extra=hashes)
    assert isinstance(ours, BloomFilterMap)
    try:
        values = [dice.randbytes(size) for _ in range(12)]
        for value in values:
            flag = dice.choice((0, 0, 0, 1, 2))
            assert _ours(ours.update, b"", value, flag) == theirs.update(b"", value, flag)
        maybe = 0
        for value in [*values, *(dice.randbytes(size) for _ in range(1000))]:
            error = theirs.contains(value)[0]
            assert (0 if ours.contains(value) else 2) == error
            maybe += not error
        assert maybe
        for operation, args in (("delete", (b"",)), ("next_key", (None,)), ("pop", ())):
            assert _ours(getattr(ours, operation), *args) == getattr(theirs, operation)(*args), operation
    finally:
        theirs.close()


EMPTY = {
    "stack_trace": (4, 8, 3, 0),
    "perf_event_array": (4, 4, 3, 0),
    "user_ringbuf": (0, 0, 4096, 0),
    "cgroup_storage": (16, 8, 0, 0),
    "percpu_cgroup_storage": (16, 8, 0, 0),
    "cgroup_array": (4, 4, 3, 0),
    "devmap": (4, 4, 3, 0),
    "devmap_hash": (4, 4, 3, 0),
    "cpumap": (4, 4, 1, 0),
    "xskmap": (4, 4, 3, 0),
    "sockmap": (4, 4, 3, 0),
    "sockhash": (4, 4, 3, 0),
    "reuseport_sockarray": (4, 4, 3, 0),
}


@pytest.mark.parametrize("kind", EMPTY)
def test_empty_maps_answer_alike(kind: str) -> None:
    """Lookup, delete and the next key of maps without elements."""
    key_size, value_size, entries, flags = EMPTY[kind]
    ours = _runtime().create_map(MapSpec("m", kind, key_size, value_size, entries, flags))
    theirs = KernelMap(kind, key_size, value_size, entries, flags)
    try:
        for number in (0, 2, 3, 4, 0xFFFF_FFFF):
            key = number.to_bytes(key_size, "little") if key_size else b""
            for operation in ("get", "delete"):
                assert _ours(getattr(ours, operation), key) == getattr(theirs, operation)(key), (operation, number)
            if kind in ("cgroup_storage", "percpu_cgroup_storage"):
                continue
            assert _ours(ours.next_key, key or None) == theirs.next_key(key or None), number
        assert _ours(ours.next_key, None) == theirs.next_key(None)
    finally:
        theirs.close()


@pytest.mark.parametrize("kind", ["stack_trace", "perf_event_array", "cgroup_storage", "user_ringbuf"])
@pytest.mark.parametrize("flag", [0, 1, 2, 3, 8])
def test_updates_that_can_t_be_are_refused_alike(kind: str, flag: int) -> None:
    key_size, value_size, entries, flags = EMPTY[kind]
    ours = _runtime().create_map(MapSpec("m", kind, key_size, value_size, entries, flags))
    theirs = KernelMap(kind, key_size, value_size, entries, flags)
    try:
        for number in (0, 2, 3):
            key = number.to_bytes(key_size, "little") if key_size else b""
            value = b"\xff" * value_size
            assert _ours(ours.update, key, value, flag) == theirs.update(key, value, flag), number
    finally:
        theirs.close()


def _locked_value() -> tuple[Builder, int, int]:
    """(BTF, id of int, id of struct { u64 before; struct bpf_spin_lock lock; int after; })"""
    builder = Builder()
    number, wide = builder.integer("int", 4, signed=True), builder.integer("long", 8)
    lock = builder.struct("bpf_spin_lock", [("val", number)])
    return builder, number, builder.struct("value", [("before", wide), ("lock", lock), ("after", number)])


@pytest.mark.parametrize("kind", ["array", "hash", "lru_hash", "percpu_hash", "percpu_array"])
@pytest.mark.parametrize("seed", range(3))
def test_values_with_a_lock_agree(kind: str, seed: int) -> None:
    """BPF_F_LOCK in updates and lookups, and bytes of the lock that nobody can write or read."""
    dice = random.Random(f"{kind} {seed}")
    builder, number, value = _locked_value()
    btf_fd = load_btf(builder.to_bytes())
    fd, error = create(kind, 4, 16, 8, btf=(btf_fd, number, value))
    spec = MapSpec("m", kind, 4, 16, 8, btf=builder.build(), key_type_id=number, value_type_id=value)
    ours, _ = _ours(lambda: _runtime().create_map(spec) and b"")
    os.close(btf_fd)
    assert ours == error
    if fd < 0:
        return
    made, theirs = _runtime().create_map(spec), KernelMap.of(fd, 4, 16)
    try:
        for _ in range(150):
            key, flag = struct.pack("<I", dice.randrange(9)), dice.choice((0, 0, 1, 2, 4, 4, 5, 6, 8))
            operation, args = dice.choice(
                (("get", (key, flag)), ("update", (key, dice.randbytes(16), flag)), ("delete", (key,)))
            )
            assert _ours(getattr(made, operation), *args) == getattr(theirs, operation)(*args), (operation, args)
    finally:
        theirs.close()


FIELDS = ("bpf_spin_lock", "bpf_timer", "bpf_wq", "bpf_list_node", "bpf_rb_node", "bpf_refcount")
FIELD_SIZES = {"bpf_spin_lock": 4, "bpf_refcount": 4, "bpf_list_node": 24, "bpf_rb_node": 32}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("flags", [0, 1 << 7])
def test_fields_are_allowed_in_the_same_kinds(field: str, flags: int) -> None:
    kinds = {"array": 0, "hash": 0, "lru_hash": 0, "percpu_hash": 0, "percpu_array": 0, "lru_percpu_hash": 0,
             "lpm_trie": 1, "task_storage": 1, "cgrp_storage": 1, "cgroup_storage": 0}  # fmt: skip
    for kind, more in kinds.items():
        builder = Builder()
        number, wide, byte = builder.integer("int", 4), builder.integer("long", 8), builder.integer("char", 1)
        size = FIELD_SIZES.get(field, 16)
        unit = 4 if size == 4 else 8
        content = builder.array(number if unit == 4 else wide, number, size // unit)
        special = builder.struct(field, [("__opaque", content)])
        value = builder.struct("value", [("before", wide), ("field", special)])
        key = {"lpm_trie": builder.array(byte, number, 8), "cgroup_storage": wide}.get(kind, number)
        btf = builder.build()
        sizes = (btf.size_of(key) if key else 0, btf.size_of(value), 0 if "storage" in kind else 2, flags | more)
        btf_fd = load_btf(builder.to_bytes())
        fd, error = create(kind, *sizes, btf=(btf_fd, key, value))
        for each in (fd, btf_fd):
            if each >= 0:
                os.close(each)
        spec = MapSpec("m", kind, *sizes, btf=btf, key_type_id=key, value_type_id=value)
        assert _ours(lambda spec=spec: _runtime().create_map(spec) and b"")[0] == error, (kind, field)


def test_arenas_are_refused_alike() -> None:
    runtime = Runtime(Memory(9 << 30), None)
    mmapable = 1 << 10
    for pages in (0, 1, 5, (1 << 20) - 1, 1 << 20, (1 << 20) + 1):
        for start in (0, 1, 1 << 32, (1 << 32) - 4096, (1 << 44) + 8192):
            for flags in (mmapable, 0, 1 << 17 | mmapable, 1 << 18 | mmapable, 1 << 9 | mmapable):
                fd, error = create("arena", 0, 0, pages, flags, extra=start)
                if fd >= 0:
                    os.close(fd)
                spec = MapSpec("a", "arena", 0, 0, pages, flags, start)
                found, _ = _ours(lambda spec=spec: runtime.delete_map(runtime.create_map(spec).id))
                assert found == error, spec


CREATE_KINDS = (*EMPTY, "lpm_trie", "array_of_maps", "hash_of_maps", "bloom_filter")
CREATE_FLAGS = (0, 0, 0, 1, 1, 2, 4, 8, 0x10, 0x18, 0x20, 0x40, 0x80, 0x100, 0x180, 0x400, 0x800, 0x1000, 0x8000_0000)


@pytest.mark.parametrize("kind", CREATE_KINDS)
def test_creation_is_refused_alike(kind: str) -> None:
    dice = random.Random(kind)
    runtime = _runtime()
    inner = MapSpec("i", "array", 4, 4, 1)
    inner_fd = create("array", 4, 4, 1)[0]
    usual = EMPTY.get(kind, (8, 4, 3, 1) if kind == "lpm_trie" else (0 if kind == "bloom_filter" else 4, 4, 3, 0))
    try:
        for _ in range(200):
            key = dice.choice((usual[0], usual[0], usual[0], 0, 1, 4, 5, 8, 16, 260, 261, 513))
            value = dice.choice(
                (usual[1], usual[1], usual[1], 0, 1, 4, 8, 12, 32, 1016, 1024, 32769, 65408, 65407, 5 << 20)
            )
            entries = dice.choice((usual[2], usual[2], 0, 1, 2, 3, 4096 if kind != "cpumap" else 2))
            flags = dice.choice((usual[3], usual[3], *CREATE_FLAGS))
            extra = dice.choice((0, 0, 0, 3, 15, 16))
            if value * entries > 8 << 20:
                entries = 1
            fd, error = create(
                kind, key, value, entries, flags, inner=inner_fd if "_of_maps" in kind else 0, extra=extra
            )
            if fd >= 0:
                os.close(fd)
            if error == 12 or flags & 4:  # the host's memory and nodes are its own
                continue
            spec = MapSpec("m", kind, key, value, entries, flags, extra, inner=inner)
            ours, _ = _ours(lambda spec=spec: runtime.delete_map(runtime.create_map(spec).id))
            assert ours == error, (key, value, entries, hex(flags), extra)
    finally:
        os.close(inner_fd)


@pytest.mark.parametrize("kind", ["task_storage", "inode_storage", "sk_storage", "cgrp_storage"])
def test_creation_of_storage_is_refused_alike(kind: str) -> None:
    dice = random.Random(kind)
    runtime = _runtime()
    for _ in range(40):
        key, value = dice.choice((4, 4, 4, 8)), dice.choice((1, 4, 8, 100, 65407, 65408, 65406, 70000))
        entries, flags = dice.choice((0, 0, 0, 1)), dice.choice((1, 1, 1, 0, 0x201, 3, 0x400))
        builder = Builder()
        number = builder.integer("int", 4, signed=True)
        wide = builder.integer("long", 8, signed=True)
        array = builder.array(builder.integer("char", 1), number, value)
        btf = builder.build()
        btf_fd = load_btf(builder.to_bytes())
        types = (number if key == 4 else wide, array) if dice.random() < 0.8 else (0, 0)
        fd, error = create(kind, key, value, entries, flags, btf=(btf_fd if types[0] else 0, *types))
        for each in (fd, btf_fd):
            if each >= 0:
                os.close(each)
        spec = MapSpec("m", kind, key, value, entries, flags, btf=btf, key_type_id=types[0], value_type_id=types[1])
        assert _ours(lambda spec=spec: runtime.delete_map(runtime.create_map(spec).id))[0] == error, spec
