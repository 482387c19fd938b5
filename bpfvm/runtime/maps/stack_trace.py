# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BPF_MAP_TYPE_STACK_TRACE: call stacks by number (kernel/bpf/stackmap.c, 6.18).

Nothing has a kernel stack here: bpf_get_stackid traps with "not emulated", so the map is always empty.
"""

from __future__ import annotations

import errno
from typing import Final

from bpfvm.isa import map_types as mt
from bpfvm.obj.model import MapSpec
from bpfvm.runtime.maps.base import F_NUMA_NODE, Map

STACK_BUILD_ID: Final = 1 << 5
BUILD_ID_SIZE: Final = 32
"""sizeof(struct bpf_stack_build_id)"""
MAX_STACK: Final = 127
"""PERF_MAX_STACK_DEPTH, what kernel.perf_event_max_stack is at boot"""
MAX_ENTRIES: Final = 1 << 31


class StackTraceMap(Map):
    """An empty table of ``max_entries`` buckets, rounded up to a power of two."""

    kind = "stack_trace"
    __slots__ = ()

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        if spec.map_flags & ~(F_NUMA_NODE | mt.BPF_F_RDONLY | mt.BPF_F_WRONLY | STACK_BUILD_ID):
            return -errno.EINVAL
        frame = BUILD_ID_SIZE if spec.map_flags & STACK_BUILD_ID else 8
        size = spec.value_size
        if not spec.max_entries or spec.key_size != 4 or size < 8 or size % frame or size // frame > MAX_STACK:
            return -errno.EINVAL
        return -errno.E2BIG if spec.max_entries > MAX_ENTRIES else 0

    def update_elem(self, key: bytes, value: bytes, flags: int) -> int:
        return -errno.EINVAL

    def delete_elem(self, key: bytes) -> int:
        buckets = 1 << (self.max_entries - 1).bit_length()
        return -errno.E2BIG if int.from_bytes(key, "little") >= buckets else -errno.ENOENT

    def _next_key(self, key: bytes | None) -> bytes | int:
        return -errno.ENOENT
