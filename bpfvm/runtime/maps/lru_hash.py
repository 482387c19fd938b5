# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BPF_MAP_TYPE_LRU_HASH and LRU_PERCPU_HASH: a full table drops an old element instead of refusing a new one
(kernel/bpf/hashtab.c, 6.18). Which one: lru. A program's lookup marks an element as used, user space's doesn't.

An update takes a node before it looks for the key, so that it may drop an element even where it replaces one or fails.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.isa import map_types as mt
from bpfvm.obj.model import MapSpec
from bpfvm.runtime.maps.base import F_NO_COMMON_LRU, round8
from bpfvm.runtime.maps.hash import HashMap, check_flags
from bpfvm.runtime.maps.keyed import Element, Ordered
from bpfvm.runtime.maps.lru import CommonLru, Lru, PercpuLru
from bpfvm.runtime.maps.lru_list import Node
from bpfvm.runtime.maps.percpu_hash import PercpuHashMap

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

U32_MAX: Final = 0xFFFF_FFFF


class _Nodes:
    """The nodes of a map's elements by key."""

    __slots__ = ("_found", "lru", "map")

    def __init__(self, owner: _LruMap) -> None:
        self.map = owner
        self._found: dict[bytes, Node] = {}
        made = PercpuLru if owner.spec.map_flags & F_NO_COMMON_LRU else CommonLru
        self.lru: Lru = made(owner.max_entries, owner.cpus, self._evict)

    def get(self, key: bytes) -> Node | None:
        """The node of the element with this key."""
        return self._found.get(key)

    def mark(self, key: bytes) -> None:
        """The element was used."""
        self._found[key].used = True

    def put(self, key: bytes, node: Node) -> None:
        """The node carries the element with this key from now on."""
        self._found[key] = node

    def remove(self, key: bytes) -> Node | None:
        """The key has no element any more."""
        return self._found.pop(key, None)

    def _evict(self, node: Node) -> bool:
        key = node.element.key if node.element is not None else b""
        if self._found.get(key) is not node:
            return False
        del self._found[key]
        self.map.forget(key)
        return True


def _entries(rt: Runtime, spec: MapSpec) -> int:
    """max_entries: with lists per CPU a multiple of the CPUs."""
    if not spec.map_flags & F_NO_COMMON_LRU:
        return spec.max_entries
    up = -(-spec.max_entries // rt.cpus) * rt.cpus
    return up if up <= U32_MAX else spec.max_entries // rt.cpus * rt.cpus


class _LruMap(HashMap):
    """What both kinds share: every element's block belongs to a node."""

    __slots__ = ("_blocks", "_nodes")

    def __init__(self, rt: Runtime, spec: MapSpec, map_id: int) -> None:
        super().__init__(rt, spec, map_id)
        self.max_entries = _entries(rt, spec)
        self._blocks: list[Element] = []
        self._nodes = _Nodes(self)

    def destroy(self) -> None:
        for element in self._elements.values():
            self._give_up(element)
        self._elements, self._free = Ordered(), self._blocks
        super().destroy()

    def _new_element(self) -> Element:
        self._blocks.append(made := super()._new_element())
        return made

    def _ready(self, node: Node, key: bytes) -> Element:
        """The node's element, for this key; its block is made when the node is first handed out."""
        if node.element is not None:
            self._free.append(node.element)
        node.element = self._take(key)
        return node.element

    def _give_up(self, element: Element) -> None:
        """The block stays with its node."""
        for value in element.values if self.special else ():
            self.free_fields(value)

    def forget(self, key: bytes) -> None:
        """The key's element is no longer in the map."""
        element = self._elements.remove(key)
        if element is not None:
            self._give_up(element)

    def delete_elem(self, key: bytes) -> int:
        node = self._nodes.remove(key)
        if node is None:
            return -errno.ENOENT
        self.forget(key)
        self._nodes.lru.push(node)
        return 0


class LruHashMap(_LruMap):
    """A hash table that makes room for itself."""

    kind = "lru_hash"
    __slots__ = ()

    def lookup_elem(self, key: bytes) -> int:
        addr = super().lookup_elem(key)
        if addr:
            self._nodes.mark(key)
        return addr

    def peek_addr(self, key: bytes) -> int:
        return super().lookup_elem(key)

    def update_elem(self, key: bytes, value: bytes, flags: int) -> int:
        if flags > mt.BPF_EXIST:
            return -errno.EINVAL
        node = self._nodes.lru.pop(self.rt.cpu)
        if node is None:
            return -errno.ENOMEM
        element = self._ready(node, key)
        self._store_value(element.values[0], value)
        old = self._nodes.get(key)
        if code := check_flags(old is not None, flags):
            self._nodes.lru.push(node)
            return code
        self._elements.put(key, element)
        self._nodes.put(key, node)
        if old is not None and old.element is not None:
            node.used = True
            self._give_up(old.element)
            self._nodes.lru.push(old)
        return 0


class LruPercpuHashMap(_LruMap, PercpuHashMap):
    """The same with a value per CPU, which updates write in place."""

    kind = "lru_percpu_hash"
    __slots__ = ()

    def lookup_percpu_elem(self, key: bytes, cpu: int) -> int:
        addr = super().lookup_percpu_elem(key, cpu)
        if addr:
            self._nodes.mark(key)
        return addr

    def peek_addr(self, key: bytes) -> int:
        return super().lookup_percpu_elem(key, self.rt.cpu)

    def _insert(self, key: bytes, flags: int) -> Element | int:
        if flags > mt.BPF_EXIST:
            return -errno.EINVAL
        node = self._nodes.lru.pop(self.rt.cpu) if flags != mt.BPF_EXIST else None
        if node is None and flags != mt.BPF_EXIST:
            return -errno.ENOMEM
        old = self._nodes.get(key)
        code = check_flags(old is not None, flags)
        if node is not None and (code or old is not None):
            self._nodes.lru.push(node)
        if code:
            return code
        if old is not None and old.element is not None:
            old.used = True
            return old.element
        assert node is not None  # only an update that may make an element comes here
        element = self._ready(node, key)
        for addr in element.values:
            self.memory.write(addr, bytes(round8(self.value_size)))
        self._elements.put(key, element)
        self._nodes.put(key, node)
        return element
