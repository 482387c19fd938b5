# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BPF_MAP_TYPE_ARRAY_OF_MAPS and HASH_OF_MAPS: elements are maps like a template (kernel/bpf/map_in_map.c,
arraymap.c, hashtab.c; 6.18).

User space writes an inner map's id where the kernel takes a descriptor, and reads an id as there. A program's lookup
gives the inner map's address.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bpfvm.errors import ENOTSUPP
from bpfvm.isa import map_types as mt
from bpfvm.obj.model import MapSpec
from bpfvm.runtime.maps import batch
from bpfvm.runtime.maps.array import check_array, next_index
from bpfvm.runtime.maps.base import F_INNER_MAP, Map
from bpfvm.runtime.maps.hash import check_flags, check_hash
from bpfvm.runtime.maps.keyed import Element, Ordered

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

OUTER = ("array_of_maps", "hash_of_maps")
NO_INNER = ("prog_array", "struct_ops", "cgroup_storage", "percpu_cgroup_storage")
"""kinds without map_meta_equal"""
ID_SIZE = 4
ARRAYS = ("array", "percpu_array")


def check_inner(inner: MapSpec | None) -> int:
    """May this be the template of an outer map (bpf_map_meta_alloc)? 0 or a negative errno."""
    if inner is None:
        return -errno.EBADF
    if inner.map_type in OUTER:
        return -errno.EINVAL
    return -ENOTSUPP if inner.map_type in NO_INNER else 0


def like(template: MapSpec, other: Map) -> bool:
    """May the map stand where the template is declared (bpf_map_meta_equal, array_map_meta_equal)?"""
    spec = other.spec
    same = (template.map_type, template.key_size, template.value_size, template.map_flags) == (
        spec.map_type,
        spec.key_size,
        spec.value_size,
        spec.map_flags,
    )
    free_size = template.map_type not in ARRAYS or bool(template.map_flags & F_INNER_MAP)
    return same and (free_size or template.max_entries == spec.max_entries)


class _Outer(Map):
    """What both kinds share: elements hold addresses of struct bpf_map."""

    __slots__ = ()

    def _inner(self, value: bytes) -> Map | int:
        """The map with this id, or a negative errno (bpf_map_fd_get_ptr)."""
        found = self.rt.maps.get(int.from_bytes(value, "little"))
        if found is None:
            return -errno.EBADF
        template = self.spec.inner
        return found if template is not None and like(template, found) else -errno.EINVAL

    def _id_at(self, addr: int) -> bytes | int:
        """The id of the inner map whose address lies at ``addr``."""
        inner = self.memory.load(addr, 8) if addr else 0
        return self.rt.map_at(inner).id.to_bytes(ID_SIZE, "little") if inner else -errno.ENOENT


class ArrayOfMapsMap(_Outer):
    """Addresses lie one behind the other from ``values``; 0 where nothing is."""

    kind = "array_of_maps"
    batches = batch.ARRAY
    __slots__ = ("values",)

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        if spec.value_size != ID_SIZE or spec.map_flags & (mt.BPF_F_RDONLY_PROG | mt.BPF_F_WRONLY_PROG):
            return -errno.EINVAL
        return check_array(spec) or check_inner(spec.inner)

    def __init__(self, rt: Runtime, spec: MapSpec, map_id: int) -> None:
        super().__init__(rt, spec, map_id)
        self.values = self.memory.alloc(8 * spec.max_entries, what=spec.name)

    def destroy(self) -> None:
        self.memory.free(self.values)
        super().destroy()

    def _place(self, key: bytes) -> int:
        index = int.from_bytes(key, "little")
        return self.values + 8 * index if index < self.max_entries else 0

    def lookup_elem(self, key: bytes) -> int:
        place = self._place(key)
        return self.memory.load(place, 8) if place else 0

    def delete_elem(self, key: bytes) -> int:
        place = self._place(key)
        if not place:
            return -errno.E2BIG
        held = self.memory.load(place, 8)
        self.memory.store(place, 8, 0)
        return 0 if held else -errno.ENOENT

    def _value(self, key: bytes) -> bytes | int:
        return self._id_at(self._place(key))

    def _replace(self, key: bytes, value: bytes, flags: int) -> int:
        if flags != mt.BPF_ANY:
            return -errno.EINVAL
        place = self._place(key)
        if not place:
            return -errno.E2BIG
        inner = self._inner(value)
        if isinstance(inner, int):
            return inner
        self.memory.store(place, 8, inner.addr)
        return 0

    def _next_key(self, key: bytes | None) -> bytes | int:
        return next_index(key, self.max_entries)


class HashOfMapsMap(_Outer):
    """An element's address is kept with its key."""

    kind = "hash_of_maps"
    batches = batch.HASH
    __slots__ = ("_elements",)

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        return -errno.EINVAL if spec.value_size != ID_SIZE else check_hash(spec) or check_inner(spec.inner)

    def __init__(self, rt: Runtime, spec: MapSpec, map_id: int) -> None:
        super().__init__(rt, spec, map_id)
        self._elements = Ordered()

    def __len__(self) -> int:
        return len(self._elements)

    def lookup_elem(self, key: bytes) -> int:
        element = self._elements.get(key)
        return element.addr if element is not None else 0

    def delete_elem(self, key: bytes) -> int:
        return 0 if self._elements.remove(key) is not None else -errno.ENOENT

    def _value(self, key: bytes) -> bytes | int:
        addr = self.lookup_elem(key)
        return self.rt.map_at(addr).id.to_bytes(ID_SIZE, "little") if addr else -errno.ENOENT

    def _replace(self, key: bytes, value: bytes, flags: int) -> int:
        inner = self._inner(value)
        if isinstance(inner, int):
            return inner
        exists = self._elements.get(key) is not None
        if code := check_flags(exists, flags):
            return code
        if not exists and len(self._elements) >= self.max_entries:
            return -errno.E2BIG
        self._elements.put(key, Element(inner.addr, (), key))
        return 0

    def _next_key(self, key: bytes | None) -> bytes | int:
        found = self._elements.after(key)
        return -errno.ENOENT if found is None else found

    def _lookup_batch(self, token: bytes | None, count: int, *, delete: bool) -> batch.Batch:
        return batch.by_bucket(self, self._elements, token, count, delete=delete)
