# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a program's context, and the socket structs that hang off it, look like to a program: rows of text, one a field.

Sources: the `*_is_valid_access` functions of net/core/filter.c, kernel/bpf/cgroup.c, kernel/trace/bpf_trace.c,
kernel/bpf/syscall.c, net/netfilter/nf_bpf_link.c (6.12, 6.18). struct layouts: include/uapi/linux/bpf.h.
Every row is compared with the running kernel byte by byte (tests/differential/test_ctx_oracle.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from verifier.memory import ctx_rows as rows
from verifier.state.reg_type import (
    PTR_MAYBE_NULL,
    PTR_TO_BTF_ID,
    PTR_TO_FLOW_KEYS,
    PTR_TO_PACKET,
    PTR_TO_PACKET_END,
    PTR_TO_PACKET_META,
    PTR_TO_SOCK_COMMON,
    PTR_TO_SOCKET,
    PTR_TO_TCP_SOCK,
    PTR_TO_TP_BUFFER,
    PTR_TO_XDP_SOCK,
    PTR_TRUSTED,
)

TYPES: Final = {
    "pkt": PTR_TO_PACKET,
    "pkt_end": PTR_TO_PACKET_END,
    "pkt_meta": PTR_TO_PACKET_META,
    "sock": PTR_TO_SOCKET,
    "sock_or_null": PTR_TO_SOCKET | PTR_MAYBE_NULL,
    "sock_common_or_null": PTR_TO_SOCK_COMMON | PTR_MAYBE_NULL,
    "flow_keys": PTR_TO_FLOW_KEYS,
    "tp_buffer": PTR_TO_TP_BUFFER,
}


@dataclass(frozen=True, slots=True)
class CtxField:
    """Bytes start..end of a context. sizes: loads allowed at any aligned place of the field; start_sizes: those that
    are allowed at its first byte only (and may go past its end); write_sizes: stores;
    type: register type a load gives (0: a number); struct: the kernel struct it points to, for PTR_TO_BTF_ID."""

    start: int
    end: int
    sizes: tuple[int, ...] = ()
    start_sizes: tuple[int, ...] = ()
    write_sizes: tuple[int, ...] = ()
    type: int = 0
    struct: str = ""

    def loads(self, off: int, size: int, sign: bool) -> bool:
        """A load of `size` bytes at `off` (aligned, inside the field) is allowed; only numbers are sign-extended."""
        if sign and self.type:
            return False
        inside = size in self.sizes and off + size <= self.end
        return inside or (off == self.start and size in self.start_sizes)

    def stores(self, off: int, size: int) -> bool:
        """A store of `size` bytes at `off` (aligned, inside the field) is allowed."""
        return size in self.write_sizes and off + size <= self.end


@dataclass(frozen=True, slots=True)
class CtxKind:
    """A context: size in bytes; fields (bytes in none of them can't be accessed); array: every byte is a number
    instead and may be written if `writable`, from byte `first` on; proto: slots typed by the attached function's
    prototype; tp_buffer: the first slot points to the tracepoint's writable buffer."""

    size: int
    fields: tuple[CtxField, ...] = ()
    array: bool = False
    writable: bool = False
    proto: bool = False
    first: int = 0
    tp_buffer: bool = False

    def field_at(self, off: int) -> CtxField | None:
        """The field that byte `off` belongs to."""
        for field in self.fields:
            if field.start <= off < field.end:
                return field
        return None


TRACING_ARGS: Final = 12 * 8
"""Bytes of a tracing context: twelve slots."""
EVERYTHING: Final = 0xFFFF


def _digits(text: str) -> tuple[int, ...]:
    return () if text == "-" else tuple(int(char) for char in text)


def _field(row: str) -> CtxField:
    """`name start end loads stores type`; loads is `124` or `4^12` (after ^: at the first byte only)."""
    _, start, end, loads, stores, type_ = row.split()
    anywhere, _, at_start = loads.partition("^")
    struct = type_.removeprefix("ptr:") if type_.startswith("ptr:") else ""
    value = PTR_TO_BTF_ID | PTR_TRUSTED if struct else TYPES.get(type_, 0)
    return CtxField(int(start), int(end), _digits(anywhere), _digits(at_start), _digits(stores), value, struct)


def _parse(text: str) -> tuple[CtxField, ...]:
    return tuple(_field(row) for row in text.splitlines() if row)


def _named(text: str, names: str, stores: str = "") -> tuple[CtxField, ...]:
    """The rows of some fields only, with stores to some of those only."""
    wanted, writable = names.split(), stores.split()
    out = []
    for row in text.strip().splitlines():
        name, start, end, loads, sizes, type_ = row.split()
        if name in wanted:
            out.append(_field(f"{name} {start} {end} {loads} {sizes if name in writable else '-'} {type_}"))
    return tuple(out)


SK_BUFF_SIZE: Final = 192
_SIMPLE: Final[dict[str, CtxKind]] = {
    **{
        type_: CtxKind(SK_BUFF_SIZE, _named(rows.SK_BUFF, reads, stores))
        for type_, (reads, stores) in rows.SK_BUFF_USE.items()
    },
    "sock_ops": CtxKind(224, _parse(rows.SOCK_OPS)),
    "sk_msg": CtxKind(80, _parse(rows.SK_MSG)),
    "cgroup_device": CtxKind(12, _parse(rows.CGROUP_DEVICE)),
    "cgroup_sysctl": CtxKind(8, _parse(rows.CGROUP_SYSCTL)),
    "sk_reuseport": CtxKind(56, _parse(rows.SK_REUSEPORT)),
    "sk_lookup": CtxKind(72, _parse(rows.SK_LOOKUP)),
    "netfilter": CtxKind(16, _parse(rows.NETFILTER)),
    "perf_event": CtxKind(184, _parse(rows.PERF_EVENT)),
    "syscall": CtxKind(EVERYTHING, array=True, writable=True),
    "raw_tracepoint": CtxKind(TRACING_ARGS, array=True),
    "raw_tracepoint_writable": CtxKind(TRACING_ARGS, array=True, tp_buffer=True),
    "kprobe": CtxKind(168, array=True),
    "tracepoint": CtxKind(8192, array=True, first=8),
    "struct_ops": CtxKind(TRACING_ARGS, proto=True),
    "tracing": CtxKind(TRACING_ARGS, proto=True),
    "lsm": CtxKind(TRACING_ARGS, proto=True),
    "lirc_mode2": CtxKind(4, _parse(rows.LIRC_MODE2)),
}
_UNPRIVILEGED: Final = {"cgroup_skb": CtxKind(SK_BUFF_SIZE, _named(rows.SK_BUFF, *rows.CGROUP_SKB_UNPRIVILEGED))}


@cache
def ctx_kind(prog_type: str, attach_type: int, *, bpf_capable: bool = True) -> CtxKind | None:
    """The context of a program type as it is with an expected attach type, for who has CAP_BPF or hasn't; None for
    types that have none here."""
    if not bpf_capable and prog_type in _UNPRIVILEGED:
        return _UNPRIVILEGED[prog_type]
    simple = _SIMPLE.get(prog_type)
    if simple is not None:
        return simple
    if prog_type == "xdp":
        return CtxKind(24, _parse(rows.XDP + (rows.XDP_EGRESS if attach_type == rows.XDP_DEVMAP else "")))
    if prog_type == "cgroup_sock":
        return CtxKind(80, _parse(rows.SOCK_COMMON_PART + rows.CGROUP_SOCK[attach_type]))
    if prog_type == "cgroup_sock_addr":
        return CtxKind(72, _parse(rows.SOCK_ADDR + rows.sock_addr_part(attach_type)))
    if prog_type == "cgroup_sockopt":
        return CtxKind(40, _parse(rows.SOCKOPT + rows.CGROUP_SOCKOPT[attach_type]))
    return None


SOCK_KINDS: Final[dict[int, CtxKind]] = {
    PTR_TO_SOCKET: CtxKind(80, _parse(rows.SOCK_COMMON_PART + rows.SOCK_REST)),
    PTR_TO_SOCK_COMMON: CtxKind(80, _parse(rows.SOCK_COMMON)),
    PTR_TO_TCP_SOCK: CtxKind(112, _parse(rows.TCP_SOCK)),
    PTR_TO_XDP_SOCK: CtxKind(4, _parse(rows.XDP_SOCK)),
}
"""What lies behind a socket pointer, by its base type."""
FLOW_KEYS_SIZE: Final = 56
