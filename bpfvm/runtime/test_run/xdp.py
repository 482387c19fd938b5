# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""struct xdp_md of a test run (net/bpf/test_run.c bpf_prog_test_run_xdp, 6.18). Packets are never in fragments."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING, Final

from bpfvm.errors import SyscallError, UsageError
from bpfvm.runtime.test_run.packet import ETH_HLEN, POINTERS, SHADOW, Packet

if TYPE_CHECKING:
    from bpfvm.memory import Memory
    from bpfvm.runtime.runtime import Runtime

SIZE: Final = 24
"""sizeof(struct xdp_md): data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex"""
INGRESS_AT: Final = 12
GIVEN_AT: Final = SHADOW + 8 * len(POINTERS)
"""where the ingress device that the caller gave is kept, which is what comes back"""
HEADROOM: Final = 256
TAILROOM: Final = 320
MAX_FRAME: Final = 4096 - HEADROOM - TAILROOM
MAX_META: Final = 255
LOOPBACK: Final = 1


def bad_meta(size: int) -> bool:
    """Can't metadata have this size (xdp_metalen_invalid)?"""
    return bool(size & 3) or size > MAX_META


def make(rt: Runtime, frame: bytes, given: bytes) -> tuple[int, Packet]:
    """Context and packet. Raises SyscallError(EINVAL, ENODEV), UsageError for a packet that would be in fragments."""
    meta, ingress = _check(given, len(frame))
    if len(frame) - meta < ETH_HLEN:
        raise SyscallError(errno.EINVAL, f"a frame of {len(frame)} bytes (at least {ETH_HLEN})")
    if len(frame) > MAX_FRAME + meta:
        raise UsageError(f"not emulated: packets in fragments ({len(frame)} bytes are more than {MAX_FRAME + meta})")
    ctx = rt.memory.alloc(GIVEN_AT + 8, what="context")
    packet = Packet(rt.memory, ctx, frame, HEADROOM - meta, MAX_FRAME + meta - len(frame))
    packet.data += meta
    packet.show()
    rt.memory.store(ctx + INGRESS_AT, 4, ingress or LOOPBACK)
    rt.memory.store(ctx + GIVEN_AT, 4, ingress)
    return ctx, packet


def _check(given: bytes, size: int) -> tuple[int, int]:
    """(size of the metadata, ingress device) that the caller's context asks for."""
    if not given:
        return 0, 0
    data, end, meta, ingress, queue, egress = struct.unpack("<6I", given.ljust(SIZE, b"\0")[:SIZE])
    if meta or end > size or data > end or bad_meta(data) or egress or (queue and not ingress):
        raise SyscallError(errno.EINVAL, "the context sets what it may not, or its data lie outside of the frame")
    if end < size:
        raise UsageError(f"not emulated: packets in fragments (data_end {end} is below the frame's size {size})")
    if ingress > LOOPBACK:
        raise SyscallError(errno.ENODEV, f"there is no network device {ingress}, only 1 (lo)")
    if queue:
        raise SyscallError(errno.EINVAL, f"lo has no queue {queue}")
    return data, ingress


def data_out(packet: Packet) -> bytes:
    """Metadata and packet."""
    return packet.memory.read(packet.meta, packet.end - packet.meta)


def ctx_out(memory: Memory, ctx: int, packet: Packet) -> bytes:
    """The context with offsets from the metadata on (xdp_convert_buff_to_md)."""
    places = (packet.data - packet.meta, packet.end - packet.meta, 0)
    return struct.pack("<4I", *places, memory.load(ctx + GIVEN_AT, 4)) + bytes(SIZE - INGRESS_AT - 4)
