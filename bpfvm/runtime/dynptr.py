# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""struct bpf_dynptr_kern: a pointer with a size and a kind that are only known at run time (include/linux/bpf.h,
kernel/bpf/helpers.c; 6.18)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.isa.word import u32

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

SIZE: Final = 16
"""u64 data, u32 size with kind and read-only bit, u32 offset"""
SIZE_AT, OFFSET_AT = 8, 12
MAX_SIZE: Final = 0xFF_FFFF
KIND_SHIFT: Final = 28
RDONLY: Final = 1 << 31
LOCAL, RINGBUF, SKB, XDP, SKB_META = 1, 2, 3, 4, 5
"""enum bpf_dynptr_type"""


class Dynptr:
    """The dynptr at ``addr`` in memory. Its data are bytes at an address, or (SKB, XDP) a context with a packet."""

    __slots__ = ("_rt", "addr")

    def __init__(self, rt: Runtime, addr: int) -> None:
        self._rt = rt
        self.addr = addr

    # --- fields -----------------------------------------------------------------------------------------------------
    @property
    def data(self) -> int:
        """Address of the bytes or the context; 0 for a dynptr that points to nothing."""
        return self._rt.memory.load(self.addr, 8)

    @property
    def _word(self) -> int:
        return self._rt.memory.load(self.addr + SIZE_AT, 4)

    @property
    def size(self) -> int:
        """Bytes it covers."""
        return self._word & MAX_SIZE

    @property
    def kind(self) -> int:
        """LOCAL, RINGBUF …"""
        return self._word >> KIND_SHIFT & 7

    @property
    def is_rdonly(self) -> bool:
        """May nothing be written through it?"""
        return bool(self._word & RDONLY)

    @property
    def offset(self) -> int:
        """Where it begins in its data."""
        return self._rt.memory.load(self.addr + OFFSET_AT, 4)

    def set(self, data: int, kind: int, size: int, *, rdonly: bool = False) -> int:
        """Point to ``size`` bytes; 0."""
        memory = self._rt.memory
        memory.store(self.addr, 8, data)
        memory.store(self.addr + SIZE_AT, 4, size | kind << KIND_SHIFT | (RDONLY if rdonly else 0))
        memory.store(self.addr + OFFSET_AT, 4, 0)
        return 0

    def set_null(self, code: int = 0) -> int:
        """Point to nothing; ``code``."""
        self._rt.memory.write(self.addr, bytes(SIZE))
        return code

    def copy_to(self, other: int) -> None:
        """The same dynptr at another address."""
        self._rt.memory.write(other, self._rt.memory.read(self.addr, SIZE))

    def adjust(self, start: int, end: int) -> int:
        """Cover only bytes start … end of what it covers; 0 or a negative errno."""
        if not self.data or start > end:
            return -errno.EINVAL
        if end > self.size:
            return -errno.ERANGE
        memory = self._rt.memory
        memory.store(self.addr + OFFSET_AT, 4, self.offset + start)
        memory.store(self.addr + SIZE_AT, 4, self._word & ~MAX_SIZE | (end - start))
        return 0

    # --- contents ---------------------------------------------------------------------------------------------------
    def check(self, offset: int, size: int) -> int:
        """0, or -E2BIG for bytes it doesn't cover."""
        return -errno.E2BIG if offset + size > self.size else 0

    def address(self, offset: int, size: int) -> int:
        """Address of bytes that it covers, 0 for others. A packet is in one piece, so that its bytes have one, too."""
        data = self.data
        if not data or self.check(offset, size):
            return 0
        start = self.offset + offset
        if self.kind in (SKB, XDP):
            packet = self._rt.packet_of(data, "dynptr of a packet")
            return packet.data + start if packet.load(start, size) is not None else 0
        if self.kind == SKB_META:
            packet = self._rt.packet_of(data, "dynptr of metadata")
            return packet.meta + start if packet.meta + start + size <= packet.data else 0
        return data + start

    def read(self, offset: int, size: int) -> bytes | int:
        """Bytes, or a negative errno."""
        if not self.data:
            return -errno.EINVAL
        if code := self.check(offset, size):
            return code
        addr = self.address(offset, size)
        if not addr:
            return -errno.EINVAL if self.kind == XDP else -errno.EFAULT
        return self._rt.memory.read(addr, size)

    def write(self, offset: int, data: bytes, flags: int) -> int:
        """Store bytes; 0 or a negative errno. Only packets of sockets take flags."""
        if not self.data or self.is_rdonly:
            return -errno.EINVAL
        if code := self.check(offset, len(data)):
            return code
        if flags and (self.kind != SKB or flags & ~3):
            return -errno.EINVAL
        addr = self.address(offset, len(data))
        if not addr:
            return -errno.EINVAL if self.kind == XDP else -errno.EFAULT
        self._rt.memory.write(addr, data)
        return 0


def too_big(size: int) -> int:
    """0, or -E2BIG for a size that no dynptr has (bpf_dynptr_check_size)."""
    return -errno.E2BIG if u32(size) > MAX_SIZE else 0
