# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs of every type: each check of contexts, sockets, packets, results and helpers has one that passes it and one
that does not. A case's text is assembler as in verifier_cases."""

from __future__ import annotations

from typing import Final, NamedTuple

from bpfvm.obj.model import MapSpec
from tests import kernel_oracle as ko
from tests.differential.types_oracle import HOOKS, Hook

SOCKMAP: Final = MapSpec("oracle", "sockmap", 4, 4, 4)
SOCKHASH: Final = MapSpec("oracle", "sockhash", 4, 4, 4)
ARRAY: Final = MapSpec("oracle", "array", 4, 16, 4)
PROGS: Final = MapSpec("oracle", "prog_array", 4, 4, 4)
REUSEPORT: Final = MapSpec("oracle", "reuseport_sockarray", 4, 8, 4)
CGROUP_STORAGE: Final = MapSpec("oracle", "cgroup_storage", 16, 8, 0)
XSKMAP: Final = MapSpec("oracle", "xskmap", 4, 4, 4)
TC, XDP, SKB = Hook("sched_cls"), Hook("xdp"), Hook("cgroup_skb")
ITER: Final = Hook("tracing", 28, 0, "func bpf_iter_task")
ITER_TCP: Final = Hook("tracing", 28, 0, "func bpf_iter_tcp")
ITER_SLEEPS: Final = Hook("tracing", 28, ko.F_SLEEPABLE, "func bpf_iter_task")
RAW_TP: Final = Hook("tracing", 23, 0, "typedef btf_trace_kfree_skb")
SYSCALL: Final = Hook("syscall", 0, ko.F_SLEEPABLE)


class TypeCase(NamedTuple):
    """One program on one hook."""

    name: str
    hook: Hook
    text: str
    maps: tuple[MapSpec, ...] = ()


_TUPLE: Final = (
    "*(u64 *)(r10 -48) = 0 / *(u64 *)(r10 -40) = 0 / *(u64 *)(r10 -32) = 0 / *(u64 *)(r10 -24) = 0 / "
    "*(u64 *)(r10 -16) = 0 / r2 = r10 / r2 += -48 / r3 = 36 / r4 = 0 / r5 = 0"
)
_LOOKUP: Final = f"{_TUPLE} / call bpf_sk_lookup_tcp"
_KEY: Final = "*(u32 *)(r10 -4) = 0 / r2 = r10 / r2 += -4"
_PACKET: Final = "r2 = *(u32 *)(r1 +76) / r3 = *(u32 *)(r1 +80) / r4 = r2 / r4 += 14"
_XDP_PACKET: Final = "r2 = *(u32 *)(r1 +0) / r3 = *(u32 *)(r1 +4) / r4 = r2 / r4 += 14"

