# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BPF_MAP_TYPE_PERCPU_ARRAY: an array per CPU (kernel/bpf/arraymap.c, 6.18)."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bpfvm.isa import map_types as mt
from bpfvm.obj.model import MapSpec
from bpfvm.runtime.maps import batch
from bpfvm.runtime.maps.array import check_array, check_index_update, next_index
from bpfvm.runtime.maps.base import F_NUMA_NODE, PCPU_MIN_UNIT_SIZE, Map, round8

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime


class PercpuArrayMap(Map):
    """User space reads and writes all CPUs' values at once: one behind the other, each rounded up to 8 bytes."""

    kind = "percpu_array"
    batches = batch.ARRAY
    __slots__ = ("_key_addr", "areas", "stride")

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        if (code := check_array(spec)) == -errno.EINVAL or spec.map_flags & F_NUMA_NODE:
            return -errno.EINVAL
        return code or (-errno.E2BIG if round8(spec.value_size) > PCPU_MIN_UNIT_SIZE else 0)

    def __init__(self, rt: Runtime, spec: MapSpec, map_id: int) -> None:
        super().__init__(rt, spec, map_id)
        self.stride = round8(spec.value_size)
        self.areas = [self.memory.alloc(self.stride * spec.max_entries, what=spec.name) for _ in range(self.cpus)]
        self._key_addr = self.memory.alloc(8, what="array index")

    def destroy(self) -> None:
        for area in self.areas:
            self.memory.free(area)
        self.memory.free(self._key_addr)
        super().destroy()

    @property
    def user_value_size(self) -> int:
        return self.stride * self.cpus

    def lookup_elem(self, key: bytes) -> int:
        return self.lookup_percpu_elem(key, self.rt.cpu)

    def lookup_percpu_elem(self, key: bytes, cpu: int) -> int:
        index = int.from_bytes(key, "little")
        return self.areas[cpu] + index * self.stride if index < self.max_entries and cpu < self.cpus else 0

    def update_elem(self, key: bytes, value: bytes, flags: int) -> int:
        index = int.from_bytes(key, "little")
        if code := self._refuses(index, flags):
            return code
        self._store_value(self.areas[self.rt.cpu] + index * self.stride, value)
        return 0

    def _refuses(self, index: int, flags: int) -> int:
        """Unlike plain arrays these know no BPF_F_LOCK (bpf_percpu_array_update)."""
        return -errno.EINVAL if flags > mt.BPF_EXIST else check_index_update(index, self.max_entries, flags)

    def elements(self) -> Iterator[tuple[int, int]]:
        for index in range(self.max_entries):
            self.memory.store(self._key_addr, 4, index)
            yield self._key_addr, self.areas[self.rt.cpu] + index * self.stride

    def _value(self, key: bytes) -> bytes | int:
        index = int.from_bytes(key, "little")
        if index >= self.max_entries:
            return -errno.ENOENT
        return b"".join(self.memory.read(area + index * self.stride, self.stride) for area in self.areas)

    def _replace(self, key: bytes, value: bytes, flags: int) -> int:
        index = int.from_bytes(key, "little")
        if code := self._refuses(index, flags):
            return code
        for cpu, area in enumerate(self.areas):
            self._store_value(area + index * self.stride, value[cpu * self.stride : (cpu + 1) * self.stride])
        return 0

    def _next_key(self, key: bytes | None) -> bytes | int:
        return next_index(key, self.max_entries)
