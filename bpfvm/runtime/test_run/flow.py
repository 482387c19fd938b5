# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The context of a flow dissector (net/core/flow_dissector.c bpf_flow_dissect, net/bpf/test_run.c; 6.18): packet
pointers, and struct bpf_flow_keys for the result."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.errors import SyscallError
from bpfvm.runtime.test_run.packet import ETH_HLEN, POINTERS, SHADOW, Packet

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

KEYS_AT: Final = 144
"""flow_keys in struct __sk_buff"""
KEYS_SIZE: Final = 56
NHOFF, THOFF, N_PROTO, FLAGS = 0, 2, 10, 48
"""fields of struct bpf_flow_keys"""
MAX_FRAME: Final = 4096 - 320


def make(rt: Runtime, frame: bytes, given: bytes) -> tuple[int, Packet]:
    """Context and packet; of ``given``, a struct bpf_flow_keys, only the flags count. Raises SyscallError(EINVAL)."""
    keys_in = given.ljust(KEYS_SIZE, b"\0")[:KEYS_SIZE]
    if not ETH_HLEN <= len(frame) <= MAX_FRAME or any(keys_in[:FLAGS]) or any(keys_in[FLAGS + 4 :]):
        raise SyscallError(errno.EINVAL, f"a frame of {len(frame)} bytes, or keys other than flags")
    memory = rt.memory
    ctx = memory.alloc(SHADOW + 8 * len(POINTERS), what="context")
    packet = Packet(memory, ctx, frame, 0, 0)
    keys = memory.alloc(KEYS_SIZE, what="struct bpf_flow_keys")
    packet.owned.append(keys)
    memory.store(ctx + KEYS_AT, 8, keys)
    memory.store(keys + NHOFF, 2, ETH_HLEN)
    memory.store(keys + THOFF, 2, ETH_HLEN)
    memory.write(keys + N_PROTO, frame[12:14])
    memory.write(keys + FLAGS, keys_in[FLAGS : FLAGS + 4])
    return ctx, packet


def data_out(rt: Runtime, ctx: int, packet: Packet) -> bytes:
    """The keys, with offsets that lie in the packet."""
    memory = rt.memory
    keys = memory.load(ctx + KEYS_AT, 8)
    network = min(max(memory.load(keys + NHOFF, 2), ETH_HLEN), len(packet))
    memory.store(keys + NHOFF, 2, network)
    memory.store(keys + THOFF, 2, min(max(memory.load(keys + THOFF, 2), network), len(packet)))
    return memory.read(keys, KEYS_SIZE)
