# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BPF_MAP_TYPE_PERF_EVENT_ARRAY: where bpf_perf_event_output writes, one slot per CPU (kernel/bpf/arraymap.c,
kernel/trace/bpf_trace.c; 6.18).

The kernel's slots take perf event descriptors. Here user space opens a slot with ``open`` and takes what programs wrote
with ``records``; each record is the bytes that the program gave.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.errors import ENOTSUPP
from bpfvm.isa import map_types as mt
from bpfvm.isa.word import U32_MAX
from bpfvm.obj.model import MapSpec
from bpfvm.runtime.maps.array import check_array, next_index
from bpfvm.runtime.maps.base import Map

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

F_INDEX_MASK: Final = U32_MAX
F_CURRENT_CPU: Final = U32_MAX
FD_SIZE: Final = 4


class PerfEventArrayMap(Map):
    """Slots that are open hold lists of records."""

    kind = "perf_event_array"
    __slots__ = ("_open",)

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        if spec.value_size != FD_SIZE or spec.map_flags & (mt.BPF_F_RDONLY_PROG | mt.BPF_F_WRONLY_PROG):
            return -errno.EINVAL
        return check_array(spec)

    def __init__(self, rt: Runtime, spec: MapSpec, map_id: int) -> None:
        super().__init__(rt, spec, map_id)
        self._open: dict[int, list[bytes]] = {}

    # --- the program's side -----------------------------------------------------------------------------------------
    def output(self, flags: int, data: bytes) -> int:
        """bpf_perf_event_output into the slot that ``flags`` names; 0 or a negative errno."""
        index = flags & F_INDEX_MASK
        if flags & ~F_INDEX_MASK:
            return -errno.EINVAL
        if index == F_CURRENT_CPU:
            index = self.rt.cpu
        if index >= self.max_entries:
            return -errno.E2BIG
        records = self._open.get(index)
        if records is None:
            return -errno.ENOENT
        if index != self.rt.cpu:
            return -errno.EOPNOTSUPP
        records.append(data)
        return 0

    def update_elem(self, key: bytes, value: bytes, flags: int) -> int:
        return -ENOTSUPP

    def delete_elem(self, key: bytes) -> int:
        index = int.from_bytes(key, "little")
        if index >= self.max_entries:
            return -errno.E2BIG
        return 0 if self._open.pop(index, None) is not None else -errno.ENOENT

    def is_open(self, index: int) -> bool:
        """Does the slot hold an event?"""
        return index in self._open

    # --- user space's side ------------------------------------------------------------------------------------------
    def open(self, index: int) -> None:
        """Put a perf event of CPU ``index`` into its slot. Raises SyscallError(E2BIG)."""
        if index >= self.max_entries:
            self._fail(-errno.E2BIG, "update")
        self._open.setdefault(index, [])

    def records(self, index: int) -> list[bytes]:
        """Take what programs wrote into the slot, in order; nothing from one that isn't open."""
        taken = self._open.get(index, [])
        if taken:
            self._open[index] = []
        return taken

    def _value(self, key: bytes) -> bytes | int:
        return -ENOTSUPP

    def _replace(self, key: bytes, value: bytes, flags: int) -> int:
        if flags != mt.BPF_ANY:
            return -errno.EINVAL
        return -errno.E2BIG if int.from_bytes(key, "little") >= self.max_entries else -errno.EBADF

    def _next_key(self, key: bytes | None) -> bytes | int:
        return next_index(key, self.max_entries)
