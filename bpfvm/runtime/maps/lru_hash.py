# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BPF_MAP_TYPE_LRU_HASH and LRU_PERCPU_HASH: a full table drops an old element instead of refusing a new one.

The kernel (kernel/bpf/bpf_lru_list.c) approximates: it works in batches per CPU, and may drop elements before the
table is full. Here the element that wasn't used for longest goes, and only from a full table. A program's lookup and
any update count as use; a lookup from user space doesn't.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from bpfvm.obj.model import MapSpec
from bpfvm.runtime.maps.hash import HashMap
from bpfvm.runtime.maps.keyed import Element
from bpfvm.runtime.maps.percpu_hash import PercpuHashMap

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime


class LruHashMap(HashMap):
    """A hash table that makes room for itself."""

    kind = "lru_hash"
    __slots__ = ("_use",)

    def __init__(self, rt: Runtime, spec: MapSpec, map_id: int) -> None:
        super().__init__(rt, spec, map_id)
        self._use: OrderedDict[bytes, None] = OrderedDict()

    def lookup_elem(self, key: bytes) -> int:
        addr = super().lookup_elem(key)
        if addr:
            self._use.move_to_end(key)
        return addr

    def peek_addr(self, key: bytes) -> int:
        return super().lookup_elem(key)

    def update_elem(self, key: bytes, value: bytes, flags: int) -> int:
        code = super().update_elem(key, value, flags)
        if not code:
            self._touch(key)
        return code

    def delete_elem(self, key: bytes) -> int:
        self._use.pop(key, None)
        return super().delete_elem(key)

    def _touch(self, key: bytes) -> None:
        self._use[key] = None
        self._use.move_to_end(key)

    def _make_room(self) -> int:
        if len(self._elements) >= self.max_entries:
            self.delete_elem(next(iter(self._use)))
        return 0


class LruPercpuHashMap(PercpuHashMap):
    """The same with a value per CPU."""

    kind = "lru_percpu_hash"
    __slots__ = ("_use",)

    def __init__(self, rt: Runtime, spec: MapSpec, map_id: int) -> None:
        super().__init__(rt, spec, map_id)
        self._use: OrderedDict[bytes, None] = OrderedDict()

    def lookup_elem(self, key: bytes) -> int:
        addr = super().lookup_elem(key)
        if addr:
            self._use.move_to_end(key)
        return addr

    def peek_addr(self, key: bytes) -> int:
        return super().lookup_percpu_elem(key, self.rt.cpu)

    def _insert(self, key: bytes, flags: int) -> Element | int:
        element = super()._insert(key, flags)
        if not isinstance(element, int):
            self._use[key] = None
            self._use.move_to_end(key)
        return element

    def delete_elem(self, key: bytes) -> int:
        self._use.pop(key, None)
        return super().delete_elem(key)

    def _make_room(self) -> int:
        if len(self._elements) >= self.max_entries:
            self.delete_elem(next(iter(self._use)))
        return 0
