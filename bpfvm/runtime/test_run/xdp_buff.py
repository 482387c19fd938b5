# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""struct xdp_buff of a test run, the kernel's own context of XDP programs (net/bpf/test_run.c bpf_prog_test_run_xdp,
include/net/xdp.h; 6.18), laid out by the kernel's BTF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bpfvm.btf import types as t
from bpfvm.engine.trap import Unsupported
from bpfvm.memory.views import View
from bpfvm.runtime.test_run.packet import ETH_HLEN, Packet
from bpfvm.runtime.test_run.xdp import LOOPBACK

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

FRAME_SIZE: Final = 4096
MTU: Final = 0x10000


def kernel_context(rt: Runtime, packet: Packet) -> int:
    """Its address. It follows the packet from now on; of the device it came in by there are number, name and MTU.

    Raises Unsupported on a kernel without these types."""
    device, queue, buff = (_object(rt, packet, name) for name in ("net_device", "xdp_rxq_info", "xdp_buff"))
    device.ifindex, device.mtu, device.hard_header_len = LOOPBACK, MTU, ETH_HLEN
    rt.memory.write(device.addr_of("name"), b"lo")
    queue.dev = device.addr
    queue.frag_size = buff.frame_sz = FRAME_SIZE
    buff.rxq = queue.addr

    def mirror() -> None:
        buff.data, buff.data_end, buff.data_meta = packet.data, packet.end, packet.meta
        buff.data_hard_start = packet.start

    packet.mirror = mirror
    mirror()
    return buff.addr


def _object(rt: Runtime, packet: Packet, name: str) -> View:
    type_id = rt.btf.find(name, t.Struct) if rt.btf is not None else 0
    if rt.btf is None or not type_id:
        raise Unsupported(f"not emulated: bpf_cast_to_kern_ctx on a kernel without struct {name}")
    addr = rt.memory.alloc(rt.btf.size_of(type_id), what=name)
    packet.owned.append(addr)
    return View(rt.memory, rt.btf, type_id, addr)
