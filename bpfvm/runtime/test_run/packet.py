# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A packet's bytes in emulated memory, with the room around them that helpers give to programs or take back.

The packet is always in one piece, as the kernel's test runs make it (net/bpf/test_run.c bpf_test_init, 6.18).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bpfvm.memory import Memory

SHADOW: Final = 256
"""offset behind every user-space context where the three packet pointers are, which a u32 field can't hold"""
POINTERS: Final = ("data", "data_end", "data_meta")
ETH_HLEN: Final = 14
LL_OFF, NET_OFF = -0x20_0000, -0x10_0000
"""SKF_LL_OFF, SKF_NET_OFF: where the offsets of ld_abs count from the link and from the network header"""


@dataclass(slots=True)
class Tunnel:
    """What struct ip_tunnel_info holds of an outgoing packet. flags: IP_TUNNEL_*_BIT; remote, local: 4 or 16 bytes in
    network order; options: None when there are none."""

    ipv6: bool
    tunnel_id: int
    tos: int
    ttl: int
    flags: int
    label: int
    remote: bytes
    local: bytes
    options: bytes | None = None


class Packet:
    """Addresses in ``memory``: ``start`` … ``limit`` is the whole room, ``data`` … ``end`` the packet, ``meta`` …
    ``data`` its metadata, ``mac`` and ``network`` the headers. ``ctx`` is the context that shows it to the program;
    ``len_at`` is where the context has the length (-1: nowhere). ``owned`` are objects that go with it; ``csum_level``
    is the number of checksums known to be right, minus one, None when nothing is known (skb->ip_summed); ``also``
    is another object that shows it (0: none); ``encapsulated``: a program put headers around it (skb->encapsulation);
    ``tunnel`` is what a program said about the tunnel it is to take, None for nothing (skb_dst); ``kernel_ctx``
    is the kernel's own context, once a program has asked for it, and ``mirror`` keeps that up to date."""

    __slots__ = (
        "also",
        "csum_level",
        "ctx",
        "data",
        "encapsulated",
        "end",
        "kernel_ctx",
        "len_at",
        "limit",
        "mac",
        "memory",
        "meta",
        "mirror",
        "network",
        "owned",
        "start",
        "tunnel",
    )

    def __init__(self, memory: Memory, ctx: int, frame: bytes, headroom: int, tailroom: int, len_at: int = -1) -> None:
        self.memory = memory
        self.ctx = ctx
        self.len_at = len_at
        self.owned: list[int] = []
        self.csum_level: int | None = None
        self.also = 0
        self.encapsulated = False
        self.kernel_ctx = 0
        self.mirror: Callable[[], None] | None = None
        self.tunnel: Tunnel | None = None
        self.start = memory.alloc(headroom + len(frame) + tailroom, what="packet")
        self.limit = self.start + headroom + len(frame) + tailroom
        self.data = self.meta = self.mac = self.start + headroom
        self.network = self.mac + ETH_HLEN
        self.end = self.data + len(frame)
        memory.write(self.data, frame)
        self.show()

    def __len__(self) -> int:
        return self.end - self.data

    def free(self) -> None:
        """Give the bytes back, and what the packet owns."""
        for each in (self.start, *self.owned):
            self.memory.free(each)

    def show(self) -> None:
        """Put the pointers and the length into the context."""
        for index, value in enumerate((self.data, self.end, self.meta)):
            self.memory.store(self.ctx + SHADOW + 8 * index, 8, value)
        if self.len_at >= 0:
            self.memory.store(self.ctx + self.len_at, 4, len(self))
        if self.mirror is not None:
            self.mirror()

    def content(self) -> bytes:
        """The packet."""
        return self.memory.read(self.data, len(self))

    def load(self, offset: int, size: int) -> bytes | None:
        """``size`` bytes from ``offset`` on, or None when they aren't all in the packet."""
        inside = offset >= 0 and size >= 0 and self.data + offset + size <= self.end
        return self.memory.read(self.data + offset, size) if inside else None

    def store(self, offset: int, data: bytes) -> bool:
        """Write bytes of the packet; False when they aren't all in it."""
        if offset < 0 or self.data + offset + len(data) > self.end:
            return False
        self.memory.write(self.data + offset, data)
        return True

    def load_absolute(self, offset: int, size: int) -> int | None:
        """What ld_abs reads: a big-endian number at an offset from the data, or from a header where the offset asks
        for that (net/core/filter.c bpf_skb_load_helper_8, kernel/bpf/core.c bpf_internal_load_pointer_neg_helper)."""
        at = self.data + offset
        if LL_OFF <= offset < NET_OFF:
            at = self.mac + offset - LL_OFF
        elif NET_OFF <= offset < 0:
            at = self.network + offset - NET_OFF
        elif offset < 0:
            return None
        return int.from_bytes(self.memory.read(at, size), "big") if at + size <= self.end else None

    # --- growing and shrinking --------------------------------------------------------------------------------------
    def make_room(self, head: int, tail: int) -> None:
        """See to ``head`` free bytes before the data and ``tail`` behind it: the packet moves if need be
        (pskb_expand_head). The room's contents are unspecified in the kernel, zero here."""
        if self.data - self.start >= head and self.limit - self.end >= tail:
            return
        before, after = max(head, self.data - self.start), max(tail, self.limit - self.end)
        room = self.memory.alloc(before + len(self) + after, what="packet")
        move = room + before - self.data
        kept = min(self.data - self.start, before)
        self.memory.write(self.data + move - kept, self.memory.read(self.data - kept, kept + len(self)))
        self.memory.free(self.start)
        self.start, self.limit = room, room + before + len(self) + after
        for name in ("data", "end", "meta", "mac", "network"):
            setattr(self, name, getattr(self, name) + move)

    def push(self, size: int) -> None:
        """The data begins ``size`` bytes earlier (skb_push)."""
        self.make_room(size, 0)
        self.data -= size

    def pull(self, size: int) -> None:
        """The data begins ``size`` bytes later (skb_pull)."""
        self.data += size

    def resize(self, size: int) -> None:
        """The packet ends ``size`` bytes behind its start; new bytes are zero."""
        more = size - len(self)
        if more > 0:
            self.make_room(0, more)
            self.memory.write(self.end, bytes(more))
        self.end = self.data + size
