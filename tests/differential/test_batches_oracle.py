# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Commands on many elements of our maps and of the running kernel's: errno, count, where the next one begins, and what
was copied out must agree. Hash tables are made with a zero seed, so that both have the same buckets."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import Final

import pytest

from bpfvm.errors import SyscallError
from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec
from bpfvm.runtime import Map, Runtime
from tests.differential.bpf_maps import UNWRITTEN, BatchAnswer, KernelMap, create, possible_cpus, unusable

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=f"the kernel can't be the oracle: {WHY_NOT}")
ZERO_SEED: Final = 1 << 6
NO_COMMON_LRU: Final = 1 << 1
KINDS: Final = (
    ("array", 4, 12, 7, 0),
    ("percpu_array", 4, 12, 7, 0),
    ("hash", 4, 12, 20, ZERO_SEED),
    ("hash", 6, 8, 33, ZERO_SEED | 1),
    ("hash", 17, 8, 9, ZERO_SEED),
    ("percpu_hash", 4, 12, 20, ZERO_SEED),
    ("lru_hash", 4, 12, 20, ZERO_SEED),
    ("lru_hash", 4, 12, 20, ZERO_SEED | NO_COMMON_LRU),
    ("lru_percpu_hash", 4, 8, 20, ZERO_SEED),
    ("lpm_trie", 6, 4, 12, 1),
)


def _pair(kind: str, key: int, value: int, entries: int, flags: int) -> tuple[Map, KernelMap]:
    ours = Runtime(Memory(), None, cpus=possible_cpus()).create_map(MapSpec("m", kind, key, value, entries, flags))
    theirs = KernelMap(kind, key, value, entries, flags)
    theirs.value_size = ours.user_value_size
    return ours, theirs


def _looked_up(found: Map, token: bytes | None, count: int, flags: int, *, delete: bool) -> BatchAnswer:
    """Our answer as buffers of the kernel's shape."""
    room = max(found.key_size, 4)
    sizes = found.key_size, found.user_value_size
    try:
        done = found.lookup_batch(token, count, flags, delete=delete)
    except SyscallError as error:
        return BatchAnswer(error.errno, count, UNWRITTEN * room, *(UNWRITTEN * (size * count) for size in sizes))
    out = (done.next or b"").ljust(room, UNWRITTEN)
    buffers = (b"".join(each[at] for each in done.items).ljust(sizes[at] * count, UNWRITTEN) for at in (0, 1))
    return BatchAnswer(done.errno, done.count, out, *buffers)


def _changed(found: Map, name: str, elements: Sequence[object], flags: int = 0) -> tuple[int, int]:
    try:
        done = getattr(found, name)(elements, flags)
    except SyscallError as error:
        return error.errno, len(elements)
    return done.errno, done.count


def _key(dice: random.Random, kind: str, size: int, entries: int) -> bytes:
    if kind == "lpm_trie":
        return dice.choice((0, 4, 8, 15, 16, 17)).to_bytes(4, "little") + dice.randbytes(2)
    return dice.randrange(entries + 2).to_bytes(size, "little")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind[0]}-{kind[1]}-{kind[4]}")
@pytest.mark.parametrize("seed", range(3))
def test_random_batches(kind: tuple[str, int, int, int, int], seed: int) -> None:
    name, key_size, _, entries, _ = kind
    dice = random.Random(f"{kind} {seed}")
    ours, theirs = _pair(*kind)
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    ours.rt.cpu = min(allowed)
    token: bytes | None = None
    try:
        for _ in range(120):
            flags = dice.choice((0, 0, 0, 0, 1, 4, 8))
            match dice.randrange(5):
                case 0 | 1:
                    items = [
                        (_key(dice, name, key_size, entries), dice.randbytes(theirs.value_size))
                        for _ in range(dice.randrange(6))
                    ]
                    assert _changed(ours, "update_batch", items, flags) == theirs.update_batch(items, flags)
                case 2:
                    keys = [_key(dice, name, key_size, entries) for _ in range(dice.randrange(4))]
                    assert _changed(ours, "delete_batch", keys, flags) == theirs.delete_batch(keys, flags)
                case _:
                    count, delete = dice.choice((0, 1, 2, 5, 40)), dice.random() < 0.3
                    if dice.random() < 0.1:
                        token = dice.choice((5, 31, 32, 64, 1 << 20)).to_bytes(max(key_size, 4), "little")
                    found = _looked_up(ours, token, count, flags, delete=delete)
                    assert found == theirs.lookup_batch(token, count, flags, delete=delete), (token, count, flags)
                    goes_on = not found.errno and found.next != UNWRITTEN * len(found.next)
                    token = found.next if goes_on else None
    finally:
        os.sched_setaffinity(0, allowed)
        theirs.close()


