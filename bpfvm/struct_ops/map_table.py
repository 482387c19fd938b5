# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Finding struct_ops maps: by id, and by the address of their instance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bpfvm.errors import UsageError
from bpfvm.struct_ops.map import StructOpsMap
from bpfvm.struct_ops.objects import IdTable

if TYPE_CHECKING:
    from bpfvm.struct_ops.kernel import Kernel


class StructOpsMaps:
    """All struct_ops maps of a kernel, by id and by the address of their kdata."""

    __slots__ = ("_by_kdata", "_kernel", "ids")

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.ids: IdTable[StructOpsMap] = IdTable()
        self._by_kdata: dict[int, StructOpsMap] = {}

    def __iter__(self) -> Iterator[StructOpsMap]:
        return iter(self.ids)

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, made: StructOpsMap) -> None:
        """Give a new map its id: struct_ops maps share the numbers of all other maps."""
        made.id = self._kernel.runtime.new_map_id()
        self.ids.put(made.id, made)
        self._by_kdata[made.kdata] = made

    def forget(self, gone: StructOpsMap) -> None:
        """A map's last reference is gone: neither its id nor ``get_kdata`` find it any more."""
        self.ids.remove(gone.id)
        del self._by_kdata[gone.kdata]

    def by_id(self, map_id: int) -> StructOpsMap:
        """The map with this id. Raises SyscallError ENOENT."""
        return self.ids.get(map_id)

    def by_kdata(self, kdata: int) -> StructOpsMap | None:
        """The map whose instance lies at this address."""
        return self._by_kdata.get(kdata)

    def get_kdata(self, kdata: int) -> bool:
        """bpf_struct_ops_get: a subsystem takes a reference of the map that owns an instance; False when it is
        being freed."""
        found = self._by_kdata.get(kdata)
        if found is None:
            return False
        found.get()
        return True

    def put_kdata(self, kdata: int) -> None:
        """bpf_struct_ops_put: drop such a reference. Raises UsageError when no map has this instance."""
        found = self._by_kdata.get(kdata)
        if found is None:
            raise UsageError(f"no struct_ops map has its instance at {kdata:#x}")
        found.put()
