# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""struct bpf_nf_ctx of a test run: the kernel's own struct sk_buff and nf_hook_state (net/bpf/test_run.c
bpf_prog_test_run_nf, 6.18), laid out by the kernel's BTF and filled as far as test runs decide it."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.btf import types as t
from bpfvm.errors import SyscallError, UsageError
from bpfvm.memory.views import View
from bpfvm.runtime.test_run.packet import POINTERS, SHADOW, Packet
from bpfvm.runtime.test_run.skb import ETH_P_IP, HEADROOM, MAX_FRAME, TAILROOM

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

STATE_AT, SKB_AT, SIZE = 0, 8, 16
"""struct bpf_nf_ctx"""
IP_HEADER: Final = 20
NFPROTO_IPV4, LOCAL_OUT = 2, 3


def make(rt: Runtime, data: bytes, given: bytes) -> tuple[int, Packet]:
    """Context and packet for an IPv4 packet on its way out. The sk_buff shows the packet, too (``packet.also``).

    Raises SyscallError(EINVAL); UsageError for a context of one's own or a kernel without these types.
    """
    if given:
        raise UsageError("not emulated: a struct nf_hook_state of one's own")
    if not IP_HEADER <= len(data) <= MAX_FRAME:
        raise SyscallError(errno.EINVAL, f"a packet of {len(data)} bytes (possible: {IP_HEADER} to {MAX_FRAME})")
    state, skb = _object(rt, "nf_hook_state"), _object(rt, "sk_buff")
    state.pf, state.hook = NFPROTO_IPV4, LOCAL_OUT
    skb.len = len(data)
    skb.protocol = int.from_bytes(ETH_P_IP.to_bytes(2, "big"), "little")
    ctx = rt.memory.alloc(SHADOW + 8 * len(POINTERS), what="context")
    rt.memory.store(ctx + STATE_AT, 8, state.addr)
    rt.memory.store(ctx + SKB_AT, 8, skb.addr)
    packet = Packet(rt.memory, ctx, data, HEADROOM, TAILROOM)
    packet.network = packet.data
    packet.owned += [state.addr, skb.addr]
    packet.also = skb.addr
    return ctx, packet


def _object(rt: Runtime, name: str) -> View:
    type_id = rt.btf.find(name, t.Struct) if rt.btf is not None else 0
    if rt.btf is None or not type_id:
        raise UsageError(f"not emulated: netfilter programs on a kernel without struct {name}")
    return View(rt.memory, rt.btf, type_id, rt.memory.alloc(rt.btf.size_of(type_id), what=name))
