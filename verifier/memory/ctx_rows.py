# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Fields of contexts and sockets: `name start end loads stores type`, see ctx_tables._field.

loads and stores are digits, one an access size; `4^12` means 4 at any aligned place, and 1 or 2 at the first byte.
Sources: see ctx_tables.
"""

from __future__ import annotations

from typing import Final

XDP_DEVMAP: Final = 33
INET_SOCK_CREATE, INET4_POST_BIND, INET6_POST_BIND, INET_SOCK_RELEASE = 2, 12, 13, 34
GETSOCKOPT, SETSOCKOPT = 21, 22
_INET4_ADDR: Final = frozenset((8, 10, 14, 19, 29, 31))
_INET6_ADDR: Final = frozenset((9, 11, 15, 20, 30, 32))
UDP4_SENDMSG, UDP6_SENDMSG = 14, 15

SK_BUFF: Final = """
len 0 4 124 - number
pkt_type 4 8 124 - number
mark 8 12 124 4 number
queue_mapping 12 16 124 4 number
protocol 16 20 124 - number
vlan_present 20 24 124 - number
vlan_tci 24 28 124 - number
vlan_proto 28 32 124 - number
priority 32 36 124 4 number
ingress_ifindex 36 40 124 - number
ifindex 40 44 124 - number
tc_index 44 48 124 4 number
cb 48 68 1248 1248 number
hash 68 72 124 - number
tc_classid 72 76 124 4 number
data 76 80 4 - pkt
data_end 80 84 4 - pkt_end
napi_id 84 88 124 - number
family 88 92 124 - number
remote_ip4 92 96 4 - number
local_ip4 96 100 4 - number
remote_ip6 100 116 4 - number
local_ip6 116 132 4 - number
remote_port 132 136 124 - number
local_port 136 140 124 - number
data_meta 140 144 4 - pkt_meta
flow_keys 144 152 8 - flow_keys
tstamp 152 160 8 8 number
wire_len 160 164 124 - number
gso_segs 164 168 124 - number
sk 168 176 8 - sock_common_or_null
gso_size 176 180 124 - number
tstamp_type 180 181 1 - number
hwtstamp 184 192 8 - number
"""
"""struct __sk_buff: what any program type may do."""
_ANY: Final = """
len pkt_type queue_mapping protocol vlan_present vlan_tci vlan_proto priority ingress_ifindex
ifindex tc_index cb hash napi_id gso_segs sk gso_size
"""
"""Read by every type that has a __sk_buff, but for flow dissectors."""
_LWT: Final = (f"{_ANY} mark data data_end", "mark priority cb")
_TC: Final = (
    f"{_ANY} mark tc_classid data data_end data_meta tstamp wire_len tstamp_type hwtstamp",
    "mark queue_mapping priority tc_index cb tc_classid tstamp",
)
_IP: Final = "family remote_ip4 local_ip4 remote_ip6 local_ip6 remote_port local_port"
SK_BUFF_USE: Final[dict[str, tuple[str, str]]] = {
    "socket_filter": (f"{_ANY} mark", "cb"),
    "cgroup_skb": (f"{_ANY} {_IP} mark data data_end tstamp hwtstamp", "mark priority cb tstamp"),
    "sk_skb": (f"{_ANY} {_IP} data data_end", "priority tc_index"),
    **dict.fromkeys(("sched_cls", "sched_act"), _TC),
    **dict.fromkeys(("lwt_in", "lwt_out", "lwt_xmit", "lwt_seg6local"), _LWT),
    "flow_dissector": ("data data_end flow_keys", ""),
}
"""program type → (fields it reads, fields it writes)."""
CGROUP_SKB_UNPRIVILEGED: Final = (f"{_ANY} {_IP} mark hwtstamp tstamp", "mark priority cb")
"""The same for cgroup_skb programs loaded without CAP_BPF."""
XDP: Final = """
data 0 4 4 - pkt
data_end 4 8 4 - pkt_end
data_meta 8 12 4 - pkt_meta
ingress_ifindex 12 16 4 - number
rx_queue_index 16 20 4 - number
"""
XDP_EGRESS: Final = """
egress_ifindex 20 24 4 - number
"""
SOCK_COMMON_PART: Final = """
family 4 8 4^12 - number
type 8 12 4^12 - number
protocol 12 16 4^12 - number
dst_port 48 50 12^4 - number
dst_ip4 52 56 124 - number
dst_ip6 56 72 124 - number
state 72 76 4^12 - number
rx_queue_mapping 76 80 4^12 - number
"""
"""struct bpf_sock: what cgroup_sock programs of all attach types read."""
_CREATE: Final = """
bound_dev_if 0 4 4 4 number
mark 16 20 4 4 number
priority 20 24 4 4 number
"""
CGROUP_SOCK: Final[dict[int, str]] = {
    INET_SOCK_CREATE: _CREATE,
    INET_SOCK_RELEASE: _CREATE,
    INET4_POST_BIND: """
src_ip4 24 28 124 - number
src_port 44 48 4^12 - number
""",
    INET6_POST_BIND: """
