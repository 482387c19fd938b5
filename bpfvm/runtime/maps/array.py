# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BPF_MAP_TYPE_ARRAY: elements 0 … max_entries-1, all there from the start (kernel/bpf/arraymap.c, 6.18)."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bpfvm.isa import map_types as mt
from bpfvm.memory.fault import PAGE_SIZE
from bpfvm.obj.model import MapSpec
from bpfvm.runtime.maps import batch
from bpfvm.runtime.maps.base import ACCESS_MASK, F_INNER_MAP, F_NUMA_NODE, Map, access_ok, round8

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

PRESERVE_ELEMS = 1 << 11
CREATE_FLAGS = F_NUMA_NODE | mt.BPF_F_MMAPABLE | ACCESS_MASK | PRESERVE_ELEMS | F_INNER_MAP
INT_MAX = 0x7FFF_FFFF
U32_MAX = 0xFFFF_FFFF


def check_array(spec: MapSpec) -> int:
    """array_map_alloc_check: what all array-like kinds share."""
    if spec.max_entries == 0 or spec.key_size != 4 or spec.value_size == 0:
        return -errno.EINVAL
    if spec.map_flags & ~CREATE_FLAGS or not access_ok(spec.map_flags):
        return -errno.EINVAL
    if spec.map_type != "array" and spec.map_flags & (mt.BPF_F_MMAPABLE | F_INNER_MAP):
        return -errno.EINVAL
    if spec.map_type != "perf_event_array" and spec.map_flags & PRESERVE_ELEMS:
        return -errno.EINVAL
    return -errno.E2BIG if spec.value_size > INT_MAX else 0


def check_index_update(index: int, max_entries: int, flags: int) -> int:
    """Errno of an update of element ``index``, in the kernel's order of checks."""
    if flags & ~mt.BPF_F_LOCK > mt.BPF_EXIST:
        return -errno.EINVAL
    if index >= max_entries:
        return -errno.E2BIG
    return -errno.EEXIST if flags & mt.BPF_NOEXIST else 0


def next_index(key: bytes | None, max_entries: int) -> bytes | int:
    """array_map_get_next_key: 0 for None or an index that is out of range."""
    index = U32_MAX if key is None else int.from_bytes(key, "little")
    if index >= max_entries:
        return bytes(4)
    return -errno.ENOENT if index == max_entries - 1 else (index + 1).to_bytes(4, "little")


class ArrayMap(Map):
    """Values lie one behind the other from ``values``, each rounded up to 8 bytes. Keys come in ascending order."""

    kind = "array"
    batches = batch.ARRAY
    __slots__ = ("_key_addr", "stride", "values")

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        return check_array(spec)

    def __init__(self, rt: Runtime, spec: MapSpec, map_id: int) -> None:
        super().__init__(rt, spec, map_id)
        self.stride = round8(spec.value_size)
        align = PAGE_SIZE if spec.map_flags & mt.BPF_F_MMAPABLE else 8
        self.values = self.memory.alloc(self.stride * spec.max_entries, align=align, what=spec.name)
        self._key_addr = self.memory.alloc(8, what="array index")

    def destroy(self) -> None:
        for index in range(self.max_entries if self.special else 0):
            self.free_fields(self.values + index * self.stride)
        self.memory.free(self.values)
        self.memory.free(self._key_addr)
        super().destroy()

    def lookup_elem(self, key: bytes) -> int:
        index = int.from_bytes(key, "little")
        return self.values + index * self.stride if index < self.max_entries else 0

    def update_elem(self, key: bytes, value: bytes, flags: int) -> int:
        index = int.from_bytes(key, "little")
        if code := check_index_update(index, self.max_entries, flags):
            return code
        if flags & mt.BPF_F_LOCK and not self.has_lock:
            return -errno.EINVAL
        self._store_value(self.values + index * self.stride, value)
        if not flags & mt.BPF_F_LOCK:
            self.free_fields(self.values + index * self.stride)
        return 0

    def elements(self) -> Iterator[tuple[int, int]]:
        for index in range(self.max_entries):
            self.memory.store(self._key_addr, 4, index)
            yield self._key_addr, self.values + index * self.stride

    def direct_value(self) -> int:
        return self.values if self.max_entries == 1 else 0

    def element_around(self, place: int) -> tuple[int, int]:
        index = (place - self.values) // self.stride
        self.memory.store(self._key_addr, 4, index)
        return self._key_addr, self.values + index * self.stride

    def _next_key(self, key: bytes | None) -> bytes | int:
        return next_index(key, self.max_entries)
