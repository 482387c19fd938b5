# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BPF_MAP_TYPE_PERCPU_HASH: a value per CPU behind each key (kernel/bpf/hashtab.c, 6.18)."""

from __future__ import annotations

import errno

from bpfvm.runtime.maps.base import round8
from bpfvm.runtime.maps.hash import HashMap, check_flags
from bpfvm.runtime.maps.keyed import Element


class PercpuHashMap(HashMap):
    """Updates write in place: a program's into its CPU's value (the others of a new element are zero), user space's
    into all."""

    kind = "percpu_hash"
    __slots__ = ()

    @property
    def user_value_size(self) -> int:
        return round8(self.value_size) * self.cpus

    def _new_element(self) -> Element:
        addr = self.memory.alloc(self.key_size, what=self.spec.name)
        values = [self.memory.alloc(round8(self.value_size), what=self.spec.name) for _ in range(self.cpus)]
        return Element(addr, tuple(values))

    def _release(self, element: Element) -> None:
        super()._release(element)
        for value in element.values:
            self.memory.free(value)

    def _current(self, element: Element) -> int:
        return element.values[self.rt.cpu]

    def lookup_elem(self, key: bytes) -> int:
        return self.lookup_percpu_elem(key, self.rt.cpu)

    def lookup_percpu_elem(self, key: bytes, cpu: int) -> int:
        element = self._elements.get(key)
        return element.values[cpu] if element is not None and cpu < self.cpus else 0

    def update_elem(self, key: bytes, value: bytes, flags: int) -> int:
        element = self._insert(key, flags)
        if isinstance(element, int):
            return element
        self._store_value(element.values[self.rt.cpu], value)
        return 0

    def _insert(self, key: bytes, flags: int) -> Element | int:
        """The element to write to, made if need be; or a negative errno."""
        if flags > 2:
            return -errno.EINVAL
        element = self._elements.get(key)
        if code := check_flags(element is not None, flags):
            return code
        if element is None:
            if code := self._make_room():
                return code
            element = self._take(key)
            for addr in element.values:
                self.memory.write(addr, bytes(round8(self.value_size)))
            self._elements.put(key, element)
        return element

    def _value(self, key: bytes) -> bytes | int:
        element = self._elements.get(key)
        if element is None:
            return -errno.ENOENT
        return b"".join(self.memory.read(addr, round8(self.value_size)) for addr in element.values)

    def _replace(self, key: bytes, value: bytes, flags: int) -> int:
        element = self._insert(key, flags)
        if isinstance(element, int):
            return element
        step = round8(self.value_size)
        for cpu, addr in enumerate(element.values):
            self._store_value(addr, value[cpu * step : (cpu + 1) * step])
        return 0
