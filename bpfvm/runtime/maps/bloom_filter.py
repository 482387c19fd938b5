# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BPF_MAP_TYPE_BLOOM_FILTER: says "maybe" or "never pushed" of a value (kernel/bpf/bloom_filter.c, 6.18)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bpfvm.errors import ENOTSUPP, UsageError
from bpfvm.isa import map_types as mt
from bpfvm.isa.word import U32_MAX
from bpfvm.obj.model import MapSpec
from bpfvm.runtime.jhash import jhash
from bpfvm.runtime.maps.base import ACCESS_MASK, F_NUMA_NODE, F_ZERO_SEED, KMALLOC_MAX_SIZE, Map, access_ok

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

MAX_HASHES = 15
DEFAULT_HASHES = 5
WORD_BITS = 64
MAX_BITS = 1 << 31


def bit_mask(max_entries: int, hashes: int) -> int:
    """Number of bits of the filter, minus one: entries * hashes * 7/5, rounded up to a power of two."""
    wanted = max_entries * hashes
    if wanted <= U32_MAX:
        wanted = wanted // 5 * 7
    if wanted > MAX_BITS:
        return U32_MAX
    return (WORD_BITS if wanted <= WORD_BITS else 1 << (wanted - 1).bit_length()) - 1


class BloomFilterMap(Map):
    """The bits are the kernel's for a map with BPF_F_ZERO_SEED; others have a random seed there, 0 here.

    User space: ``update(b"", value)`` pushes, ``contains(value)`` asks.
    """

    kind = "bloom_filter"
    __slots__ = ("_bits", "_hashes", "_mask")

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        if spec.value_size > KMALLOC_MAX_SIZE:
            return -errno.E2BIG
        if spec.key_size or not spec.value_size or not spec.max_entries or spec.map_extra & ~MAX_HASHES:
            return -errno.EINVAL
        known = F_NUMA_NODE | F_ZERO_SEED | ACCESS_MASK
        return -errno.EINVAL if spec.map_flags & ~known or not access_ok(spec.map_flags) else 0

    def __init__(self, rt: Runtime, spec: MapSpec, map_id: int) -> None:
        super().__init__(rt, spec, map_id)
        self._hashes = spec.map_extra or DEFAULT_HASHES
        self._mask = bit_mask(spec.max_entries, self._hashes)
        self._bits: set[int] = set()

    def _places(self, value: bytes) -> set[int]:
        return {jhash(value, seed) & self._mask for seed in range(self._hashes)}

    def push_elem(self, value: bytes, flags: int) -> int:
        if flags != mt.BPF_ANY:
            return -errno.EINVAL
        self._bits |= self._places(value)
        return 0

    def peek_value(self, value: bytes) -> int:
        """bpf_map_peek_elem: 0 when the value may have been pushed, else -ENOENT."""
        return 0 if self._places(value) <= self._bits else -errno.ENOENT

    def update_elem(self, key: bytes, value: bytes, flags: int) -> int:
        return -errno.EINVAL

    def delete_elem(self, key: bytes) -> int:
        return -errno.EOPNOTSUPP

    def _replace(self, key: bytes, value: bytes, flags: int) -> int:
        return self.push_elem(value, flags)

    def _next_key(self, key: bytes | None) -> bytes | int:
        return -errno.EOPNOTSUPP

    def lookup(self, key: bytes) -> int | None:
        raise UsageError(f"{self!r} has no addresses: use contains")

    def _value(self, key: bytes) -> bytes | int:
        raise UsageError(f"{self!r} holds no values: use contains")

    def contains(self, value: bytes) -> bool:
        """BPF_MAP_LOOKUP_ELEM, which takes the value where others give one. Raises SyscallError(EPERM)."""
        self._allow(read=True)
        return not self.peek_value(value)

    def pop(self) -> bytes:
        """BPF_MAP_LOOKUP_AND_DELETE_ELEM. Raises SyscallError(ENOTSUPP)."""
        self._fail(-ENOTSUPP, "lookup_and_delete")
