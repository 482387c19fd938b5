# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BPF_MAP_TYPE_QUEUE and BPF_MAP_TYPE_STACK (kernel/bpf/queue_stack_maps.c, 6.18)."""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING

from bpfvm.errors import UsageError
from bpfvm.isa import map_types as mt
from bpfvm.obj.model import MapSpec
from bpfvm.runtime.maps.base import ACCESS_MASK, F_NUMA_NODE, KMALLOC_MAX_SIZE, Map, access_ok

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime


class QueueMap(Map):
    """First in, first out. Values are only ever copied, so they are kept outside of the emulated memory.

    User space: ``update(b"", value)`` pushes, ``get(b"")`` peeks, ``pop()`` takes.
    """

    kind = "queue"
    __slots__ = ("_values",)

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        if spec.max_entries == 0 or spec.key_size or spec.value_size == 0:
            return -errno.EINVAL
        if spec.map_flags & ~(F_NUMA_NODE | ACCESS_MASK) or not access_ok(spec.map_flags):
            return -errno.EINVAL
        return -errno.E2BIG if spec.value_size > KMALLOC_MAX_SIZE else 0

    def __init__(self, rt: Runtime, spec: MapSpec, map_id: int) -> None:
        super().__init__(rt, spec, map_id)
        self._values: deque[bytes] = deque()

    def __len__(self) -> int:
        return len(self._values)

    def push_elem(self, value: bytes, flags: int) -> int:
        if flags not in (mt.BPF_ANY, mt.BPF_EXIST):
            return -errno.EINVAL
        if len(self._values) >= self.max_entries:
            if flags != mt.BPF_EXIST:
                return -errno.E2BIG
            self._values.popleft()
        self._values.append(value)
        return 0

    def _first(self) -> int:
        """Index of the value that comes next."""
        return 0

    def peek_elem(self) -> bytes | int:
        return self._values[self._first()] if self._values else -errno.ENOENT

    def pop_elem(self) -> bytes | int:
        value = self.peek_elem()
        if isinstance(value, bytes):
            del self._values[self._first()]
        return value

    def update_elem(self, key: bytes, value: bytes, flags: int) -> int:
        return -errno.EINVAL

    def _value(self, key: bytes) -> bytes | int:
        return self.peek_elem()

    def _replace(self, key: bytes, value: bytes, flags: int) -> int:
        return self.push_elem(value, flags)

    def _next_key(self, key: bytes | None) -> bytes | int:
        return -errno.EINVAL

    def lookup(self, key: bytes) -> int | None:
        raise UsageError(f"{self!r} has no addresses: use get")

    def pop(self) -> bytes:
        """BPF_MAP_LOOKUP_AND_DELETE_ELEM. Raises SyscallError(ENOENT, EPERM)."""
        self._allow(read=True, write=True)
        value = self.pop_elem()
        return value if isinstance(value, bytes) else self._fail(value, "lookup_and_delete")


class StackMap(QueueMap):
    """Last in, first out."""

    kind = "stack"
    __slots__ = ()

    def _first(self) -> int:
        return -1
