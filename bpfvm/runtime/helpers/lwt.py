# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers of lightweight tunnels (net/core/filter.c, net/core/lwt_bpf.c, 6.18). A test run has no route and no segment
routing header, so only an outer IP header can be put on, and only on the way in."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.engine.trap import Unsupported
from bpfvm.isa.word import u32
from bpfvm.runtime import checksum
from bpfvm.runtime.helpers.packet_shape import set_protocol
from bpfvm.runtime.helpers.table import Args, helper
from bpfvm.runtime.test_run.skb import ETH_P_IP, ETH_P_IPV6, FIELDS, IP_HEADER

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

ENCAP_SEG6, ENCAP_SEG6_INLINE, ENCAP_IP = range(3)
MAX_HEADER: Final = 256
"""LWTUNNEL_MAX_ENCAP_HSIZE"""
CHECK_AT: Final = 10
SEG6_ACTIONS: Final = (2, 3, 7)
"""END_X, END_T, END_DT6"""
SEG6_PUSHES: Final = (9, 10)
"""END_B6, END_B6_ENCAP"""
VERSIONS: Final = {4: ETH_P_IP, 6: ETH_P_IPV6}


@helper("lwt_push_encap")
def lwt_push_encap(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, what, header, its size) → 0 or an errno."""
    packet, what, size = rt.packet_of(args[0], "bpf_lwt_push_encap"), u32(args[1]), u32(args[3])
    program = frame.image.program
    if what > ENCAP_IP:
        return -errno.EINVAL
    if what != ENCAP_IP or program is None or program.prog_type != "lwt_in":
        raise Unsupported(f"not emulated: bpf_lwt_push_encap of kind {what} with a route")
    header = rt.memory.read(args[2], size)
    protocol = VERSIONS.get(header[0] >> 4) if IP_HEADER[ETH_P_IP] <= size <= MAX_HEADER else None
    if protocol is None or size < IP_HEADER[protocol] or size < _length(header):
        return -errno.EINVAL
    packet.push(size)
    packet.encapsulated = True
    packet.network = packet.data
    packet.meta = packet.data
    rt.memory.write(packet.data, _with_check(header))
    set_protocol(rt, packet, protocol)
    rt.memory.store(packet.ctx + FIELDS["hash"], 4, 0)
    packet.show()
    return 0


def _length(header: bytes) -> int:
    """Of an IPv4 header with its options; 0 of another one."""
    return (header[0] & 0xF) << 2 if header[0] >> 4 == 4 else 0


def _with_check(header: bytes) -> bytes:
    """An IPv4 header without a checksum gets one. One that says it is shorter than it can be gets its first bytes, as
    from ip_fast_csum on x86."""
    if header[0] >> 4 != 4 or any(header[CHECK_AT : CHECK_AT + 2]):
        return header
    size = _length(header)
    check = ~checksum.fold(checksum.partial(header[:size], 0)) & 0xFFFF
    shown = check.to_bytes(2, "little") if size >= IP_HEADER[ETH_P_IP] else header[:2]
    return header[:CHECK_AT] + shown + header[CHECK_AT + 2 :]


@helper("lwt_seg6_store_bytes", "lwt_seg6_adjust_srh")
def lwt_seg6_edit(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, …) → -EINVAL: there is no segment routing header."""
    rt.packet_of(args[0], "bpf_lwt_seg6_store_bytes")
    return -errno.EINVAL


@helper("lwt_seg6_action")
def lwt_seg6_action(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, action, parameter, its size) → an errno: what needs a segment routing header finds none."""
    rt.packet_of(args[0], "bpf_lwt_seg6_action")
    action = u32(args[1])
    if action in SEG6_PUSHES:
        raise Unsupported("not emulated: bpf_lwt_seg6_action that pushes a header")
    return -errno.EBADMSG if action in SEG6_ACTIONS else -errno.EINVAL
