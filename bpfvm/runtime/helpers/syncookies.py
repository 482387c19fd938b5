# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""SYN cookies without a socket (net/core/filter.c bpf_tcp_raw_*_syncookie_*, net/ipv4/syncookies.c,
net/ipv6/syncookies.c; 6.18). The secret that cookies are made with is the session's, so they are not a kernel's."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.isa.word import U32_MAX, u32
from bpfvm.runtime.helpers.sockets import TCP_HEADER
from bpfvm.runtime.helpers.table import Args, helper
from bpfvm.runtime.jhash import jhash

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

DOFF_AT: Final = 12
OPT_END, OPT_NOP, OPT_MSS = 0, 1, 2
MSS_SIZE: Final = 4
PERIOD_NS: Final = 60 * 1_000_000_000
MAX_AGE: Final = 2
"""periods after which a cookie is not taken any more"""
DATA_BITS: Final = 24
DATA_MASK: Final = (1 << DATA_BITS) - 1
MSS: Final = {4: (536, 1300, 1440, 1460), 6: (1220, 1420, 1440, 8940)}
"""maximum segment sizes that a cookie can stand for"""
ADDRESSES: Final = {4: (12, 8), 6: (8, 32)}
"""where both addresses are in the IP header, and how long they are together"""


def _option_mss(header: bytes) -> int:
    """The MSS option's value, 0 without one (tcp_parse_mss_option)."""
    options = header[TCP_HEADER:]
    while options and options[0] != OPT_END:
        if options[0] == OPT_NOP:
            options = options[1:]
            continue
        size = options[1] if len(options) > 1 else 0
        if size < 2 or size > len(options):
            return 0
        if options[0] == OPT_MSS and size == MSS_SIZE:
            return int.from_bytes(options[2:4], "big")
        options = options[size:]
    return 0


class _Flow:
    """Addresses and ports of a segment."""

    def __init__(self, rt: Runtime, version: int, ip_header: int, tcp_header: bytes) -> None:
        at, size = ADDRESSES[version]
        self._rt = rt
        self._key = rt.memory.read(ip_header + at, size) + tcp_header[:4]

    def hash(self, count: int, which: int) -> int:
        return jhash(self._key + count.to_bytes(4, "little"), u32(self._rt.seed * 2 + which + 1))

    @property
    def period(self) -> int:
        return self._rt.clock.ns // PERIOD_NS & U32_MAX

    def cookie(self, sequence: int, data: int) -> int:
        """secure_tcp_syn_cookie"""
        count = self.period
        low = (self.hash(count, 1) + data) & DATA_MASK
        return (self.hash(0, 0) + sequence + (count << DATA_BITS) + low) & U32_MAX

    def data(self, cookie: int, sequence: int) -> int:
        """What the cookie stands for, -1 when it is too old (check_tcp_syn_cookie)."""
        count, left = self.period, (cookie - self.hash(0, 0) - sequence) & U32_MAX
        age = (count - (left >> DATA_BITS)) & 0xFF
        return (left - self.hash((count - age) & U32_MAX, 1)) & DATA_MASK if age < MAX_AGE else -1


def _generate(rt: Runtime, version: int, args: Args) -> int:
    size, table = u32(args[2]), MSS[version]
    header = rt.memory.read(args[1], size)
    if size < TCP_HEADER or size != header[DOFF_AT] >> 4 << 2:
        return -errno.EINVAL
    wanted = _option_mss(header) or table[0]
    index = max((each for each, mss in enumerate(table) if mss <= wanted), default=0)
    cookie = _Flow(rt, version, args[0], header).cookie(int.from_bytes(header[4:8], "big"), index)
    return cookie | table[index] << 32


def _check(rt: Runtime, version: int, args: Args) -> int:
    header = rt.memory.read(args[1], TCP_HEADER)
    sequence, cookie = ((int.from_bytes(header[at : at + 4], "big") - 1) & U32_MAX for at in (4, 8))
    found = _Flow(rt, version, args[0], header).data(cookie, sequence)
    return 0 if 0 <= found < len(MSS[version]) else -errno.EACCES


@helper("tcp_raw_gen_syncookie_ipv4")
def tcp_raw_gen_syncookie_ipv4(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(IP header, TCP header, its size) → cookie, with the MSS in the upper half, or an errno."""
    return _generate(rt, 4, args)


@helper("tcp_raw_gen_syncookie_ipv6")
def tcp_raw_gen_syncookie_ipv6(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(IP header, TCP header, its size) → cookie, with the MSS in the upper half, or an errno."""
    return _generate(rt, 6, args)


@helper("tcp_raw_check_syncookie_ipv4")
def tcp_raw_check_syncookie_ipv4(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(IP header, TCP header of an ACK) → 0, or -EACCES when it doesn't acknowledge a cookie."""
    return _check(rt, 4, args)


@helper("tcp_raw_check_syncookie_ipv6")
def tcp_raw_check_syncookie_ipv6(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(IP header, TCP header of an ACK) → 0, or -EACCES when it doesn't acknowledge a cookie."""
    return _check(rt, 6, args)