SOCKETS: Final = (
    TypeCase("released", TC, f"{_LOOKUP} / if r0 == 0 goto x / r1 = r0 / call bpf_sk_release / x: / r0 = 0 / exit"),
    TypeCase("leaked", TC, f"{_LOOKUP} / r0 = 0 / exit"),
    TypeCase("leaked on one path", TC, f"{_LOOKUP} / if r0 == 0 goto x / r0 = 1 / x: / exit"),
    TypeCase("not null checked", TC, f"{_LOOKUP} / r1 = r0 / call bpf_sk_release / r0 = 0 / exit"),
    TypeCase(
        "released twice",
        TC,
        f"{_LOOKUP} / if r0 == 0 goto x / r6 = r0 / r1 = r0 / call bpf_sk_release / r1 = r6 / call bpf_sk_release / "
        "x: / r0 = 0 / exit",
    ),
    TypeCase("null released", TC, "r1 = 0 / call bpf_sk_release / r0 = 0 / exit"),
    TypeCase(
        "used after release",
        TC,
        f"{_LOOKUP} / if r0 == 0 goto x / r6 = r0 / r1 = r0 / call bpf_sk_release / r0 = *(u32 *)(r6 +4) / "
        "x: / r0 = 0 / exit",
    ),
    TypeCase(
        "released with an offset",
        TC,
        f"{_LOOKUP} / if r0 == 0 goto x / r1 = r0 / r1 += 4 / call bpf_sk_release / x: / r0 = 0 / exit",
    ),
    TypeCase(
        "not referenced",
        TC,
        "r1 = *(u64 *)(r1 +168) / if r1 == 0 goto x / call bpf_sk_release / x: / r0 = 0 / exit",
    ),
    TypeCase(
        "cast shares the reference",
        TC,
        f"{_LOOKUP} / if r0 == 0 goto x / r6 = r0 / r1 = r0 / call bpf_tcp_sock / if r0 == 0 goto y / "
        "r7 = *(u32 *)(r0 +0) / y: / r1 = r6 / call bpf_sk_release / x: / r0 = 0 / exit",
    ),
    TypeCase(
        "cast used after release",
        TC,
        f"{_LOOKUP} / if r0 == 0 goto x / r6 = r0 / r1 = r0 / call bpf_tcp_sock / r7 = r0 / r1 = r6 / "
        "call bpf_sk_release / if r7 == 0 goto x / r0 = *(u32 *)(r7 +0) / x: / r0 = 0 / exit",
    ),
    TypeCase(
        "cast released",
        TC,
        f"{_LOOKUP} / if r0 == 0 goto x / r6 = r0 / r1 = r0 / call bpf_tcp_sock / if r0 == 0 goto y / r1 = r0 / "
        "call bpf_sk_release / r0 = 0 / exit / y: / r1 = r6 / call bpf_sk_release / x: / r0 = 0 / exit",
    ),
    TypeCase(
        "kernel cast",
        TC,
        "r1 = *(u64 *)(r1 +168) / if r1 == 0 goto x / call bpf_skc_to_tcp_sock / if r0 == 0 goto x / "
        "r0 = *(u32 *)(r0 +{tcp_sock.snd_cwnd}) / x: / r0 = 0 / exit",
    ),
    TypeCase(
        "fullsock",
        TC,
        "r1 = *(u64 *)(r1 +168) / if r1 == 0 goto x / call bpf_sk_fullsock / if r0 == 0 goto x / "
        "r0 = *(u32 *)(r0 +8) / x: / r0 = 0 / exit",
    ),
    TypeCase(
        "type of a sock_common",
        TC,
        "r1 = *(u64 *)(r1 +168) / if r1 == 0 goto x / r0 = *(u32 *)(r1 +8) / x: / r0 = 0 / exit",
    ),
    TypeCase("maybe null", TC, "r1 = *(u64 *)(r1 +168) / r0 = *(u32 *)(r1 +4) / exit"),
    TypeCase(
        "tail call while held",
        TC,
        f"r6 = r1 / {_LOOKUP} / r7 = r0 / r1 = r6 / r2 = map[id:0] / r3 = 0 / call bpf_tail_call / r0 = 0 / exit",
        (PROGS,),
    ),
    TypeCase("ld_abs while held", TC, f"r6 = r1 / {_LOOKUP} / r0 = *(u8 *)skb[0] / r0 = 0 / exit"),
    TypeCase(
        "sockmap lookup",
        TC,
        f"{_KEY} / r1 = map[id:0] / call bpf_map_lookup_elem / if r0 == 0 goto x / r1 = r0 / "
        "call bpf_sk_release / x: / r0 = 0 / exit",
        (SOCKMAP,),
    ),
    TypeCase(
        "sockmap lookup leaked", TC, f"{_KEY} / r1 = map[id:0] / call bpf_map_lookup_elem / r0 = 0 / exit", (SOCKMAP,)
    ),
    TypeCase("sockmap delete", TC, f"{_KEY} / r1 = map[id:0] / call bpf_map_delete_elem / r0 = 0 / exit", (SOCKMAP,)),
    TypeCase(
        "sockmap delete in sk_msg",
        Hook("sk_msg"),
        f"{_KEY} / r1 = map[id:0] / call bpf_map_delete_elem / r0 = 0 / exit",
        (SOCKMAP,),
    ),
    TypeCase(
        "sockhash delete in sock_ops",
        Hook("sock_ops"),
        f"{_KEY} / r1 = map[id:0] / call bpf_map_delete_elem / r0 = 1 / exit",
        (SOCKHASH,),
    ),
    TypeCase(
        "sockmap update with stack",
        TC,
        f"{_KEY} / r1 = map[id:0] / r3 = r2 / r4 = 0 / call bpf_map_update_elem / r0 = 0 / exit",
        (SOCKMAP,),
    ),
    TypeCase(
        "sockmap update with a socket",
        TC,
        f"r6 = *(u64 *)(r1 +168) / if r6 == 0 goto x / {_KEY} / r1 = map[id:0] / r3 = r6 / "
        "r4 = 0 / call bpf_map_update_elem / x: / r0 = 0 / exit",
        (SOCKMAP,),
    ),
    TypeCase(
        "sockmap push",
        TC,
        "r2 = r10 / r2 += -8 / r1 = map[id:0] / r3 = 0 / call bpf_map_push_elem / r0 = 0 / exit",
        (SOCKMAP,),
    ),
    TypeCase(
        "redirect by sockmap",
        Hook("sk_msg"),
        "r2 = map[id:0] / r3 = 0 / r4 = 0 / call bpf_msg_redirect_map / r0 = 1 / exit",
        (SOCKMAP,),
    ),
    TypeCase(
        "redirect by sockhash",
        Hook("sk_msg"),
        "r2 = map[id:0] / r3 = 0 / r4 = 0 / call bpf_msg_redirect_map / r0 = 1 / exit",
        (SOCKHASH,),
    ),
    TypeCase(
        "reuseport",
        Hook("sk_reuseport", 39),
        "*(u32 *)(r10 -4) = 0 / r3 = r10 / r3 += -4 / r2 = map[id:0] / r4 = 0 / "
        "call bpf_sk_select_reuseport / r0 = 0 / exit",
        (REUSEPORT,),
    ),
    TypeCase(
        "reuseport of an array",
        Hook("sk_reuseport", 39),
        "*(u32 *)(r10 -4) = 0 / r3 = r10 / r3 += -4 / r2 = map[id:0] / r4 = 0 / "
        "call bpf_sk_select_reuseport / r0 = 0 / exit",
        (ARRAY,),
    ),
    TypeCase(
        "xsk socket",
        XDP,
        f"{_KEY} / r1 = map[id:0] / call bpf_map_lookup_elem / if r0 == 0 goto x / "
        "r0 = *(u32 *)(r0 +0) / x: / r0 = 0 / exit",
        (XSKMAP,),
    ),
    TypeCase(
        "assign",
        TC,
        f"r6 = r1 / {_LOOKUP} / if r0 == 0 goto x / r7 = r0 / r1 = r6 / r2 = r7 / r3 = 0 / "
        "call bpf_sk_assign / r1 = r7 / call bpf_sk_release / x: / r0 = 0 / exit",
    ),
    TypeCase("assign nothing", Hook("sk_lookup", 36), "r2 = 0 / r3 = 0 / call bpf_sk_assign / r0 = 1 / exit"),
    TypeCase("assign nothing in tc", TC, "r2 = 0 / r3 = 0 / call bpf_sk_assign / r0 = 1 / exit"),
)