src_ip6 28 44 124 - number
src_port 44 48 4^12 - number
""",
}
SOCK_OPS: Final = """
op 0 4 4 - number
reply 4 8 4 4 number
args 8 20 4 - number
family 20 24 4 - number
remote_ip4 24 28 4 - number
local_ip4 28 32 4 - number
remote_ip6 32 48 4 - number
local_ip6 48 64 4 - number
remote_port 64 68 4 - number
local_port 68 72 4 - number
is_fullsock 72 76 4 - number
snd_cwnd 76 80 4 - number
srtt_us 80 84 4 - number
bpf_sock_ops_cb_flags 84 88 4 - number
state 88 92 4 - number
rtt_min 92 96 4 - number
snd_ssthresh 96 100 4 - number
rcv_nxt 100 104 4 - number
snd_nxt 104 108 4 - number
snd_una 108 112 4 - number
mss_cache 112 116 4 - number
ecn_flags 116 120 4 - number
rate_delivered 120 124 4 - number
rate_interval_us 124 128 4 - number
packets_out 128 132 4 - number
retrans_out 132 136 4 - number
total_retrans 136 140 4 - number
segs_in 140 144 4 - number
data_segs_in 144 148 4 - number
segs_out 148 152 4 - number
data_segs_out 152 156 4 - number
lost_out 156 160 4 - number
sacked_out 160 164 4 - number
sk_txhash 164 168 4 4 number
bytes_received 168 176 8 - number
bytes_acked 176 184 8 - number
sk 184 192 8 - sock_or_null
skb_data 192 200 8 - pkt
skb_data_end 200 208 8 - pkt_end
skb_len 208 212 4 - number
skb_tcp_flags 212 216 4^12 - number
skb_hwtstamp 216 224 8 - number
"""
SK_MSG: Final = """
data 0 8 8 - pkt
data_end 8 16 8 - pkt_end
family 16 20 4 - number
remote_ip4 20 24 4 - number
local_ip4 24 28 4 - number
remote_ip6 28 44 4 - number
local_ip6 44 60 4 - number
remote_port 60 64 4 - number
local_port 64 68 4 - number
size 68 72 4 - number
sk 72 80 8 - sock
"""
CGROUP_DEVICE: Final = """
access_type 0 4 124 - number
major 4 8 4 - number
minor 8 12 4 - number
"""
CGROUP_SYSCTL: Final = """
write 0 4 124 - number
file_pos 4 8 124 4 number
"""
SK_REUSEPORT: Final = """
data 0 8 8 - pkt
data_end 8 16 8 - pkt_end
len 16 20 124 - number
eth_protocol 20 24 24 - number
ip_protocol 24 28 124 - number
bind_inany 28 32 124 - number
hash 32 36 4 - number
sk 40 48 8 - sock
migrating_sk 48 56 8 - sock_common_or_null
"""
SK_LOOKUP: Final = """
sk 0 8 8 - sock_or_null
family 8 12 124 - number
protocol 12 16 124 - number
remote_ip4 16 20 124 - number
remote_ip6 20 36 124 - number
remote_port 36 40 124 - number
local_ip4 40 44 124 - number
local_ip6 44 60 124 - number
local_port 60 64 124 - number
ingress_ifindex 64 68 124 - number
"""
PERF_EVENT: Final = """
regs 0 168 8 - number
sample_period 168 176 1248 - number
addr 176 184 1248 - number
"""
NETFILTER: Final = """
state 0 8 8 - ptr:nf_hook_state
skb 8 16 8 - ptr:sk_buff
"""
SOCK_ADDR: Final = """
user_family 0 4 4 - number
user_port 24 28 124 4 number
family 28 32 4 - number
type 32 36 4 - number
protocol 36 40 4 - number
sk 64 72 8 - sock
"""


def sock_addr_part(attach_type: int) -> str:
    """The addresses that a cgroup_sock_addr program sees: those of its family; the source for sendmsg only."""
    part = ""
    if attach_type in _INET4_ADDR:
        part = "user_ip4 4 8 124 4 number\n"
    elif attach_type in _INET6_ADDR:
        part = "user_ip6 8 24 1248 48 number\n"
    if attach_type == UDP4_SENDMSG:
        part += "msg_src_ip4 40 44 124 4 number\n"
    elif attach_type == UDP6_SENDMSG:
        part += "msg_src_ip6 44 60 1248 48 number\n"
    return part


SOCKOPT: Final = """
sk 0 8 8 - sock
optval 8 16 8 - pkt
optval_end 16 24 8 - pkt_end
optlen 32 36 4 4 number
"""
CGROUP_SOCKOPT: Final[dict[int, str]] = {
    GETSOCKOPT: """
level 24 28 4 - number
optname 28 32 4 - number
retval 36 40 4 4 number
""",
    SETSOCKOPT: """
level 24 28 4 4 number
optname 28 32 4 4 number
""",
}
SOCK_REST: Final = """
bound_dev_if 0 4 4 - number
mark 16 20 4 - number
priority 20 24 4 - number
src_ip4 24 28 124 - number
src_ip6 28 44 124 - number
src_port 44 48 4^12 - number
"""
"""struct bpf_sock behind a pointer to a full socket: this, too."""
SOCK_COMMON: Final = """
bound_dev_if 0 4 4 - number
family 4 8 4^12 - number
src_ip4 24 28 124 - number
src_ip6 28 44 124 - number
src_port 44 48 4^12 - number
dst_port 48 50 12^4 - number
dst_ip4 52 56 124 - number
dst_ip6 56 72 124 - number
state 72 76 4^12 - number
rx_queue_mapping 76 80 4^12 - number
"""
"""struct bpf_sock behind a pointer that may be to a request or timewait socket."""
TCP_SOCK: Final = """
words 0 80 4 - number
bytes_received 80 88 8 - number
bytes_acked 88 96 8 - number
dsack_dups 96 100 4 - number
delivered 100 104 4 - number
delivered_ce 104 108 4 - number
icsk_retransmits 108 112 4 - number
"""
"""struct bpf_tcp_sock; `words` are its 20 u32 fields from snd_cwnd to sacked_out."""
XDP_SOCK: Final = """
queue_id 0 4 4 - number
"""
LIRC_MODE2: Final = """
sample 0 4 4 - number
"""
