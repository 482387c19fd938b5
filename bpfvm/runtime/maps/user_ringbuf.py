# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BPF_MAP_TYPE_USER_RINGBUF: samples from user space to programs (kernel/bpf/ringbuf.c, 6.18)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.errors import SyscallError
from bpfvm.memory.fault import PAGE_SIZE
from bpfvm.obj.model import MapSpec
from bpfvm.runtime.maps.base import round8
from bpfvm.runtime.maps.ringbuf import BUSY, DISCARD, HEADER, RingbufMap

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

MAX_SAMPLES: Final = 128 << 10
"""BPF_MAX_USER_RINGBUF_SAMPLES"""
MAX_DYNPTR: Final = (1 << 24) - 1


class UserRingbufMap(RingbufMap):
    """Laid out as a ring buffer; user space writes producer_pos and the data (``push``, ``discard``)."""

    kind = "user_ringbuf"
    __slots__ = ("busy",)

    def __init__(self, rt: Runtime, spec: MapSpec, map_id: int) -> None:
        super().__init__(rt, spec, map_id)
        self.busy = False

    # --- the program's side -----------------------------------------------------------------------------------------
    def peek_sample(self) -> tuple[int, int] | int:
        """(address, size) of the next sample; -ENODATA at the end, -EAGAIN when one was discarded and skipped, -EINVAL
        or -E2BIG for what user space may not write."""
        produced, consumed = self.producer_pos, self.consumer_pos
        if produced & 7:
            return -errno.EINVAL
        if consumed >= produced:
            return -errno.ENODATA
        header = self._header(consumed)
        length = self.memory.load(header, 4)
        size = length & ~(BUSY | DISCARD)
        total = round8(size + HEADER)
        if total > produced - consumed:
            return -errno.EINVAL
        if total > self.max_entries or size > MAX_DYNPTR:
            return -errno.E2BIG
        if length & DISCARD:
            self._consumed(total)
            return -errno.EAGAIN
        if length & BUSY:
            return -errno.ENODATA
        return self.data + (consumed + HEADER & self.max_entries - 1), size

    def release_sample(self, size: int) -> None:
        """The sample that peek_sample gave is done with."""
        self._consumed(round8(size + HEADER))

    def _consumed(self, total: int) -> None:
        self.memory.store(self.base + PAGE_SIZE, 8, self.consumer_pos + total)

    # --- user space's side ------------------------------------------------------------------------------------------
    def push(self, sample: bytes, *, discard: bool = False) -> None:
        """user_ring_buffer__reserve and __submit (or __discard) of libbpf. Raises SyscallError(E2BIG, ENOSPC)."""
        total = round8(len(sample) + HEADER)
        if total > self.max_entries:
            self._fail(-errno.E2BIG, "push")
        produced = self.producer_pos
        if self.max_entries - (produced - self.consumer_pos) < total:
            raise SyscallError(errno.ENOSPC, f"{self!r} has no room for {len(sample)} bytes")
        header = self._header(produced)
        self.memory.store(header, 4, len(sample) | (DISCARD if discard else 0))
        self.memory.store(header + 4, 4, 0)
        self.memory.write(header + HEADER, sample)
        self._mirror(header, total)
        self.memory.store(self.base + 2 * PAGE_SIZE, 8, produced + total)

    def _mirror(self, header: int, total: int) -> None:
        """What lies behind the buffer's end is also at its start, and the other way round."""
        end = self.data + self.max_entries
        if header + total > end:
            self.memory.write(self.data, self.memory.read(end, header + total - end))