@pytest.mark.parametrize("kind", ["hash", "lru_hash", "percpu_hash"])
def test_a_walk_in_batches_sees_everything_once(kind: str) -> None:
    ours, theirs = _pair(kind, 4, 8, 300, ZERO_SEED)
    items = [(number.to_bytes(4, "little"), number.to_bytes(8, "little") * (ours.user_value_size // 8))
             for number in range(280)]  # fmt: skip
    try:
        assert _changed(ours, "update_batch", items) == theirs.update_batch(items) == (0, 280)
        seen: list[bytes] = []
        token: bytes | None = None
        turns = 0
        while token is not None or not turns:
            found = _looked_up(ours, token, 23, 0, delete=True)
            assert found == theirs.lookup_batch(token, 23, delete=True)
            seen += [found.keys[at * 4 : at * 4 + 4] for at in range(found.count)]
            token, turns = (None if found.errno else found.next), turns + 1
        assert sorted(seen) == sorted(key for key, _ in items)
        assert turns > 10
        assert len(list(ours.keys())) == 0
    finally:
        theirs.close()


@pytest.mark.parametrize("kind", ["array_of_maps", "hash_of_maps"])
def test_maps_of_maps(kind: str) -> None:
    runtime = Runtime(Memory(), None)
    inner = MapSpec("inner", "array", 4, 8, 1)
    ours = runtime.create_map(MapSpec("m", kind, 4, 4, 6, ZERO_SEED if kind == "hash_of_maps" else 0, inner=inner))
    made = runtime.create_map(inner)
    held, _ = create("array", 4, 8, 1)
    theirs = KernelMap(kind, 4, 4, 6, ZERO_SEED if kind == "hash_of_maps" else 0, inner=held)
    keys = [number.to_bytes(4, "little") for number in (4, 1, 5)]
    try:
        wanted = theirs.update_batch([(key, held.to_bytes(4, "little")) for key in keys])
        assert _changed(ours, "update_batch", [(key, made.id.to_bytes(4, "little")) for key in keys]) == wanted
        for count in (1, 2, 3, 8):
            found, real = _looked_up(ours, None, count, 0, delete=False), theirs.lookup_batch(None, count)
            assert found[:4] == real[:4]  # the values are ids
        assert _changed(ours, "delete_batch", keys) == theirs.delete_batch(keys)
    finally:
        theirs.close()
        os.close(held)


@pytest.mark.parametrize(
    ("kind", "key", "value", "entries"),
    [("queue", 0, 8, 3), ("stack", 0, 8, 3), ("ringbuf", 0, 0, 4096), ("prog_array", 4, 4, 2),
     ("bloom_filter", 0, 8, 3), ("perf_event_array", 4, 4, 2), ("stack_trace", 4, 80, 4)],
)  # fmt: skip
def test_kinds_without_batches(kind: str, key: int, value: int, entries: int) -> None:
    ours, theirs = _pair(kind, key, value, entries, 0)
    try:
        for delete in (False, True):
            assert _looked_up(ours, None, 2, 0, delete=delete)[:2] == theirs.lookup_batch(None, 2, delete=delete)[:2]
        item = [(bytes(key), bytes(value))]
        assert _changed(ours, "update_batch", item) == theirs.update_batch(item)
        assert _changed(ours, "delete_batch", [bytes(key)]) == theirs.delete_batch([bytes(key)])
    finally:
        theirs.close()


@pytest.mark.parametrize("flags", [1 << 3, 1 << 4, 1 << 3 | ZERO_SEED])
def test_maps_that_user_space_may_not_touch(flags: int) -> None:
    ours, theirs = _pair("hash", 4, 8, 4, flags)
    try:
        for delete in (False, True):
            assert _looked_up(ours, None, 2, 0, delete=delete) == theirs.lookup_batch(None, 2, delete=delete)
        assert _changed(ours, "update_batch", [(bytes(4), bytes(8))]) == theirs.update_batch([(bytes(4), bytes(8))])
        assert _changed(ours, "delete_batch", [bytes(4)]) == theirs.delete_batch([bytes(4)])
    finally:
        theirs.close()
