# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BPF_MAP_TYPE_STACK_TRACE: call chains by number (kernel/bpf/stackmap.c, 6.18). What they consist of:
bpfvm.runtime.helpers.stacks."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bpfvm.isa import map_types as mt
from bpfvm.isa.word import U32_MAX
from bpfvm.obj.model import MapSpec
from bpfvm.runtime.jhash import jhash
from bpfvm.runtime.maps.base import F_NUMA_NODE, Map

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

STACK_BUILD_ID: Final = 1 << 5
BUILD_ID_SIZE: Final = 32
"""sizeof(struct bpf_stack_build_id)"""
MAX_STACK: Final = 127
"""PERF_MAX_STACK_DEPTH, what kernel.perf_event_max_stack is at boot"""
MAX_ENTRIES: Final = 1 << 31
F_FAST_STACK_CMP: Final = 1 << 9
F_REUSE_STACKID: Final = 1 << 10
BUILD_ID_IP: Final = 2
"""BPF_STACK_BUILD_ID_IP: the address itself, for want of a file"""


def build_id(ip: int) -> bytes:
    """A struct bpf_stack_build_id of an address that is in no file."""
    return BUILD_ID_IP.to_bytes(4, "little") + bytes(20) + ip.to_bytes(8, "little")


@dataclass(frozen=True, slots=True)
class _Bucket:
    hash: int
    ips: tuple[int, ...]


class StackTraceMap(Map):
    """``max_entries`` chains in as many buckets, rounded up to a power of two; a chain's bucket is its hash."""

    kind = "stack_trace"
    __slots__ = ("_buckets", "_count")

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        if spec.map_flags & ~(F_NUMA_NODE | mt.BPF_F_RDONLY | mt.BPF_F_WRONLY | STACK_BUILD_ID):
            return -errno.EINVAL
        frame = BUILD_ID_SIZE if spec.map_flags & STACK_BUILD_ID else 8
        size = spec.value_size
        if not spec.max_entries or spec.key_size != 4 or size < 8 or size % frame or size // frame > MAX_STACK:
            return -errno.EINVAL
        return -errno.E2BIG if spec.max_entries > MAX_ENTRIES else 0

    def __init__(self, rt: Runtime, spec: MapSpec, map_id: int) -> None:
        super().__init__(rt, spec, map_id)
        self._buckets: dict[int, _Bucket] = {}
        self._count = 1 << (self.max_entries - 1).bit_length()

    def __len__(self) -> int:
        return len(self._buckets)

    @property
    def _frame_size(self) -> int:
        return BUILD_ID_SIZE if self.spec.map_flags & STACK_BUILD_ID else 8

    def depth(self, skip: int) -> int:
        """Most frames that are looked at when ``skip`` of them are left out (stack_map_calculate_max_depth)."""
        return min(self.value_size // self._frame_size + skip, MAX_STACK)

    def put(self, ips: Sequence[int], flags: int) -> int:
        """The number of the chain ``ips``, stored if it isn't there; or a negative errno (bpf_get_stackid)."""
        new = _Bucket(jhash(b"".join(ip.to_bytes(8, "little") for ip in ips), 0), tuple(ips))
        number = new.hash & (self._count - 1)
        old = self._buckets.get(number)
        if old is not None and old.hash == new.hash and flags & F_FAST_STACK_CMP:
            return number
        full = len(self._buckets) >= self.max_entries
        if full and self._frame_size == BUILD_ID_SIZE:
            return -errno.ENOMEM
        if old == new:
            return number
        if old is not None and not flags & F_REUSE_STACKID:
            return -errno.EEXIST
        if full:
            return -errno.ENOMEM
        self._buckets[number] = new
        return number

    def update_elem(self, key: bytes, value: bytes, flags: int) -> int:
        return -errno.EINVAL

    def delete_elem(self, key: bytes) -> int:
        number = int.from_bytes(key, "little")
        if number >= self._count:
            return -errno.E2BIG
        return 0 if self._buckets.pop(number, None) is not None else -errno.ENOENT

    def _value(self, key: bytes) -> bytes | int:
        found = self._buckets.get(int.from_bytes(key, "little"))
        if found is None:
            return -errno.ENOENT
        with_ids = self._frame_size == BUILD_ID_SIZE
        frames = (build_id(ip) if with_ids else ip.to_bytes(8, "little") for ip in found.ips)
        return b"".join(frames).ljust(self.value_size, b"\0")

    def _next_key(self, key: bytes | None) -> bytes | int:
        number = int.from_bytes(key, "little") if key is not None else U32_MAX
        first = number + 1 if number in self._buckets else 0
        found = min((each for each in self._buckets if each >= first), default=None)
        return found.to_bytes(4, "little") if found is not None else -errno.ENOENT
