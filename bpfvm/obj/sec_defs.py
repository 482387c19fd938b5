# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a program's section name says about it: type, attach type, sleepable (libbpf 1.7's table of section names)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

_ATTACH_LIST = """cgroup_inet_ingress cgroup_inet_egress cgroup_inet_sock_create cgroup_sock_ops sk_skb_stream_parser
sk_skb_stream_verdict cgroup_device sk_msg_verdict cgroup_inet4_bind cgroup_inet6_bind cgroup_inet4_connect
cgroup_inet6_connect cgroup_inet4_post_bind cgroup_inet6_post_bind cgroup_udp4_sendmsg cgroup_udp6_sendmsg lirc_mode2
flow_dissector cgroup_sysctl cgroup_udp4_recvmsg cgroup_udp6_recvmsg cgroup_getsockopt cgroup_setsockopt trace_raw_tp
trace_fentry trace_fexit modify_return lsm_mac trace_iter cgroup_inet4_getpeername cgroup_inet6_getpeername
cgroup_inet4_getsockname cgroup_inet6_getsockname xdp_devmap cgroup_inet_sock_release xdp_cpumap sk_lookup xdp
sk_skb_verdict sk_reuseport_select sk_reuseport_select_or_migrate perf_event trace_kprobe_multi lsm_cgroup struct_ops
netfilter tcx_ingress tcx_egress trace_uprobe_multi cgroup_unix_connect cgroup_unix_sendmsg cgroup_unix_recvmsg
cgroup_unix_getpeername cgroup_unix_getsockname netkit_primary netkit_peer trace_kprobe_session
trace_uprobe_session"""

ATTACH_TYPES: Final[dict[str, int]] = {name: number for number, name in enumerate(_ATTACH_LIST.split())}
"""enum bpf_attach_type of 6.18, lower case and without its prefix"""

BPF_F_SLEEPABLE: Final = 1 << 4
BPF_F_XDP_HAS_FRAGS: Final = 1 << 5


@dataclass(frozen=True, slots=True)
class SecDef:
    """One row: ``prefix`` alone, or also ``prefix/anything`` when ``extra``."""

    prefix: str
    prog_type: str
    attach_type: int
    extra: bool
    sleepable: bool
    attach_btf: bool
    """the part after the slash names a function, tracepoint or hook in the kernel's BTF"""
    prog_flags: int = 0