PACKETS: Final = (
    TypeCase("read", TC, f"{_PACKET} / if r4 > r3 goto x / r0 = *(u16 *)(r2 +12) / x: / r0 = 0 / exit"),
    TypeCase("read too far", TC, f"{_PACKET} / if r4 > r3 goto x / r0 = *(u16 *)(r2 +13) / x: / r0 = 0 / exit"),
    TypeCase("not compared", TC, f"{_PACKET} / r0 = *(u16 *)(r2 +12) / r0 = 0 / exit"),
    TypeCase("wrong branch", TC, f"{_PACKET} / if r4 <= r3 goto x / r0 = *(u16 *)(r2 +12) / x: / r0 = 0 / exit"),
    TypeCase("end on the left", TC, f"{_PACKET} / if r3 < r4 goto x / r0 = *(u16 *)(r2 +12) / x: / r0 = 0 / exit"),
    TypeCase("write", TC, f"{_PACKET} / if r4 > r3 goto x / *(u8 *)(r2 +0) = 1 / x: / r0 = 0 / exit"),
    TypeCase("write in cgroup_skb", SKB, f"{_PACKET} / if r4 > r3 goto x / *(u8 *)(r2 +0) = 1 / x: / r0 = 0 / exit"),
    TypeCase(
        "write in lwt_in", Hook("lwt_in"), f"{_PACKET} / if r4 > r3 goto x / *(u8 *)(r2 +0) = 1 / x: / r0 = 0 / exit"
    ),
    TypeCase(
        "write in lwt_xmit",
        Hook("lwt_xmit"),
        f"{_PACKET} / if r4 > r3 goto x / *(u8 *)(r2 +0) = 1 / x: / r0 = 0 / exit",
    ),
    TypeCase(
        "write in flow_dissector",
        Hook("flow_dissector"),
        f"{_PACKET} / if r4 > r3 goto x / *(u8 *)(r2 +0) = 1 / x: / r0 = 0 / exit",
    ),
    TypeCase(
        "read in sock_ops",
        Hook("sock_ops"),
        "r2 = *(u64 *)(r1 +192) / r3 = *(u64 *)(r1 +200) / r4 = r2 / r4 += 8 / "
        "if r4 > r3 goto x / r0 = *(u64 *)(r2 +0) / x: / r0 = 1 / exit",
    ),
    TypeCase(
        "write in sock_ops",
        Hook("sock_ops"),
        "r2 = *(u64 *)(r1 +192) / r3 = *(u64 *)(r1 +200) / r4 = r2 / r4 += 8 / "
        "if r4 > r3 goto x / *(u64 *)(r2 +0) = 0 / x: / r0 = 1 / exit",
    ),
    TypeCase(
        "sk_msg data",
        Hook("sk_msg"),
        "r2 = *(u64 *)(r1 +0) / r3 = *(u64 *)(r1 +8) / r4 = r2 / r4 += 8 / if r4 > r3 goto x / "
        "*(u64 *)(r2 +0) = 0 / x: / r0 = 1 / exit",
    ),
    TypeCase(
        "sockopt value",
        Hook("cgroup_sockopt", 22),
        "r2 = *(u64 *)(r1 +8) / r3 = *(u64 *)(r1 +16) / r4 = r2 / r4 += 8 / if r4 > r3 goto x / "
        "*(u64 *)(r2 +0) = 0 / x: / r0 = 1 / exit",
    ),
    TypeCase(
        "metadata",
        XDP,
        "r2 = *(u32 *)(r1 +8) / r3 = *(u32 *)(r1 +0) / r4 = r2 / r4 += 8 / if r4 > r3 goto x / "
        "r0 = *(u64 *)(r2 +0) / x: / r0 = 0 / exit",
    ),
    TypeCase(
        "metadata against the end",
        XDP,
        "r2 = *(u32 *)(r1 +8) / r3 = *(u32 *)(r1 +4) / r4 = r2 / r4 += 8 / if r4 > r3 goto x / "
        "r0 = *(u64 *)(r2 +0) / x: / r0 = 0 / exit",
    ),
    TypeCase(
        "moved packet",
        TC,
        f"r6 = r1 / {_PACKET} / if r4 > r3 goto x / r7 = r2 / r1 = r6 / r2 = 64 / "
        "call bpf_skb_pull_data / r0 = *(u8 *)(r7 +0) / x: / r0 = 0 / exit",
    ),
    TypeCase(
        "packet read again",
        TC,
        f"r6 = r1 / r2 = 64 / call bpf_skb_pull_data / r1 = r6 / {_PACKET} / if r4 > r3 goto x / "
        "r0 = *(u8 *)(r2 +0) / x: / r0 = 0 / exit",
    ),
    TypeCase(
        "moved head",
        XDP,
        f"r6 = r1 / {_XDP_PACKET} / if r4 > r3 goto x / r7 = r2 / r1 = r6 / r2 = 4 / "
        "call bpf_xdp_adjust_head / r0 = *(u8 *)(r7 +0) / x: / r0 = 0 / exit",
    ),
    TypeCase(
        "tail call keeps nothing",
        TC,
        f"r6 = r1 / {_PACKET} / if r4 > r3 goto x / r7 = r2 / r1 = r6 / r2 = map[id:0] / "
        "r3 = 0 / call bpf_tail_call / r0 = *(u8 *)(r7 +0) / x: / r0 = 0 / exit",
        (PROGS,),
    ),
    TypeCase(
        "packet for csum_diff",
        TC,
        f"{_PACKET} / if r4 > r3 goto x / r1 = 0 / r3 = r2 / r2 = 0 / r4 = 12 / r5 = 0 / "
        "call bpf_csum_diff / x: / r0 = 0 / exit",
    ),
    TypeCase(
        "packet for a helper that may not",
        TC,
        f"{_PACKET} / if r4 > r3 goto x / r3 = r2 / r2 = 0 / r4 = 8 / r5 = 0 / "
        "call bpf_skb_store_bytes / x: / r0 = 0 / exit",
    ),
    TypeCase(
        "variable offset",
        TC,
        f"r5 = *(u32 *)(r1 +0) / {_PACKET} / r5 &= 255 / r2 += r5 / r4 = r2 / r4 += 2 / "
        "if r4 > r3 goto x / r0 = *(u16 *)(r2 +0) / x: / r0 = 0 / exit",
    ),
    TypeCase(
        "too large an offset",
        TC,
        f"r5 = *(u32 *)(r1 +0) / {_PACKET} / r2 += r5 / r4 = r2 / r4 += 2 / if r4 > r3 goto x / "
        "r0 = *(u16 *)(r2 +0) / x: / r0 = 0 / exit",
    ),
    TypeCase("end is not data", TC, "r3 = *(u32 *)(r1 +80) / r0 = *(u8 *)(r3 +0) / exit"),
    TypeCase("arithmetic on the end", TC, "r3 = *(u32 *)(r1 +80) / r3 += 4 / r0 = 0 / exit"),
    TypeCase(
        "atomic on the packet",
        TC,
        f"{_PACKET} / if r4 > r3 goto x / r5 = 1 / lock *(u32 *)(r2 +0) += r5 / x: / r0 = 0 / exit",
    ),
    TypeCase(
        "flow keys",
        Hook("flow_dissector"),
        "r2 = *(u64 *)(r1 +144) / *(u16 *)(r2 +0) = 1 / r0 = *(u32 *)(r2 +52) / r0 = 0 / exit",
    ),
    TypeCase(
        "flow keys, variable",
        Hook("flow_dissector"),
        "r3 = *(u64 *)(r1 +144) / r4 = *(u16 *)(r3 +0) / r3 += r4 / r0 = 0 / exit",
    ),
    TypeCase(
        "flow keys for a helper",
        Hook("flow_dissector"),
        "r2 = *(u64 *)(r1 +144) / r3 = r2 / r2 = 0 / r4 = 4 / call bpf_skb_load_bytes / r0 = 0 / exit",
    ),
    TypeCase(
        "tracepoint buffer",
        Hook("raw_tracepoint_writable"),
        "r2 = *(u64 *)(r1 +0) / *(u64 *)(r2 +64) = 1 / r0 = *(u8 *)(r2 +3) / r0 = 0 / exit",
    ),
    TypeCase(
        "before the buffer",
        Hook("raw_tracepoint_writable"),
        "r2 = *(u64 *)(r1 +0) / r0 = *(u8 *)(r2 -3) / r0 = 0 / exit",
    ),
    TypeCase(
        "buffer, variable",
        Hook("raw_tracepoint_writable"),
        "r2 = *(u64 *)(r1 +0) / r3 = *(u64 *)(r1 +8) / r3 &= 7 / r2 += r3 / r0 = *(u8 *)(r2 +0) / r0 = 0 / exit",
    ),
    TypeCase("buffer half loaded", Hook("raw_tracepoint_writable"), "r2 = *(u32 *)(r1 +0) / r0 = 0 / exit"),
)

