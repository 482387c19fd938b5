# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Contexts by program type, and what of them and of the packet a test run gives back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bpfvm.errors import UsageError
from bpfvm.runtime.test_run import flow, netfilter, skb, xdp
from bpfvm.runtime.test_run.convert import SKB_TYPES
from bpfvm.runtime.test_run.packet import Packet

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

RUNNABLE: Final = ("netfilter", "xdp", *sorted(SKB_TYPES))
NO_OUTPUT: Final = ("netfilter",)
"""types that read packets"""


class TestContext:
    """A context at ``addr`` with the packet it shows. ``close`` gives the memory back."""

    __test__ = False
    __slots__ = ("_rt", "addr", "packet", "prog_type")

    def __init__(self, rt: Runtime, prog_type: str, addr: int, packet: Packet) -> None:
        self._rt = rt
        self.prog_type = prog_type
        self.addr = addr
        self.packet = packet
        rt.packets[addr] = packet
        if packet.also:
            rt.packets[packet.also] = packet

    def data_out(self) -> bytes:
        """The packet as BPF_PROG_TEST_RUN copies it out: xdp with its metadata, types that see no Ethernet header with
        14 zero bytes in its place; a flow dissector's keys; nothing of netfilter programs."""
        if self.prog_type in NO_OUTPUT:
            return b""
        if self.prog_type == "xdp":
            return xdp.data_out(self.packet)
        if self.prog_type == "flow_dissector":
            return flow.data_out(self._rt, self.addr, self.packet)
        return skb.data_out(self.packet, self.prog_type)

    def ctx_out(self) -> bytes:
        """The context as BPF_PROG_TEST_RUN copies it out."""
        if self.prog_type == "xdp":
            return xdp.ctx_out(self._rt.memory, self.addr, self.packet)
        if self.prog_type in ("flow_dissector", *NO_OUTPUT):
            return b""
        return skb.ctx_out(self._rt.memory, self.addr)

    def close(self) -> None:
        """The test run is over."""
        del self._rt.packets[self.addr]
        self._rt.packets.pop(self.packet.also, None)
        self.packet.free()
        self._rt.memory.free(self.addr)


def make_context(rt: Runtime, prog_type: str, data: bytes, ctx: bytes = b"") -> TestContext:
    """The context that a test run gives a program of this type. Raises SyscallError with BPF_PROG_TEST_RUN's errno, or
    UsageError for a type without packets."""
    if prog_type == "xdp":
        return TestContext(rt, prog_type, *xdp.make(rt, data, ctx))
    if prog_type == "flow_dissector":
        return TestContext(rt, prog_type, *flow.make(rt, data, ctx))
    if prog_type == "netfilter":
        return TestContext(rt, prog_type, *netfilter.make(rt, data, ctx))
    if prog_type in SKB_TYPES:
        return TestContext(rt, prog_type, *skb.make(rt, prog_type, data, ctx))
    raise UsageError(f"programs of type {prog_type} read no packets (these do: {', '.join(RUNNABLE)})")