# section (+: "/anything" may follow), program type, attach type; flags: s sleepable, b attaches by BTF, f XDP frags
_TABLE = """
socket socket_filter
sk_reuseport/migrate sk_reuseport sk_reuseport_select_or_migrate
sk_reuseport sk_reuseport sk_reuseport_select
kprobe+ kprobe
uprobe+ kprobe
uprobe.s+ kprobe - s
kretprobe+ kprobe
uretprobe+ kprobe
uretprobe.s+ kprobe - s
kprobe.multi+ kprobe trace_kprobe_multi
kretprobe.multi+ kprobe trace_kprobe_multi
kprobe.session+ kprobe trace_kprobe_session
uprobe.multi+ kprobe trace_uprobe_multi
uretprobe.multi+ kprobe trace_uprobe_multi
uprobe.session+ kprobe trace_uprobe_session
uprobe.multi.s+ kprobe trace_uprobe_multi s
uretprobe.multi.s+ kprobe trace_uprobe_multi s
uprobe.session.s+ kprobe trace_uprobe_session s
ksyscall+ kprobe
kretsyscall+ kprobe
usdt+ kprobe
usdt.s+ kprobe - s
tc/ingress sched_cls tcx_ingress
tc/egress sched_cls tcx_egress
tcx/ingress sched_cls tcx_ingress
tcx/egress sched_cls tcx_egress
tc sched_cls
classifier sched_cls
action sched_act
netkit/primary sched_cls netkit_primary
netkit/peer sched_cls netkit_peer
tracepoint+ tracepoint
tp+ tracepoint
raw_tracepoint+ raw_tracepoint
raw_tp+ raw_tracepoint
raw_tracepoint.w+ raw_tracepoint_writable
raw_tp.w+ raw_tracepoint_writable
tp_btf+ tracing trace_raw_tp b
fentry+ tracing trace_fentry b
fmod_ret+ tracing modify_return b
fexit+ tracing trace_fexit b
fentry.s+ tracing trace_fentry bs
fmod_ret.s+ tracing modify_return bs
fexit.s+ tracing trace_fexit bs
freplace+ ext - b
lsm+ lsm lsm_mac b
lsm.s+ lsm lsm_mac bs
lsm_cgroup+ lsm lsm_cgroup b
iter+ tracing trace_iter b
iter.s+ tracing trace_iter bs
syscall syscall - s
xdp.frags/devmap xdp xdp_devmap f
xdp/devmap xdp xdp_devmap
xdp.frags/cpumap xdp xdp_cpumap f
xdp/cpumap xdp xdp_cpumap
xdp.frags xdp xdp f
xdp xdp xdp
perf_event perf_event
lwt_in lwt_in
lwt_out lwt_out
lwt_xmit lwt_xmit
lwt_seg6local lwt_seg6local
sockops sock_ops cgroup_sock_ops
sk_skb/stream_parser sk_skb sk_skb_stream_parser
sk_skb/stream_verdict sk_skb sk_skb_stream_verdict
sk_skb/verdict sk_skb sk_skb_verdict
sk_skb sk_skb
sk_msg sk_msg sk_msg_verdict
lirc_mode2 lirc_mode2 lirc_mode2
flow_dissector flow_dissector flow_dissector
cgroup_skb/ingress cgroup_skb cgroup_inet_ingress
cgroup_skb/egress cgroup_skb cgroup_inet_egress
cgroup/skb cgroup_skb
cgroup/sock_create cgroup_sock cgroup_inet_sock_create
cgroup/sock_release cgroup_sock cgroup_inet_sock_release
cgroup/sock cgroup_sock cgroup_inet_sock_create
cgroup/post_bind4 cgroup_sock cgroup_inet4_post_bind
cgroup/post_bind6 cgroup_sock cgroup_inet6_post_bind
cgroup/bind4 cgroup_sock_addr cgroup_inet4_bind
cgroup/bind6 cgroup_sock_addr cgroup_inet6_bind
cgroup/connect4 cgroup_sock_addr cgroup_inet4_connect
cgroup/connect6 cgroup_sock_addr cgroup_inet6_connect
cgroup/connect_unix cgroup_sock_addr cgroup_unix_connect
cgroup/sendmsg4 cgroup_sock_addr cgroup_udp4_sendmsg
cgroup/sendmsg6 cgroup_sock_addr cgroup_udp6_sendmsg
cgroup/sendmsg_unix cgroup_sock_addr cgroup_unix_sendmsg
cgroup/recvmsg4 cgroup_sock_addr cgroup_udp4_recvmsg
cgroup/recvmsg6 cgroup_sock_addr cgroup_udp6_recvmsg
cgroup/recvmsg_unix cgroup_sock_addr cgroup_unix_recvmsg
cgroup/getpeername4 cgroup_sock_addr cgroup_inet4_getpeername
cgroup/getpeername6 cgroup_sock_addr cgroup_inet6_getpeername
cgroup/getpeername_unix cgroup_sock_addr cgroup_unix_getpeername
cgroup/getsockname4 cgroup_sock_addr cgroup_inet4_getsockname
cgroup/getsockname6 cgroup_sock_addr cgroup_inet6_getsockname
cgroup/getsockname_unix cgroup_sock_addr cgroup_unix_getsockname
cgroup/sysctl cgroup_sysctl cgroup_sysctl
cgroup/getsockopt cgroup_sockopt cgroup_getsockopt
cgroup/setsockopt cgroup_sockopt cgroup_setsockopt
cgroup/dev cgroup_device cgroup_device
struct_ops+ struct_ops
struct_ops.s+ struct_ops - s
sk_lookup sk_lookup sk_lookup
netfilter netfilter netfilter
"""


def _row(line: str) -> SecDef:
    section, prog_type, attach, flags = [*line.split(), "-", ""][:4]
    flags = "" if flags == "-" else flags
    return SecDef(
        prefix=section.removesuffix("+"),
        prog_type=prog_type,
        attach_type=ATTACH_TYPES[attach] if attach != "-" else 0,
        extra=section.endswith("+"),
        sleepable="s" in flags,
        attach_btf="b" in flags,
        prog_flags=BPF_F_XDP_HAS_FRAGS if "f" in flags else 0,
    )


SEC_DEFS: Final[tuple[SecDef, ...]] = tuple(_row(line) for line in _TABLE.strip().splitlines())
UNKNOWN: Final = SecDef("", "unspec", 0, True, False, False)
"""a section name that says nothing: the program opens, but has no type"""


@cache
def sec_def(name: str) -> SecDef:
    """The row for a section name (its leading ``?`` taken off), UNKNOWN when there is none."""
    for row in SEC_DEFS:
        if name == row.prefix or (row.extra and name.startswith(row.prefix + "/")):
            return row
    return UNKNOWN
