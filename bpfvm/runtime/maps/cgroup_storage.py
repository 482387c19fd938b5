# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BPF_MAP_TYPE_CGROUP_STORAGE and PERCPU_CGROUP_STORAGE: what bpf_get_local_storage returns
(kernel/bpf/local_storage.c, 6.18).

Storage exists where a program is attached to a cgroup; a test run gets storage of its own (net/bpf/test_run.c
bpf_test_run). Nothing is attached here, so user space finds no element.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bpfvm.isa import map_types as mt
from bpfvm.obj.model import MapSpec
from bpfvm.runtime.maps.base import ACCESS_MASK, F_NUMA_NODE, PCPU_MIN_UNIT_SIZE, Map, access_ok, round8
from bpfvm.runtime.maps.local_storage import MAX_VALUE

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

KEY_SIZES = (8, 16)
"""u64 cgroup id, or struct bpf_cgroup_storage_key"""


class CgroupStorageMap(Map):
    """The test run's storage, one block (per CPU)."""

    kind = "cgroup_storage"
    __slots__ = ("_blocks",)

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        limit = min(MAX_VALUE, PCPU_MIN_UNIT_SIZE) if "percpu" in spec.map_type else MAX_VALUE
        if spec.key_size not in KEY_SIZES or not spec.value_size:
            return -errno.EINVAL
        if spec.value_size > limit:
            return -errno.E2BIG
        if spec.map_flags & ~(F_NUMA_NODE | ACCESS_MASK) or not access_ok(spec.map_flags) or spec.max_entries:
            return -errno.EINVAL
        return 0

    def __init__(self, rt: Runtime, spec: MapSpec, map_id: int) -> None:
        super().__init__(rt, spec, map_id)
        count = self.cpus if "percpu" in self.kind else 1
        self._blocks = [self.memory.alloc(round8(self.value_size), what=spec.name) for _ in range(count)]

    def destroy(self) -> None:
        for block in self._blocks:
            self.memory.free(block)
        super().destroy()

    def storage(self) -> int:
        """bpf_get_local_storage: the address of the (current CPU's) value."""
        return self._blocks[self.rt.cpu if len(self._blocks) > 1 else 0]

    def update_elem(self, key: bytes, value: bytes, flags: int) -> int:
        return -errno.EINVAL

    def _value(self, key: bytes) -> bytes | int:
        return -errno.ENOENT

    def _replace(self, key: bytes, value: bytes, flags: int) -> int:
        allowed = mt.BPF_EXIST if "percpu" in self.kind else mt.BPF_EXIST | mt.BPF_F_LOCK
        if flags & ~allowed or ("percpu" in self.kind and flags not in (mt.BPF_ANY, mt.BPF_EXIST)):
            return -errno.EINVAL
        return -errno.ENOENT

    def _next_key(self, key: bytes | None) -> bytes | int:
        return -errno.ENOENT


class PercpuCgroupStorageMap(CgroupStorageMap):
    """A value per CPU."""

    kind = "percpu_cgroup_storage"
    __slots__ = ()

    @property
    def user_value_size(self) -> int:
        return round8(self.value_size) * self.cpus
