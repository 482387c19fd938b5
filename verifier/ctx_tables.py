# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What each program type's context looks like: rows of (first byte, byte after the last, rule).

Sources: net/core/filter.c bpf_skb_is_valid_access, sk_filter_is_valid_access, xdp_is_valid_access; kernel/bpf/syscall.c
syscall_prog_is_valid_access; kernel/trace/bpf_trace.c (6.18). struct layouts: include/uapi/linux/bpf.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from verifier.reg_type import (
    PTR_MAYBE_NULL,
    PTR_TO_PACKET,
    PTR_TO_PACKET_END,
    PTR_TO_PACKET_META,
    PTR_TO_SOCK_COMMON,
)


@dataclass(frozen=True, slots=True)
class CtxField:
    """Bytes start..end of a context. sizes: loads allowed (any power of two up to the field when empty); write_sizes:
    stores allowed; type: register type a load gives (0: a number); sign: sign-extending loads allowed."""

    start: int
    end: int
    sizes: tuple[int, ...] = ()
    write_sizes: tuple[int, ...] = ()
    type: int = 0
    sign: bool = True


@dataclass(frozen=True, slots=True)
class CtxKind:
    """A context: size in bytes; fields (bytes in none of them can't be accessed); array: every byte is a number
    instead and may be written if `writable`; proto: slots typed by the attached function's prototype."""

    size: int
    fields: tuple[CtxField, ...] = ()
    array: bool = False
    writable: bool = False
    proto: bool = False
    first: int = 0


_U32: Final = (1, 2, 4)


def _sk_buff(hidden: frozenset[str], writable: frozenset[str], types: dict[str, int]) -> CtxKind:
    fields = []
    for name, start, end in _SK_BUFF:
        if name in hidden:
            continue
        if name in ("cb",):
            sizes: tuple[int, ...] = (1, 2, 4, 8)
        elif name in ("data", "data_meta", "data_end", "remote_ip6", "local_ip6", "remote_ip4", "local_ip4"):
            sizes = (4,)
        elif name in ("hwtstamp", "tstamp", "sk"):
            sizes = (8,)
        else:
            sizes = _U32
        write = () if name not in writable else sizes if name == "cb" else (8,) if name == "tstamp" else (4,)
        fields.append(CtxField(start, end, sizes, write, types.get(name, 0), sign=name not in types or name == "sk"))
    return CtxKind(192, tuple(fields))


_SK_BUFF: Final = (
    *(("len", 0, 4), ("pkt_type", 4, 8), ("mark", 8, 12), ("queue_mapping", 12, 16), ("protocol", 16, 20)),
    *(("vlan_present", 20, 24), ("vlan_tci", 24, 28), ("vlan_proto", 28, 32), ("priority", 32, 36)),
    *(("ingress_ifindex", 36, 40), ("ifindex", 40, 44), ("tc_index", 44, 48), ("cb", 48, 68), ("hash", 68, 72)),
    *(("tc_classid", 72, 76), ("data", 76, 80), ("data_end", 80, 84), ("napi_id", 84, 88), ("family", 88, 92)),
    *(("remote_ip4", 92, 96), ("local_ip4", 96, 100), ("remote_ip6", 100, 116), ("local_ip6", 116, 132)),
    *(("remote_port", 132, 136), ("local_port", 136, 140), ("data_meta", 140, 144), ("tstamp", 152, 160)),
    *(("wire_len", 160, 164), ("gso_segs", 164, 168), ("sk", 168, 176), ("gso_size", 176, 180), ("hwtstamp", 184, 192)),
)
"""struct __sk_buff without flow_keys and tstamp_type, which no type handled here may read."""
_SK_FILTER_HIDDEN: Final = frozenset(
    [
        "tc_classid",
        "data",
        "data_meta",
        "data_end",
        "family",
        "remote_ip4",
        "local_ip4",
        "remote_ip6",
        "local_ip6",
        "remote_port",
        "local_port",
        "tstamp",
        "wire_len",
        "hwtstamp",
    ]
)
_SOCK: Final = {"sk": PTR_TO_SOCK_COMMON | PTR_MAYBE_NULL}

TRACING_ARGS: Final = 12 * 8
"""Bytes of a tracing context: twelve slots."""

CTX_KINDS: Final[dict[str, CtxKind]] = {
    "socket_filter": _sk_buff(_SK_FILTER_HIDDEN, frozenset(("cb",)), _SOCK),
    "xdp": CtxKind(
        24,
        (
            CtxField(0, 4, (4,), (), PTR_TO_PACKET, sign=False),
            CtxField(4, 8, (4,), (), PTR_TO_PACKET_END, sign=False),
            CtxField(8, 12, (4,), (), PTR_TO_PACKET_META, sign=False),
            CtxField(12, 16, (4,)),
            CtxField(16, 20, (4,)),
        ),
    ),
    "syscall": CtxKind(0xFFFF, array=True, writable=True),
    "raw_tracepoint": CtxKind(TRACING_ARGS, array=True),
    "kprobe": CtxKind(168, array=True),
    "tracepoint": CtxKind(8192, array=True, first=8),
    "struct_ops": CtxKind(TRACING_ARGS, proto=True),
    "tracing": CtxKind(TRACING_ARGS, proto=True),
}
"""By program type; a type that is missing is refused by name."""
