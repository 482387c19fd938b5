# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Linux's own struct_ops types, as far as the verifier asks them: programs for them are checked, never called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.btf.layout import member
from bpfvm.errors import InternalError
from bpfvm.struct_ops.dummy_ops import DummyOps
from bpfvm.struct_ops.kernel import Kernel
from bpfvm.struct_ops.link import StructOpsLink
from bpfvm.struct_ops.type_desc import StructOpsType

EACCES: Final = 13


class TcpCongestionOps(StructOpsType):
    """net/ipv4/bpf_tcp_ca.c (6.12, 6.18)."""

    name: ClassVar[str] = "tcp_congestion_ops"
    stubs = frozenset(
        (
            *("ssthresh", "cong_avoid", "set_state", "cwnd_event", "in_ack_event", "pkts_acked", "min_tso_segs"),
            *("cong_control", "undo_cwnd", "sndbuf_expand", "init", "release"),
        )
    )
    writable: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "sock": ("sk_pacing_rate", "sk_pacing_status"),
        "inet_connection_sock": ("icsk_ca_priv", "icsk_ack.pending"),
        "tcp_sock": ("snd_cwnd", "snd_cwnd_cnt", "snd_cwnd_stamp", "snd_ssthresh", "ecn_flags", "app_limited"),
    }
    """struct at the start of tcp_sock → its fields that programs may write"""

    def init(self, btf: Btf) -> int:
        self.fields: list[tuple[int, int]] = []
        for struct, names in self.writable.items():
            for name in names:
                place = member(btf, btf.find(struct, t.Struct), name)
                self.fields.append((place.offset, place.offset + btf.size_of(place.type)))
        self.btf_struct_access = self.may_store
        return 0

    def may_store(self, struct: str, offset: int, size: int) -> tuple[int, str] | None:
        """A few fields of tcp_sock, each as a whole or in parts, from its start (icsk_ca_priv from anywhere)."""
        if struct != "tcp_sock":
            return EACCES, "only read is supported"
        for start, end in self.fields:
            if start == offset or (start < offset < end and end - start > 8):
                if offset + size > end:
                    text = f"write access at off {offset} with size {size} beyond the member of tcp_sock ended at {end}"
                    return EACCES, text
                return None
        return EACCES, f"no write support to tcp_sock at off {offset}"

    def reg(self, kdata: int, link: StructOpsLink | None) -> int:
        return 0

    def unreg(self, kdata: int, link: StructOpsLink | None) -> None:
        """Nothing to forget."""


def register_types(kernel: Kernel) -> None:
    """Register those whose struct is in the kernel's BTF."""
    for desc in (DummyOps(), TcpCongestionOps()):
        if not kernel.btf.find(desc.name, t.Struct):
            continue
        code = kernel.registry.register(desc)
        if code:
            raise InternalError(f"struct_ops type {desc.name}: {code}: {kernel.runtime.console}")