LD_ABS: Final = (
    *(
        TypeCase(f"in {hook}", hook, "r6 = r1 / r0 = *(u8 *)skb[0] / r0 = 1 / exit")
        for hook in (TC, Hook("socket_filter"))
    ),
    *(
        TypeCase(f"in {hook}", hook, "r6 = r1 / r0 = *(u8 *)skb[0] / r0 = 1 / exit")
        for hook in (SKB, XDP, Hook("lwt_in"), Hook("sched_act"))
    ),
    TypeCase("without the context", TC, "r6 = 0 / r0 = *(u8 *)skb[0] / r0 = 1 / exit"),
    TypeCase("registers are lost", TC, "r6 = r1 / r0 = *(u8 *)skb[0] / r0 = r1 / exit"),
)

STORAGE: Final = (
    TypeCase(
        "local storage",
        SKB,
        "r1 = map[id:0] / r2 = 0 / call bpf_get_local_storage / r0 = *(u64 *)(r0 +0) / r0 = 1 / exit",
        (CGROUP_STORAGE,),
    ),
    TypeCase(
        "beyond it",
        SKB,
        "r1 = map[id:0] / r2 = 0 / call bpf_get_local_storage / r0 = *(u64 *)(r0 +8) / r0 = 1 / exit",
        (CGROUP_STORAGE,),
    ),
    TypeCase(
        "with flags", SKB, "r1 = map[id:0] / r2 = 1 / call bpf_get_local_storage / r0 = 1 / exit", (CGROUP_STORAGE,)
    ),
    TypeCase("of an array", SKB, "r1 = map[id:0] / r2 = 0 / call bpf_get_local_storage / r0 = 1 / exit", (ARRAY,)),
    TypeCase(
        "two of a kind",
        SKB,
        "r1 = map[id:0] / r1 = map[id:1] / r0 = 1 / exit",
        (CGROUP_STORAGE, MapSpec("oracle", "cgroup_storage", 16, 4, 0)),
    ),
)

