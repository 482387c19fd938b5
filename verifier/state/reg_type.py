# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Register types: a base type in the low 8 bits and modifier flags above, with the names and values of 6.18.

Source: include/linux/bpf.h `enum bpf_reg_type`, `enum bpf_type_flag`; texts: kernel/bpf/log.c:reg_type_str. They are
plain ints, not enum members, because the verifier compares them in its inner loops.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, TypeAlias

RegType: TypeAlias = int
"""A base type ORed with any number of flags."""

NOT_INIT: Final = 0
SCALAR_VALUE: Final = 1
PTR_TO_CTX: Final = 2
CONST_PTR_TO_MAP: Final = 3
PTR_TO_MAP_VALUE: Final = 4
PTR_TO_MAP_KEY: Final = 5
PTR_TO_STACK: Final = 6
PTR_TO_PACKET_META: Final = 7
PTR_TO_PACKET: Final = 8
PTR_TO_PACKET_END: Final = 9
PTR_TO_FLOW_KEYS: Final = 10
PTR_TO_SOCKET: Final = 11
PTR_TO_SOCK_COMMON: Final = 12
PTR_TO_TCP_SOCK: Final = 13
PTR_TO_TP_BUFFER: Final = 14
PTR_TO_XDP_SOCK: Final = 15
PTR_TO_BTF_ID: Final = 16
PTR_TO_MEM: Final = 17
PTR_TO_ARENA: Final = 18
PTR_TO_BUF: Final = 19
PTR_TO_FUNC: Final = 20
CONST_PTR_TO_DYNPTR: Final = 21

BASE_TYPE_MASK: Final = 0xFF
PTR_MAYBE_NULL: Final = 0x100
MEM_RDONLY: Final = 0x200
MEM_RINGBUF: Final = 0x400
MEM_USER: Final = 0x800
MEM_PERCPU: Final = 0x1000
OBJ_RELEASE: Final = 0x2000
PTR_UNTRUSTED: Final = 0x4000
MEM_UNINIT: Final = 0x8000
DYNPTR_TYPE_LOCAL: Final = 0x1_0000
DYNPTR_TYPE_RINGBUF: Final = 0x2_0000
MEM_FIXED_SIZE: Final = 0x4_0000
MEM_ALLOC: Final = 0x8_0000
PTR_TRUSTED: Final = 0x10_0000
MEM_RCU: Final = 0x20_0000
NON_OWN_REF: Final = 0x40_0000
DYNPTR_TYPE_SKB: Final = 0x80_0000
DYNPTR_TYPE_XDP: Final = 0x100_0000
MEM_ALIGNED: Final = 0x200_0000
MEM_WRITE: Final = 0x400_0000
DYNPTR_TYPE_SKB_META: Final = 0x800_0000

BASE_NAMES: Final = (
    *("?", "scalar", "ctx", "map_ptr", "map_value", "map_key", "fp", "pkt_meta", "pkt", "pkt_end", "flow_keys"),
    *("sock", "sock_common", "tcp_sock", "tp_buffer", "xdp_sock", "ptr_", "mem", "arena", "buf", "func", "dynptr_ptr"),
)
"""Text of each base type, indexed by it."""

PREFIXES: Final = (
    (MEM_RDONLY, "rdonly_"),
    (MEM_RINGBUF, "ringbuf_"),
    (MEM_USER, "user_"),
    (MEM_PERCPU, "percpu_"),
    (MEM_RCU, "rcu_"),
    (PTR_UNTRUSTED, "untrusted_"),
    (PTR_TRUSTED, "trusted_"),
)
"""Flags that show in a type's text, in the order in which they are printed."""


def base_type(type_: RegType) -> int:
    """The type without its flags."""
    return type_ & BASE_TYPE_MASK


def type_flag(type_: RegType) -> int:
    """The flags without the base type."""
    return type_ & ~BASE_TYPE_MASK


def is_pkt_pointer(type_: RegType) -> bool:
    """Packet data or metadata (not the packet's end): kernel type_is_pkt_pointer."""
    base = type_ & BASE_TYPE_MASK
    return base in (PTR_TO_PACKET, PTR_TO_PACKET_META)


def is_map_pointer(type_: RegType) -> bool:
    """A pointer that knows its map: the map itself, a key or a value."""
    base = type_ & BASE_TYPE_MASK
    return base in (CONST_PTR_TO_MAP, PTR_TO_MAP_VALUE, PTR_TO_MAP_KEY)


def is_non_owning_ref(type_: RegType) -> bool:
    """A program-allocated object that the program may use but does not own."""
    return type_ & (MEM_ALLOC | NON_OWN_REF) == MEM_ALLOC | NON_OWN_REF


@lru_cache(maxsize=4096)
def type_str(type_: RegType) -> str:
    """The kernel's text of a type, e.g. `scalar`, `map_value_or_null`, `rcu_ptr_or_null_`."""
    base = type_ & BASE_TYPE_MASK
    name = "".join(text for flag, text in PREFIXES if type_ & flag) + BASE_NAMES[base]
    if not type_ & PTR_MAYBE_NULL:
        return name
    return name + ("or_null_" if base == PTR_TO_BTF_ID else "_or_null")
