# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BPF_MAP_TYPE_RINGBUF: records from programs to user space, in order (kernel/bpf/ringbuf.c, 6.18).

In memory as in the kernel: a page for the kernel, a page that begins with consumer_pos, one with producer_pos, then
the data. The kernel maps the data twice, one behind the other, so that a record may run over the end; here the
second half is memory of its own, which comes to the same as records are only read from their start.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from bpfvm.errors import ENOTSUPP, KernelReport
from bpfvm.memory.fault import PAGE_SIZE
from bpfvm.obj.model import MapSpec
from bpfvm.runtime.maps.base import F_NUMA_NODE, Map, round8

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

BUSY = 1 << 31
DISCARD = 1 << 30
HEADER = 8
"""u32 length with the two bits above, u32 offset in pages from the buffer's first page"""
META_PAGES = 3
MAX_RECORD = 0xFFFF_FFFF // 4
MAX_DATA = (1 << 44) - META_PAGES * PAGE_SIZE
NO_WAKEUP = 1
FORCE_WAKEUP = 2
AVAIL_DATA, RING_SIZE, CONS_POS, PROD_POS = range(4)


class RingbufMap(Map):
    """``data`` bytes is max_entries. ``wakeups`` counts notifications; ``on_wakeup`` is called for each."""

    kind = "ringbuf"
    __slots__ = ("_pending", "base", "data", "on_wakeup", "wakeups")

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        if spec.map_flags & ~F_NUMA_NODE or spec.key_size or spec.value_size:
            return -errno.EINVAL
        size = spec.max_entries
        if size == 0 or size & (size - 1) or size % PAGE_SIZE:
            return -errno.EINVAL
        return -errno.E2BIG if size > MAX_DATA else 0

    def __init__(self, rt: Runtime, spec: MapSpec, map_id: int) -> None:
        super().__init__(rt, spec, map_id)
        size = META_PAGES * PAGE_SIZE + 2 * spec.max_entries
        self.base = self.memory.alloc(size, align=PAGE_SIZE, what=spec.name)
        self.data = self.base + META_PAGES * PAGE_SIZE
        self._pending = 0
        self.wakeups = 0
        self.on_wakeup: Callable[[], None] | None = None
        rt.ringbufs[self.base] = self

    def destroy(self) -> None:
        del self.rt.ringbufs[self.base]
        self.memory.free(self.base)
        super().destroy()

    # --- positions --------------------------------------------------------------------------------------------------
    @property
    def consumer_pos(self) -> int:
        """Bytes ever consumed."""
        return self.memory.load(self.base + PAGE_SIZE, 8)

    @property
    def producer_pos(self) -> int:
        """Bytes ever reserved."""
        return self.memory.load(self.base + 2 * PAGE_SIZE, 8)

    def _header(self, pos: int) -> int:
        return self.data + (pos & (self.max_entries - 1))

    # --- the program's side -----------------------------------------------------------------------------------------
    def reserve(self, size: int) -> int:
        """Address of ``size`` bytes of a new record; 0 when there is no room."""
        room = round8(size + HEADER)
        if size > MAX_RECORD or room > self.max_entries:
            return 0
        start = self.producer_pos
        end = start + room
        if end - self.consumer_pos > self.max_entries - 1 or end - self._oldest_busy() > self.max_entries - 1:
            return 0
        header = self._header(start)
        self.memory.store(header, 4, size | BUSY)
        self.memory.store(header + 4, 4, (header - self.base) // PAGE_SIZE)
        self.memory.store(self.base + 2 * PAGE_SIZE, 8, end)
        return header + HEADER

    def _oldest_busy(self) -> int:
        """Position of the oldest record that isn't committed yet, or the producer's."""
        pos, end = self._pending, self.producer_pos
        while pos < end:
            length = self.memory.load(self._header(pos), 4)
            if length & BUSY:
                break
            pos += round8((length & ~DISCARD) + HEADER)
        self._pending = pos
        return pos

    def commit(self, sample: int, flags: int, *, discard: bool = False) -> None:
        """End the record at ``sample`` (an address that reserve returned)."""
        header = sample - HEADER
        length = self.memory.load(header, 4)
        if not length & BUSY:
            self.rt.memory.report(KernelReport("ringbuf", f"record {sample:#x} of {self!r} was committed twice"))
            return
        self.memory.store(header, 4, length ^ BUSY | (DISCARD if discard else 0))
        at_consumer = self._header(self.consumer_pos) == header
        if flags & FORCE_WAKEUP or (at_consumer and not flags & NO_WAKEUP):
            self.wakeups += 1
            if self.on_wakeup is not None:
                self.on_wakeup()

    def output(self, data: bytes, flags: int) -> int:
        """Reserve, copy, commit; 0 or a negative errno."""
        if flags & ~(NO_WAKEUP | FORCE_WAKEUP):
            return -errno.EINVAL
        sample = self.reserve(len(data))
        if not sample:
            return -errno.EAGAIN
        self.memory.write(sample, data)
        self.commit(sample, flags)
        return 0

    def query(self, what: int) -> int:
        """bpf_ringbuf_query: unread bytes, size, consumer's or producer's position; 0 for another number."""
        if what == AVAIL_DATA:
            return self.producer_pos - self.consumer_pos
        return {RING_SIZE: self.max_entries, CONS_POS: self.consumer_pos, PROD_POS: self.producer_pos}.get(what, 0)

    # --- user space's side ------------------------------------------------------------------------------------------
    def consume(self) -> Iterator[bytes]:
        """Take committed records in order (discarded ones are skipped); stops at one that is still being written."""
        while (pos := self.consumer_pos) < self.producer_pos:
            header = self._header(pos)
            length = self.memory.load(header, 4)
            if length & BUSY:
                return
            size = length & ~DISCARD
            record = self.memory.read(header + HEADER, size)
            self.memory.store(self.base + PAGE_SIZE, 8, pos + round8(size + HEADER))
            if not length & DISCARD:
                yield record

    def update_elem(self, key: bytes, value: bytes, flags: int) -> int:
        return -ENOTSUPP

    def delete_elem(self, key: bytes) -> int:
        return -ENOTSUPP

    def _value(self, key: bytes) -> bytes | int:
        return -ENOTSUPP