OBJECTS: Final = (
    TypeCase(
        "task of an iterator",
        ITER,
        "r2 = *(u64 *)(r1 +8) / if r2 == 0 goto x / r0 = *(u32 *)(r2 +{task_struct.pid}) / x: / r0 = 0 / exit",
    ),
    TypeCase("maybe no task", ITER, "r2 = *(u64 *)(r1 +8) / r0 = *(u32 *)(r2 +{task_struct.pid}) / r0 = 0 / exit"),
    TypeCase(
        "seq_file of an iterator",
        ITER,
        "*(u64 *)(r10 -8) = 0 / r1 = *(u64 *)(r1 +0) / r1 = *(u64 *)(r1 +0) / r2 = r10 / "
        "r2 += -8 / r3 = 8 / call bpf_seq_write / r0 = 0 / exit",
    ),
    TypeCase(
        "copy_from_user where one may sleep",
        ITER_SLEEPS,
        "r1 = r10 / r1 += -8 / r2 = 8 / r3 = 0 / call bpf_copy_from_user / r0 = 0 / exit",
    ),
    TypeCase(
        "copy_from_user where one may not",
        ITER,
        "r1 = r10 / r1 += -8 / r2 = 8 / r3 = 0 / call bpf_copy_from_user / r0 = 0 / exit",
    ),
    TypeCase(
        "setsockopt in a tcp iterator",
        ITER_TCP,
        "*(u64 *)(r10 -8) = 0 / r1 = *(u64 *)(r1 +8) / if r1 == 0 goto x / r2 = 1 / r3 = 1 / "
        "r4 = r10 / r4 += -8 / r5 = 4 / call bpf_setsockopt / x: / r0 = 0 / exit",
    ),
    TypeCase("setsockopt in a task iterator", ITER, "r0 = 0 / r1 = 0 / call bpf_setsockopt / exit"),
    TypeCase("skb of a tracepoint", RAW_TP, "r2 = *(u64 *)(r1 +0) / r0 = *(u32 *)(r2 +{sk_buff.len}) / r0 = 0 / exit"),
    TypeCase("socket of a tracepoint", RAW_TP, "r2 = *(u64 *)(r1 +24) / r0 = *(u32 *)(r2 +8) / r0 = 0 / exit"),
    TypeCase(
        "socket of a tracepoint, checked",
        RAW_TP,
        "r2 = *(u64 *)(r1 +24) / if r2 == 0 goto x / r0 = *(u16 *)(r2 +16) / x: / r0 = 0 / exit",
    ),
    TypeCase(
        "skb of a netfilter hook",
        Hook("netfilter", 45),
        "r2 = *(u64 *)(r1 +8) / r0 = *(u32 *)(r2 +{sk_buff.len}) / r0 = 1 / exit",
    ),
    TypeCase(
        "write to it", Hook("netfilter", 45), "r2 = *(u64 *)(r1 +8) / *(u32 *)(r2 +{sk_buff.len}) = 0 / r0 = 1 / exit"
    ),
    TypeCase(
        "context as the kernel sees it",
        TC,
        "kcall bpf_cast_to_kern_ctx / r0 = *(u32 *)(r0 +{sk_buff.len}) / r0 = 0 / exit",
    ),
    *(
        TypeCase(f"context as the kernel sees it: {hook}", hook, "kcall bpf_cast_to_kern_ctx / r0 = 0 / exit")
        for hook in HOOKS
    ),
    TypeCase("no context to cast", TC, "r1 = 0 / kcall bpf_cast_to_kern_ctx / r0 = 0 / exit"),
    TypeCase(
        "xdp context as the kernel sees it",
        XDP,
        "kcall bpf_cast_to_kern_ctx / r0 = *(u64 *)(r0 +{xdp_buff.data}) / r0 = 0 / exit",
    ),
    TypeCase("cast to bytes", XDP, "r2 = 0 / kcall bpf_rdonly_cast / r0 = *(u64 *)(r0 +8) / r0 = 0 / exit"),
    TypeCase("cast to bytes, write", XDP, "r2 = 0 / kcall bpf_rdonly_cast / *(u64 *)(r0 +8) = 1 / r0 = 0 / exit"),
    TypeCase("cast to a number", XDP, "r2 = 1 / kcall bpf_rdonly_cast / r0 = 0 / exit"),
    TypeCase(
        "cast to an unknown type",
        XDP,
        "r2 = *(u32 *)(r1 +0) / r2 = *(u32 *)(r1 +12) / kcall bpf_rdonly_cast / r0 = 0 / exit",
    ),
    TypeCase("device-bound kfunc", XDP, "r2 = r10 / r2 += -8 / kcall bpf_xdp_metadata_rx_timestamp / r0 = 0 / exit"),
    TypeCase(
        "pull data",
        XDP,
        f"r6 = r1 / {_XDP_PACKET} / if r4 > r3 goto x / r7 = r2 / r1 = r6 / r2 = 4 / "
        "kcall bpf_xdp_pull_data / r0 = *(u8 *)(r7 +0) / x: / r0 = 0 / exit",
    ),
    TypeCase(
        "connection leaked",
        XDP,
        "*(u64 *)(r10 -8) = 0 / *(u64 *)(r10 -16) = 0 / *(u64 *)(r10 -24) = 0 / r2 = r10 / "
        "r2 += -12 / r3 = 12 / r4 = r10 / r4 += -24 / r5 = 12 / kcall bpf_xdp_ct_lookup / "
        "r0 = 0 / exit",
    ),
    TypeCase(
        "connection released",
        XDP,
        "*(u64 *)(r10 -8) = 0 / *(u64 *)(r10 -16) = 0 / *(u64 *)(r10 -24) = 0 / r2 = r10 / "
        "r2 += -12 / r3 = 12 / r4 = r10 / r4 += -24 / r5 = 12 / kcall bpf_xdp_ct_lookup / "
        "if r0 == 0 goto x / r1 = r0 / kcall bpf_ct_release / x: / r0 = 0 / exit",
    ),
    TypeCase(
        "mark of a connection",
        XDP,
        "*(u64 *)(r10 -8) = 0 / *(u64 *)(r10 -16) = 0 / *(u64 *)(r10 -24) = 0 / r2 = r10 / "
        "r2 += -12 / r3 = 12 / r4 = r10 / r4 += -24 / r5 = 12 / kcall bpf_xdp_ct_lookup / "
        "if r0 == 0 goto x / *(u32 *)(r0 +{nf_conn.mark}) = 1 / r1 = r0 / "
        "kcall bpf_ct_release / x: / r0 = 0 / exit",
    ),
    TypeCase(
        "status of a connection",
        XDP,
        "*(u64 *)(r10 -8) = 0 / *(u64 *)(r10 -16) = 0 / *(u64 *)(r10 -24) = 0 / r2 = r10 / "
        "r2 += -12 / r3 = 12 / r4 = r10 / r4 += -24 / r5 = 12 / kcall bpf_xdp_ct_lookup / "
        "if r0 == 0 goto x / *(u32 *)(r0 +{nf_conn.status}) = 1 / r1 = r0 / "
        "kcall bpf_ct_release / x: / r0 = 0 / exit",
    ),
)

