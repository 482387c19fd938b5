# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Stores into a tcp_sock that tcp_congestion_ops allows: net/ipv4/bpf_tcp_ca.c bpf_tcp_ca_btf_struct_access (6.18)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from bpfvm.btf import types as t
from tests.differential.verifier_oracle import TcpOps, kernel_btf

_WRITABLE: Final = (
    *(("sock", "sk_pacing_rate"), ("sock", "sk_pacing_status"), ("inet_connection_sock", "icsk_ca_priv")),
    *(("inet_connection_sock", "icsk_ack.pending"), ("tcp_sock", "snd_cwnd"), ("tcp_sock", "snd_cwnd_cnt")),
    *(("tcp_sock", "snd_cwnd_stamp"), ("tcp_sock", "snd_ssthresh"), ("tcp_sock", "ecn_flags")),
    ("tcp_sock", "app_limited"),
)
"""(struct, field)"""


def _place(struct_id: int, path: str) -> tuple[int, int] | None:
    """(offset, size) of a field, anonymous structs looked through."""
    btf = kernel_btf()
    name, _, rest = path.partition(".")
    struct = btf.type(btf.skip_mods(struct_id))
    for member in struct.members if isinstance(struct, t.Struct) else ():
        base = member.bit_offset >> 3
        if member.name == name and not rest:
            return base, btf.size_of(member.type) or 1
        inner = _place(member.type, path if not member.name else rest) if member.name in ("", name) else None
        if inner is not None:
            return base + inner[0], inner[1]
    return None


@lru_cache(1)
def _writable() -> tuple[tuple[int, int, int], ...]:
    """(first offset of a store, last offset of a store, end); only icsk_ca_priv may be entered in the middle."""
    out = []
    for struct, field in _WRITABLE:
        place = _place(kernel_btf().find(struct, t.Struct), field)
        if place is not None:
            off, size = place
            out.append((off, off + size - 1 if field == "icsk_ca_priv" else off, off + size))
    return tuple(out)


def _refusal(name: str, off: int, size: int) -> tuple[int, str] | None:
    if name != "tcp_sock":
        return 13, "only read is supported"
    for first, last, end in _writable():
        if first <= off <= last:
            if off + size <= end:
                return None
            return 13, f"write access at off {off} with size {size} beyond the member of tcp_sock ended at {end}"
    return 13, f"no write support to tcp_sock at off {off}"


class TcpCa(TcpOps):
    """tcp_congestion_ops with the kernel's rule about stores."""

    @property
    def btf_struct_access(self) -> Callable[[str, int, int], tuple[int, str] | None]:
        return _refusal
