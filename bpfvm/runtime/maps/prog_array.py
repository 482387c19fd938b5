# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BPF_MAP_TYPE_PROG_ARRAY: where tail calls go (kernel/bpf/arraymap.c fd_array, 6.18)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bpfvm.engine.image import Image
from bpfvm.errors import ENOTSUPP
from bpfvm.isa import map_types as mt
from bpfvm.obj.model import MapSpec
from bpfvm.runtime.maps.array import check_array, next_index
from bpfvm.runtime.maps.base import Map
from bpfvm.runtime.maps.prog_owner import ProgOwner

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime


class ProgArrayMap(Map):
    """Slots hold program ids (keys of ``Runtime.programs``). User space writes an id where the kernel takes a
    descriptor."""

    kind = "prog_array"
    __slots__ = ("_owner", "_slots")

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        if spec.value_size != 4 or spec.map_flags & (mt.BPF_F_RDONLY_PROG | mt.BPF_F_WRONLY_PROG):
            return -errno.EINVAL
        return check_array(spec)

    def __init__(self, rt: Runtime, spec: MapSpec, map_id: int) -> None:
        super().__init__(rt, spec, map_id)
        self._slots: dict[int, int] = {}
        self._owner: ProgOwner | None = None

    def claim(self, owner: ProgOwner) -> ProgOwner | None:
        """A program refers to the array or is put into it: the first one decides which may follow. The owner that keeps
        this one out, None if it may."""
        self._owner = self._owner or owner
        return None if self._owner.admits(owner) else self._owner

    def program(self, index: int) -> Image | None:
        """What a tail call to ``index`` runs, None when the slot is empty or outside of the map."""
        return self.rt.programs.get(self._slots.get(index, 0))

    def update_elem(self, key: bytes, value: bytes, flags: int) -> int:
        return -ENOTSUPP

    def delete_elem(self, key: bytes) -> int:
        index = int.from_bytes(key, "little")
        if index >= self.max_entries:
            return -errno.E2BIG
        return 0 if self._slots.pop(index, 0) else -errno.ENOENT

    def _value(self, key: bytes) -> bytes | int:
        program = self._slots.get(int.from_bytes(key, "little"), 0)
        return program.to_bytes(4, "little") if program else -errno.ENOENT

    def _replace(self, key: bytes, value: bytes, flags: int) -> int:
        index, program = int.from_bytes(key, "little"), int.from_bytes(value, "little")
        if flags != mt.BPF_ANY:
            return -errno.EINVAL
        if index >= self.max_entries:
            return -errno.E2BIG
        if program not in self.rt.programs:
            return -errno.EBADF
        owner = self.rt.prog_owners.get(program)
        if owner is not None and self.claim(owner) is not None:
            return -errno.EINVAL
        self._slots[index] = program
        return 0

    def _next_key(self, key: bytes | None) -> bytes | int:
        return next_index(key, self.max_entries)