TCP_OPS: Final = Hook("struct_ops", 6, 0, "struct tcp_congestion_ops")
TRUST: Final = (
    TypeCase("trusted", TCP_OPS, "r1 = *(u64 *)(r1 +0) / kcall tcp_reno_ssthresh / r0 = 0 / exit"),
    TypeCase("null", TCP_OPS, "r1 = 0 / kcall tcp_reno_ssthresh / r0 = 0 / exit"),
    TypeCase("with an offset", TCP_OPS, "r1 = *(u64 *)(r1 +0) / r1 += 8 / kcall tcp_reno_ssthresh / r0 = 0 / exit"),
    TypeCase(
        "walked to",
        TCP_OPS,
        "r1 = *(u64 *)(r1 +0) / r1 = *(u64 *)(r1 +{sock.sk_dst_cache}) / kcall tcp_reno_ssthresh / r0 = 0 / exit",
    ),
    TypeCase(
        "walked to, without a flag of the kfunc",
        ITER,
        "r1 = *(u64 *)(r1 +8) / if r1 == 0 goto x / r1 = *(u64 *)(r1 +{task_struct.mm}) / r2 = 0 / "
        "kcall css_rstat_updated / x: / r0 = 0 / exit",
    ),
    TypeCase("no memory", XDP, "r2 = 0 / r3 = 4 / r4 = 0 / r5 = 12 / kcall bpf_xdp_ct_lookup / r0 = 0 / exit"),
    TypeCase("no context", XDP, "r1 = 0 / r2 = 0 / kcall bpf_xdp_pull_data / r0 = 0 / exit"),
)
"""kfuncs and what they are told to trust."""

