# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BPF_MAP_TYPE_HASH (kernel/bpf/hashtab.c, 6.18).

Differences a program could see are none but the order of keys: here the order in which they were first inserted,
where the kernel's depends on a random hash seed. As in the kernel a replacing update puts the new value into another
element, so a pointer to the old value goes on showing the old value; a freed element is the next one to be used
(last in, first out).
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bpfvm.errors import ENOTSUPP
from bpfvm.isa import map_types as mt
from bpfvm.obj.model import MapSpec
from bpfvm.runtime.maps import batch
from bpfvm.runtime.maps.base import (
    ACCESS_MASK,
    F_NO_COMMON_LRU,
    F_NUMA_NODE,
    F_ZERO_SEED,
    KMALLOC_MAX_SIZE,
    PCPU_MIN_UNIT_SIZE,
    Map,
    access_ok,
    round8,
)
from bpfvm.runtime.maps.keyed import Element, Ordered

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

CREATE_FLAGS = mt.BPF_F_NO_PREALLOC | F_NO_COMMON_LRU | F_NUMA_NODE | ACCESS_MASK | F_ZERO_SEED
ELEMENT_HEADER = 48
"""sizeof(struct htab_elem)"""
MAX_ENTRIES = 1 << 31


def check_hash(spec: MapSpec) -> int:
    """htab_map_alloc_check, for the four kinds of hash tables."""
    flags, kind = spec.map_flags, spec.map_type
    lru, percpu = "lru" in kind, "percpu" in kind
    if flags & ~CREATE_FLAGS or not access_ok(flags) or (not lru and flags & F_NO_COMMON_LRU):
        return -errno.EINVAL
    if lru and flags & mt.BPF_F_NO_PREALLOC:
        return -ENOTSUPP
    if flags & F_NUMA_NODE and (percpu or flags & F_NO_COMMON_LRU):
        return -errno.EINVAL
    if spec.max_entries == 0 or spec.key_size == 0 or spec.value_size == 0:
        return -errno.EINVAL
    if spec.key_size + spec.value_size >= KMALLOC_MAX_SIZE - ELEMENT_HEADER:
        return -errno.E2BIG
    if percpu and round8(spec.value_size) > PCPU_MIN_UNIT_SIZE:
        return -errno.E2BIG
    return -errno.E2BIG if spec.max_entries > MAX_ENTRIES else 0


def check_flags(exists: bool, flags: int) -> int:
    """Errno of an update with BPF_ANY, BPF_NOEXIST or BPF_EXIST (check_flags)."""
    wanted = flags & ~mt.BPF_F_LOCK
    if wanted > mt.BPF_EXIST:
        return -errno.EINVAL
    if exists and wanted == mt.BPF_NOEXIST:
        return -errno.EEXIST
    return -errno.ENOENT if not exists and wanted == mt.BPF_EXIST else 0


class HashMap(Map):
    """Elements are one block each: the key rounded up to 8 bytes, then the value. A block is kept until the map
    goes."""

    kind = "hash"
    batches = batch.HASH
    __slots__ = ("_elements", "_free")

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        return check_hash(spec)

    def __init__(self, rt: Runtime, spec: MapSpec, map_id: int) -> None:
        super().__init__(rt, spec, map_id)
        self._elements = Ordered()
        self._free: list[Element] = []

    def destroy(self) -> None:
        for element in self._elements.values():
            self._give_up(element)
        for element in self._free:
            self._release(element)
        super().destroy()

    def __len__(self) -> int:
        return len(self._elements)

    # --- elements ---------------------------------------------------------------------------------------------------
    def _new_element(self) -> Element:
        addr = self.memory.alloc(round8(self.key_size) + round8(self.value_size), what=self.spec.name)
        return Element(addr, (addr + round8(self.key_size),))

    def _release(self, element: Element) -> None:
        self.memory.free(element.addr)

    def _give_up(self, element: Element) -> None:
        """The element is free for another key."""
        for value in element.values if self.special else ():
            self.free_fields(value)
        self._free.append(element)

    def _take(self, key: bytes) -> Element:
        element = self._free.pop() if self._free else self._new_element()
        element.key = key
        self.memory.write(element.addr, key)
        for field in self.special:
            for value in element.values:
                self.memory.write(value + field.offset, bytes(field.size))
        return element

    def _make_room(self) -> int:
        """Called before a new key is inserted: 0, or the errno when the map is full."""
        return -errno.E2BIG if len(self._elements) >= self.max_entries else 0

    # --- the program's side -----------------------------------------------------------------------------------------
    def lookup_elem(self, key: bytes) -> int:
        element = self._elements.get(key)
        return element.values[0] if element is not None else 0

    def update_elem(self, key: bytes, value: bytes, flags: int) -> int:
        old = self._elements.get(key)
        if code := check_flags(old is not None, flags):
            return code
        if flags & mt.BPF_F_LOCK:
            if not self.has_lock:
                return -errno.EINVAL
            if old is not None:
                self._store_value(old.values[0], value)
                return 0
        if old is None and (code := self._make_room()):
            return code
        new = self._take(key)
        self._store_value(new.values[0], value)
        self._elements.put(key, new)
        if old is not None:
            self._give_up(old)
        return 0

    def delete_elem(self, key: bytes) -> int:
        element = self._elements.remove(key)
        if element is None:
            return -errno.ENOENT
        self._give_up(element)
        return 0

    def elements(self) -> Iterator[tuple[int, int]]:
        for element in list(self._elements.values()):
            if self._elements.get(element.key) is element:
                yield element.addr, self._current(element)

    def element_around(self, place: int) -> tuple[int, int]:
        for element in self._elements.values():
            for value in element.values:
                if value <= place < value + self.value_size:
                    return element.addr, value
        return super().element_around(place)

    def _current(self, element: Element) -> int:
        return element.values[0]

    # --- user space's side ------------------------------------------------------------------------------------------
    def pop(self, key: bytes) -> bytes:
        """BPF_MAP_LOOKUP_AND_DELETE_ELEM. Raises SyscallError(ENOENT, EPERM)."""
        self._allow(read=True, write=True)
        value = self.get(key)
        self._done(self.delete_elem(key), "lookup_and_delete")
        return value

    def _next_key(self, key: bytes | None) -> bytes | int:
        found = self._elements.after(key)
        return -errno.ENOENT if found is None else found

    def _lookup_batch(self, token: bytes | None, count: int, *, delete: bool) -> batch.Batch:
        return batch.by_bucket(self, self._elements, token, count, delete=delete)
