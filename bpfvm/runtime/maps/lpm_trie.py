# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BPF_MAP_TYPE_LPM_TRIE: the value of the longest prefix that matches (kernel/bpf/lpm_trie.c, 6.18)."""

from __future__ import annotations

import errno
from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING

from bpfvm.isa import map_types as mt
from bpfvm.obj.model import MapSpec
from bpfvm.runtime.maps import batch
from bpfvm.runtime.maps.base import ACCESS_MASK, F_NUMA_NODE, KMALLOC_MAX_SIZE, Map, access_ok
from bpfvm.runtime.maps.keyed import Element

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

PREFIX_SIZE = 4
"""struct bpf_lpm_trie_key: u32 prefixlen, then the data, whose first bit is the highest of its first byte"""
MAX_DATA = 256
NODE_SIZE = 24
"""sizeof(struct lpm_trie_node)"""
MAX_VALUE = KMALLOC_MAX_SIZE - MAX_DATA - NODE_SIZE
_END = "2"
"""sorts behind both bits, so that longer prefixes come before those they extend: the order of a walk that visits
children first"""


class LpmTrieMap(Map):
    """Elements by their prefix as text of bits. A block is the key's data, then the value."""

    kind = "lpm_trie"
    batches = batch.TRIE
    __slots__ = ("_elements", "_order")

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        flags = spec.map_flags
        if not spec.max_entries or not flags & mt.BPF_F_NO_PREALLOC or not access_ok(flags):
            return -errno.EINVAL
        if flags & ~(mt.BPF_F_NO_PREALLOC | F_NUMA_NODE | ACCESS_MASK):
            return -errno.EINVAL
        is_key = PREFIX_SIZE < spec.key_size <= PREFIX_SIZE + MAX_DATA
        return 0 if is_key and 1 <= spec.value_size <= MAX_VALUE else -errno.EINVAL

    def __init__(self, rt: Runtime, spec: MapSpec, map_id: int) -> None:
        super().__init__(rt, spec, map_id)
        self._elements: dict[str, Element] = {}
        self._order: list[str] = []

    def destroy(self) -> None:
        for element in self._elements.values():
            self.memory.free(element.addr)
        super().destroy()

    def __len__(self) -> int:
        return len(self._elements)

    def _bits(self, key: bytes) -> str | None:
        """The prefix, or None when it is longer than the key's data."""
        length, data = int.from_bytes(key[:PREFIX_SIZE], "little"), key[PREFIX_SIZE:]
        if length > len(data) * 8:
            return None
        return f"{int.from_bytes(data, 'big'):0{len(data) * 8}b}"[:length]

    def lookup_elem(self, key: bytes) -> int:
        bits = self._bits(key)
        if bits is None:
            return 0
        for length in range(len(bits), -1, -1):
            if (element := self._elements.get(bits[:length])) is not None:
                return element.values[0]
        return 0

    def update_elem(self, key: bytes, value: bytes, flags: int) -> int:
        bits = self._bits(key)
        if flags > mt.BPF_EXIST or bits is None:
            return -errno.EINVAL
        old = self._elements.get(bits)
        if old is None:
            if flags == mt.BPF_EXIST:
                return -errno.ENOENT
            if len(self._elements) >= self.max_entries:
                return -errno.ENOSPC
            insort(self._order, bits + _END)
        elif flags == mt.BPF_NOEXIST:
            return -errno.EEXIST
        self._put(bits, key, value)
        if old is not None:
            self.memory.free(old.addr)
        return 0

    def _put(self, bits: str, key: bytes, value: bytes) -> None:
        size = self.key_size - PREFIX_SIZE
        addr = self.memory.alloc(size + self.value_size, what=self.spec.name)
        self.memory.write(addr, key[PREFIX_SIZE:] + value)
        self._elements[bits] = Element(addr, (addr + size,), key)

    def delete_elem(self, key: bytes) -> int:
        bits = self._bits(key)
        if bits is None:
            return -errno.EINVAL
        element = self._elements.pop(bits, None)
        if element is None:
            return -errno.ENOENT
        del self._order[bisect_left(self._order, bits + _END)]
        self.memory.free(element.addr)
        return 0

    def _next_key(self, key: bytes | None) -> bytes | int:
        bits = self._bits(key) if key is not None else None
        at = bisect_right(self._order, bits + _END) if bits is not None and bits in self._elements else 0
        return self._elements[self._order[at][:-1]].key if at < len(self._order) else -errno.ENOENT