_RESULTS: Final = (
    "r0 = 0",
    "r0 = 1",
    "r0 = 2",
    "r0 = 3",
    "r0 = 4",
    "r0 = -1",
    "r0 = r10",
    "r0 = r1",
    "call bpf_get_prandom_u32",
)
RESULTS: Final = tuple(TypeCase(f"{hook}: {text}", hook, f"{text} / exit") for hook in HOOKS for text in _RESULTS)
"""What may be returned, by every hook."""

LOADING: Final = (
    *(
        TypeCase(f"cgroup_sock_addr {at}", Hook("cgroup_sock_addr", at), "r0 = 1 / exit")
        for at in (0, 2, 12, 21, 48, 54)
    ),
    *(TypeCase(f"cgroup_sock {at}", Hook("cgroup_sock", at), "r0 = 1 / exit") for at in (0, 1, 3, 33)),
    *(TypeCase(f"cgroup_skb {at}", Hook("cgroup_skb", at), "r0 = 1 / exit") for at in (2, 3)),
    *(TypeCase(f"cgroup_sockopt {at}", Hook("cgroup_sockopt", at), "r0 = 1 / exit") for at in (0, 20, 23)),
    *(TypeCase(f"sk_lookup {at}", Hook("sk_lookup", at), "r0 = 1 / exit") for at in (0, 35)),
    *(TypeCase(f"sk_reuseport {at}", Hook("sk_reuseport", at), "r0 = 1 / exit") for at in (0, 38)),
    *(TypeCase(f"netfilter {at}", Hook("netfilter", at), "r0 = 1 / exit") for at in (0, 44)),
    TypeCase("syscall 1", Hook("syscall", 1, ko.F_SLEEPABLE), "r0 = 1 / exit"),
    TypeCase("syscall that may not sleep", Hook("syscall"), "r0 = 1 / exit"),
    TypeCase("sleepable tc", Hook("sched_cls", 0, ko.F_SLEEPABLE), "r0 = 1 / exit"),
    TypeCase("sleepable kprobe", Hook("kprobe", 0, ko.F_SLEEPABLE), "r0 = 1 / exit"),
    TypeCase(
        "sleepable tracepoint", Hook("tracing", 23, ko.F_SLEEPABLE, "typedef btf_trace_kfree_skb"), "r0 = 1 / exit"
    ),
)
"""Attach types a program can't be loaded with, and who may sleep."""

ALL: Final = {
    "sockets": SOCKETS,
    "packets": PACKETS,
    "ld_abs": LD_ABS,
    "storage": STORAGE,
    "objects": OBJECTS,
    "trust": TRUST,
    "results": RESULTS,
    "loading": LOADING,
}
