# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BPF_MAP_LOOKUP_BATCH, LOOKUP_AND_DELETE_BATCH, UPDATE_BATCH, DELETE_BATCH (kernel/bpf/syscall.c generic_map_*_batch,
kernel/bpf/hashtab.c __htab_map_lookup_and_delete_batch; 6.18).

Arrays and tries go on from a key. Hash tables go on from a bucket and never split one: a bucket that is larger than
what is asked for is ENOSPC. The buckets are those of a kernel map that was made with BPF_F_ZERO_SEED.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from bpfvm.errors import ENOTSUPP, SyscallError, UsageError
from bpfvm.isa import map_types as mt
from bpfvm.runtime.jhash import jhash
from bpfvm.runtime.maps.keyed import Element, Ordered

if TYPE_CHECKING:
    from bpfvm.runtime.maps.base import Map

Command = Literal["lookup", "lookup_and_delete", "update", "delete"]
ARRAY: Final[frozenset[Command]] = frozenset({"lookup", "update"})
TRIE: Final[frozenset[Command]] = frozenset({"lookup", "update", "delete"})
HASH: Final[frozenset[Command]] = frozenset({"lookup", "lookup_and_delete", "update", "delete"})
TOKEN_SIZE: Final = 4


@dataclass(slots=True)
class Batch:
    """What a command did. errno: the system call's, 0 for success; ENOENT of a lookup says that it reached the end.
    count: elements dealt with before that. items: (key, value) of lookups. next: what `out_batch` got, to be given to
    the next lookup; None if nothing was written there."""

    errno: int = 0
    count: int = 0
    items: list[tuple[bytes, bytes]] = field(default_factory=list)
    next: bytes | None = None


def check(map_: Map, command: Command, flags: int) -> None:
    """Refuse a command or flags that this map hasn't got. Raises SyscallError(ENOTSUPP, EINVAL)."""
    if command not in map_.batches:
        raise SyscallError(ENOTSUPP, f"{command} of a batch in {map_!r}")
    if flags & ~mt.BPF_F_LOCK or (flags & mt.BPF_F_LOCK and not map_.has_lock):
        raise SyscallError(errno.EINVAL, f"{command} of a batch in {map_!r} with flags {flags:#x}")


def by_key(map_: Map, token: bytes | None, count: int) -> Batch:
    """Up to ``count`` elements behind the key ``token``, from the first one for None (generic_map_lookup_batch)."""
    done = Batch()
    key = token
    while done.count < count:
        following = map_._next_key(key)
        if isinstance(following, int):
            done.errno = -following
            break
        key = following
        value = map_.seen_value(key)
        if isinstance(value, bytes):
            done.items.append((key, value))
            done.count += 1
        elif value != -errno.ENOENT:
            return Batch(-value)
    if done.count:
        done.next = key
    return done


def by_bucket(map_: Map, elements: Ordered, token: bytes | None, count: int, *, delete: bool) -> Batch:
    """The elements of whole buckets from number ``token`` on, ``count`` at most; they are taken out if ``delete``."""
    if not count:
        return Batch()
    if token is not None and len(token) < TOKEN_SIZE:
        raise UsageError(f"{map_!r}: where a batch begins takes {TOKEN_SIZE} bytes, not {len(token)}")
    first = int.from_bytes(token[:TOKEN_SIZE], "little") if token is not None else 0
    buckets = 1 << (map_.max_entries - 1).bit_length()
    if first >= buckets:
        return Batch(errno.ENOENT)
    done = Batch(errno.ENOENT, next=buckets.to_bytes(TOKEN_SIZE, "little"))
    for number, found in _filled(elements, buckets, first):
        if len(found) > count - done.count:
            done.errno = 0 if done.count else errno.ENOSPC
            done.next = number.to_bytes(TOKEN_SIZE, "little")
            break
        for element in found:
            value = map_.seen_value(element.key)
            assert isinstance(value, bytes)  # the element is there
            done.items.append((element.key, value))
        for element in found if delete else ():
            map_.delete_elem(element.key)
        done.count += len(found)
    return done


def _filled(elements: Ordered, buckets: int, first: int) -> list[tuple[int, list[Element]]]:
    """The buckets with elements from number ``first`` on; what was put in last stands first."""
    found: dict[int, list[Element]] = {}
    for element in elements.values():
        if element.hash < 0:
            element.hash = jhash(element.key, 0)
        number = element.hash & (buckets - 1)
        if number >= first:
            found.setdefault(number, []).append(element)
    for each in found.values():
        each.sort(key=lambda element: -element.serial)
    return sorted(found.items())


def update(map_: Map, items: Sequence[tuple[bytes, bytes]], flags: int) -> Batch:
    """Each (key, value) in turn; the first errno ends it (generic_map_update_batch)."""
    done = Batch()
    for key, value in items:
        if code := map_._replace(key, value, flags):
            done.errno = -code
            break
        done.count += 1
    return done


def delete(map_: Map, keys: Sequence[bytes]) -> Batch:
    """Each key in turn; the first errno ends it (generic_map_delete_batch)."""
    done = Batch()
    for key in keys:
        if code := map_.delete_elem(key):
            done.errno = -code
            break
        done.count += 1
    return done
