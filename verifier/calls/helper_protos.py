# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Prototypes of the helpers this verifier knows. A helper that a kernel has and that isn't here is refused by name.

Sources: the `bpf_func_proto` of each in kernel/bpf/helpers.c, kernel/bpf/ringbuf.c, kernel/trace/bpf_trace.c,
net/core/filter.c, net/core/sock_map.c, net/core/bpf_sk_storage.c, kernel/bpf/bpf_task_storage.c, kernel/bpf/cgroup.c,
kernel/bpf/bpf_lsm.c, drivers/media/rc/bpf-lirc.c (6.12, 6.18).
The types that may call them: helper_sets.py.
"""

from __future__ import annotations

from typing import Final

from verifier.calls.arg_kinds import HelperProto, parse_proto

_ROWS: Final = """
map_lookup_elem P MAP_VALUE|OR_NULL :: CONST_MAP_PTR, MAP_KEY
map_update_elem P INTEGER :: CONST_MAP_PTR, MAP_KEY, MAP_VALUE, ANYTHING
map_delete_elem P INTEGER :: CONST_MAP_PTR, MAP_KEY
map_push_elem P INTEGER :: CONST_MAP_PTR, MAP_VALUE, ANYTHING
map_pop_elem - INTEGER :: CONST_MAP_PTR, MAP_VALUE|UNINIT
map_peek_elem - INTEGER :: CONST_MAP_PTR, MAP_VALUE|UNINIT
map_lookup_percpu_elem P MAP_VALUE|OR_NULL :: CONST_MAP_PTR, MAP_KEY, ANYTHING
get_prandom_u32 - INTEGER ::
get_smp_processor_id - INTEGER ::
get_numa_node_id - INTEGER ::
ktime_get_ns - INTEGER ::
ktime_get_boot_ns - INTEGER ::
ktime_get_coarse_ns - INTEGER ::
ktime_get_tai_ns - INTEGER ::
jiffies64 - INTEGER ::
get_current_pid_tgid - INTEGER ::
get_current_uid_gid - INTEGER ::
get_current_comm - INTEGER :: MEM|UNINIT, CONST_SIZE
get_current_cgroup_id - INTEGER ::
get_current_ancestor_cgroup_id - INTEGER :: ANYTHING
get_ns_current_pid_tgid - INTEGER :: ANYTHING, ANYTHING, MEM|UNINIT, CONST_SIZE
get_current_task G INTEGER ::
get_current_task_btf G BTF_ID:task_struct|TRUSTED ::
task_pt_regs G BTF_ID:pt_regs :: BTF_ID:task_struct
current_task_under_cgroup - INTEGER :: CONST_MAP_PTR, ANYTHING
get_cgroup_classid - INTEGER ::
strtol - INTEGER :: MEM|RDONLY, CONST_SIZE, ANYTHING, MEM|UNINIT|ALIGNED=8
strtoul - INTEGER :: MEM|RDONLY, CONST_SIZE, ANYTHING, MEM|UNINIT|ALIGNED=8
strncmp - INTEGER :: MEM|RDONLY, CONST_SIZE, CONST_STR
snprintf G INTEGER :: MEM|OR_NULL|WRITE, CONST_SIZE_OR_ZERO, CONST_STR, MEM|OR_NULL|RDONLY, CONST_SIZE_OR_ZERO
snprintf_btf - INTEGER :: MEM|WRITE, CONST_SIZE, MEM|RDONLY, CONST_SIZE, ANYTHING
trace_printk G INTEGER :: MEM|RDONLY, CONST_SIZE
trace_vprintk G INTEGER :: MEM|RDONLY, CONST_SIZE, MEM|OR_NULL|RDONLY, CONST_SIZE_OR_ZERO
probe_read G INTEGER :: MEM|UNINIT, CONST_SIZE_OR_ZERO, ANYTHING
probe_read_str G INTEGER :: MEM|UNINIT, CONST_SIZE_OR_ZERO, ANYTHING
probe_read_user G INTEGER :: MEM|UNINIT, CONST_SIZE_OR_ZERO, ANYTHING
probe_read_user_str G INTEGER :: MEM|UNINIT, CONST_SIZE_OR_ZERO, ANYTHING
probe_read_kernel G INTEGER :: MEM|UNINIT, CONST_SIZE_OR_ZERO, ANYTHING
probe_read_kernel_str G INTEGER :: MEM|UNINIT, CONST_SIZE_OR_ZERO, ANYTHING
copy_from_user S INTEGER :: MEM|UNINIT, CONST_SIZE_OR_ZERO, ANYTHING
copy_from_user_task GS INTEGER :: MEM|UNINIT, CONST_SIZE_OR_ZERO, ANYTHING, BTF_ID:task_struct, ANYTHING
probe_write_user G INTEGER :: ANYTHING, MEM|RDONLY, CONST_SIZE
send_signal - INTEGER :: ANYTHING
send_signal_thread - INTEGER :: ANYTHING
get_branch_snapshot G INTEGER :: MEM|UNINIT, CONST_SIZE_OR_ZERO
perf_event_read G INTEGER :: CONST_MAP_PTR, ANYTHING
perf_event_read_value G INTEGER :: CONST_MAP_PTR, ANYTHING, MEM|UNINIT, CONST_SIZE
perf_event_output G INTEGER :: CTX, CONST_MAP_PTR, ANYTHING, MEM|RDONLY, CONST_SIZE_OR_ZERO
ringbuf_reserve - MEM|RINGBUF|OR_NULL :: CONST_MAP_PTR, CONST_ALLOC_SIZE_OR_ZERO, ANYTHING
ringbuf_submit - VOID :: RINGBUF_MEM|RELEASE, ANYTHING
ringbuf_discard - VOID :: RINGBUF_MEM|RELEASE, ANYTHING
ringbuf_output - INTEGER :: CONST_MAP_PTR, MEM|RDONLY, CONST_SIZE_OR_ZERO, ANYTHING
ringbuf_reserve_dynptr - INTEGER :: CONST_MAP_PTR, ANYTHING, ANYTHING, DYNPTR|RINGBUF_DYNPTR|UNINIT
ringbuf_submit_dynptr - VOID :: DYNPTR|RINGBUF_DYNPTR|RELEASE, ANYTHING
ringbuf_discard_dynptr - VOID :: DYNPTR|RINGBUF_DYNPTR|RELEASE, ANYTHING
user_ringbuf_drain - INTEGER :: CONST_MAP_PTR, FUNC, STACK|OR_NULL, ANYTHING
dynptr_from_mem - INTEGER :: MEM|UNINIT, CONST_SIZE_OR_ZERO, ANYTHING, DYNPTR|LOCAL_DYNPTR|UNINIT
dynptr_read - INTEGER :: MEM|UNINIT, CONST_SIZE_OR_ZERO, DYNPTR|RDONLY, ANYTHING, ANYTHING
dynptr_write - INTEGER :: DYNPTR|RDONLY, ANYTHING, MEM|RDONLY, CONST_SIZE_OR_ZERO, ANYTHING
dynptr_data - MEM|OR_NULL :: DYNPTR|RDONLY, ANYTHING, CONST_ALLOC_SIZE_OR_ZERO
ringbuf_query - INTEGER :: CONST_MAP_PTR, ANYTHING
task_storage_get - MAP_VALUE|OR_NULL :: CONST_MAP_PTR, BTF_ID:task_struct|OR_NULL, MAP_VALUE|OR_NULL, ANYTHING
task_storage_delete - INTEGER :: CONST_MAP_PTR, BTF_ID:task_struct|OR_NULL
cgrp_storage_get - MAP_VALUE|OR_NULL :: CONST_MAP_PTR, BTF_ID:cgroup|OR_NULL, MAP_VALUE|OR_NULL, ANYTHING
cgrp_storage_delete - INTEGER :: CONST_MAP_PTR, BTF_ID:cgroup|OR_NULL
find_vma - INTEGER :: BTF_ID:task_struct, ANYTHING, FUNC, STACK|OR_NULL, ANYTHING
loop - INTEGER :: ANYTHING, FUNC, STACK|OR_NULL, ANYTHING
for_each_map_elem - INTEGER :: CONST_MAP_PTR, FUNC, STACK|OR_NULL, ANYTHING
tail_call - VOID :: CTX, CONST_MAP_PTR, ANYTHING
spin_lock - VOID :: SPIN_LOCK
spin_unlock - VOID :: SPIN_LOCK
timer_init G INTEGER :: TIMER, CONST_MAP_PTR, ANYTHING
timer_set_callback G INTEGER :: TIMER, FUNC
timer_start G INTEGER :: TIMER, ANYTHING, ANYTHING
timer_cancel G INTEGER :: TIMER
kptr_xchg - BTF_ID|OR_NULL :: KPTR_XCHG_DEST, KPTR_XCHG_SRC|OR_NULL|RELEASE
per_cpu_ptr - MEM_OR_BTF_ID|OR_NULL|RDONLY :: PERCPU_BTF_ID, ANYTHING
this_cpu_ptr - MEM_OR_BTF_ID|RDONLY :: PERCPU_BTF_ID
skb_load_bytes - INTEGER :: CTX, ANYTHING, MEM|UNINIT, CONST_SIZE
skb_load_bytes_relative - INTEGER :: CTX, ANYTHING, MEM|UNINIT, CONST_SIZE, ANYTHING
get_socket_cookie - INTEGER :: CTX
get_socket_uid - INTEGER :: CTX
get_netns_cookie - INTEGER :: CTX|OR_NULL
csum_diff P INTEGER :: MEM|OR_NULL|RDONLY, CONST_SIZE_OR_ZERO, MEM|OR_NULL|RDONLY, CONST_SIZE_OR_ZERO, ANYTHING
redirect - INTEGER :: ANYTHING, ANYTHING
redirect_map - INTEGER :: CONST_MAP_PTR, ANYTHING, ANYTHING
fib_lookup G INTEGER :: CTX, MEM|WRITE, CONST_SIZE, ANYTHING
xdp_get_buff_len - INTEGER :: CTX
xdp_adjust_head - INTEGER :: CTX, ANYTHING
xdp_adjust_tail - INTEGER :: CTX, ANYTHING
xdp_adjust_meta - INTEGER :: CTX, ANYTHING
xdp_load_bytes - INTEGER :: CTX, ANYTHING, MEM|UNINIT, CONST_SIZE
xdp_store_bytes - INTEGER :: CTX, ANYTHING, MEM|RDONLY, CONST_SIZE
get_stackid G INTEGER :: CTX, CONST_MAP_PTR, ANYTHING
get_stack G INTEGER :: CTX, MEM|UNINIT, CONST_SIZE_OR_ZERO, ANYTHING
get_func_ip G INTEGER :: CTX
get_attach_cookie - INTEGER :: CTX
sys_bpf - INTEGER :: ANYTHING, MEM|RDONLY, CONST_SIZE
btf_find_by_name_kind - INTEGER :: MEM|RDONLY, CONST_SIZE, ANYTHING, ANYTHING
sys_close - INTEGER :: ANYTHING
tcp_send_ack G INTEGER :: BTF_ID:tcp_sock, ANYTHING
skb_store_bytes - INTEGER :: CTX, ANYTHING, MEM|RDONLY, CONST_SIZE, ANYTHING
skb_pull_data - INTEGER :: CTX, ANYTHING
l3_csum_replace - INTEGER :: CTX, ANYTHING, ANYTHING, ANYTHING, ANYTHING
l4_csum_replace - INTEGER :: CTX, ANYTHING, ANYTHING, ANYTHING, ANYTHING
csum_update - INTEGER :: CTX, ANYTHING
csum_level - INTEGER :: CTX, ANYTHING
clone_redirect - INTEGER :: CTX, ANYTHING, ANYTHING
redirect_peer - INTEGER :: ANYTHING, ANYTHING
redirect_neigh - INTEGER :: ANYTHING, MEM|OR_NULL|RDONLY, CONST_SIZE_OR_ZERO, ANYTHING
get_route_realm - INTEGER :: CTX
get_hash_recalc - INTEGER :: CTX
set_hash_invalid - INTEGER :: CTX
set_hash - INTEGER :: CTX, ANYTHING
skb_vlan_push - INTEGER :: CTX, ANYTHING, ANYTHING
skb_vlan_pop - INTEGER :: CTX
skb_change_proto - INTEGER :: CTX, ANYTHING, ANYTHING
skb_change_type - INTEGER :: CTX, ANYTHING
skb_change_tail - INTEGER :: CTX, ANYTHING, ANYTHING
skb_change_head - INTEGER :: CTX, ANYTHING, ANYTHING
skb_adjust_room - INTEGER :: CTX, ANYTHING, ANYTHING, ANYTHING
skb_get_tunnel_key - INTEGER :: CTX, MEM|UNINIT, CONST_SIZE, ANYTHING
skb_get_tunnel_opt - INTEGER :: CTX, MEM|UNINIT, CONST_SIZE
skb_set_tunnel_key - INTEGER :: CTX, MEM|RDONLY, CONST_SIZE, ANYTHING
skb_set_tunnel_opt - INTEGER :: CTX, MEM|RDONLY, CONST_SIZE
skb_under_cgroup - INTEGER :: CTX, CONST_MAP_PTR, ANYTHING
skb_cgroup_id - INTEGER :: CTX
skb_cgroup_classid - INTEGER :: CTX
skb_ancestor_cgroup_id - INTEGER :: CTX, ANYTHING
skb_get_xfrm_state - INTEGER :: CTX, ANYTHING, MEM|UNINIT, CONST_SIZE, ANYTHING
skb_ecn_set_ce - INTEGER :: CTX
skb_set_tstamp - INTEGER :: CTX, ANYTHING, ANYTHING
check_mtu G INTEGER :: CTX, ANYTHING, MEM|WRITE|ALIGNED=4, ANYTHING, ANYTHING
sk_cgroup_id - INTEGER :: BTF_ID_SOCK_COMMON
sk_ancestor_cgroup_id - INTEGER :: BTF_ID_SOCK_COMMON, ANYTHING
sk_fullsock - SOCKET|OR_NULL :: SOCK_COMMON
tcp_sock - TCP_SOCK|OR_NULL :: SOCK_COMMON
get_listener_sock - SOCKET|OR_NULL :: SOCK_COMMON
sk_lookup_tcp P SOCKET|OR_NULL :: CTX, MEM|RDONLY, CONST_SIZE_OR_ZERO, ANYTHING, ANYTHING
sk_lookup_udp P SOCKET|OR_NULL :: CTX, MEM|RDONLY, CONST_SIZE_OR_ZERO, ANYTHING, ANYTHING
skc_lookup_tcp P SOCK_COMMON|OR_NULL :: CTX, MEM|RDONLY, CONST_SIZE_OR_ZERO, ANYTHING, ANYTHING
sk_release - INTEGER :: BTF_ID_SOCK_COMMON|RELEASE
sk_assign - INTEGER :: CTX, BTF_ID_SOCK_COMMON, ANYTHING
tcp_check_syncookie GP INTEGER :: BTF_ID_SOCK_COMMON, MEM|RDONLY, CONST_SIZE, MEM|RDONLY, CONST_SIZE
tcp_gen_syncookie GP INTEGER :: BTF_ID_SOCK_COMMON, MEM|RDONLY, CONST_SIZE, MEM|RDONLY, CONST_SIZE
tcp_raw_gen_syncookie_ipv4 GP INTEGER :: MEM|=20, MEM|RDONLY, CONST_SIZE_OR_ZERO
tcp_raw_gen_syncookie_ipv6 GP INTEGER :: MEM|=40, MEM|RDONLY, CONST_SIZE_OR_ZERO
tcp_raw_check_syncookie_ipv4 GP INTEGER :: MEM|=20, MEM|=20
tcp_raw_check_syncookie_ipv6 GP INTEGER :: MEM|=40, MEM|=20
skc_to_tcp6_sock - BTF_ID:tcp6_sock|OR_NULL :: BTF_ID_SOCK_COMMON
skc_to_tcp_sock - BTF_ID:tcp_sock|OR_NULL :: BTF_ID_SOCK_COMMON
skc_to_tcp_timewait_sock - BTF_ID:tcp_timewait_sock|OR_NULL :: BTF_ID_SOCK_COMMON
skc_to_tcp_request_sock - BTF_ID:tcp_request_sock|OR_NULL :: BTF_ID_SOCK_COMMON
skc_to_udp6_sock - BTF_ID:udp6_sock|OR_NULL :: BTF_ID_SOCK_COMMON
skc_to_unix_sock - BTF_ID:unix_sock|OR_NULL :: BTF_ID_SOCK_COMMON
skc_to_mptcp_sock - BTF_ID:mptcp_sock|OR_NULL :: SOCK_COMMON
sk_storage_get - MAP_VALUE|OR_NULL :: CONST_MAP_PTR, BTF_ID_SOCK_COMMON, MAP_VALUE|OR_NULL, ANYTHING
sk_storage_delete - INTEGER :: CONST_MAP_PTR, BTF_ID_SOCK_COMMON
inode_storage_get - MAP_VALUE|OR_NULL :: CONST_MAP_PTR, BTF_ID:inode|OR_NULL, MAP_VALUE|OR_NULL, ANYTHING
inode_storage_delete - INTEGER :: CONST_MAP_PTR, BTF_ID:inode|OR_NULL
get_local_storage - MAP_VALUE :: CONST_MAP_PTR, ANYTHING
get_retval - INTEGER ::
set_retval - INTEGER :: ANYTHING
bind - INTEGER :: CTX, MEM|RDONLY, CONST_SIZE
setsockopt - INTEGER :: CTX, ANYTHING, ANYTHING, MEM|RDONLY, CONST_SIZE
getsockopt - INTEGER :: CTX, ANYTHING, ANYTHING, MEM|UNINIT, CONST_SIZE
sock_ops_cb_flags_set - INTEGER :: CTX, ANYTHING
sock_map_update P INTEGER :: CTX, CONST_MAP_PTR, MAP_KEY, ANYTHING
sock_hash_update P INTEGER :: CTX, CONST_MAP_PTR, MAP_KEY, ANYTHING
load_hdr_opt - INTEGER :: CTX, MEM|WRITE, CONST_SIZE, ANYTHING
store_hdr_opt - INTEGER :: CTX, MEM|RDONLY, CONST_SIZE, ANYTHING
reserve_hdr_opt - INTEGER :: CTX, ANYTHING, ANYTHING
sk_redirect_map - INTEGER :: CTX, CONST_MAP_PTR, ANYTHING, ANYTHING
sk_redirect_hash - INTEGER :: CTX, CONST_MAP_PTR, MAP_KEY, ANYTHING
msg_redirect_map - INTEGER :: CTX, CONST_MAP_PTR, ANYTHING, ANYTHING
msg_redirect_hash - INTEGER :: CTX, CONST_MAP_PTR, MAP_KEY, ANYTHING
msg_apply_bytes - INTEGER :: CTX, ANYTHING
msg_cork_bytes - INTEGER :: CTX, ANYTHING
msg_pull_data - INTEGER :: CTX, ANYTHING, ANYTHING, ANYTHING
msg_push_data - INTEGER :: CTX, ANYTHING, ANYTHING, ANYTHING
msg_pop_data - INTEGER :: CTX, ANYTHING, ANYTHING, ANYTHING
sk_select_reuseport - INTEGER :: CTX, CONST_MAP_PTR, MAP_KEY, ANYTHING
sysctl_get_name - INTEGER :: CTX, MEM|WRITE, CONST_SIZE, ANYTHING
sysctl_get_current_value - INTEGER :: CTX, MEM|UNINIT, CONST_SIZE
sysctl_get_new_value - INTEGER :: CTX, MEM|UNINIT, CONST_SIZE
sysctl_set_new_value - INTEGER :: CTX, MEM|RDONLY, CONST_SIZE
lwt_push_encap - INTEGER :: CTX, ANYTHING, MEM|RDONLY, CONST_SIZE
lwt_seg6_store_bytes - INTEGER :: CTX, ANYTHING, MEM|RDONLY, CONST_SIZE
lwt_seg6_action - INTEGER :: CTX, ANYTHING, MEM|RDONLY, CONST_SIZE
lwt_seg6_adjust_srh - INTEGER :: CTX, ANYTHING, ANYTHING
perf_prog_read_value G INTEGER :: CTX, MEM|UNINIT, CONST_SIZE
read_branch_records G INTEGER :: CTX, MEM|OR_NULL|WRITE, CONST_SIZE_OR_ZERO, ANYTHING
get_task_stack - INTEGER :: BTF_ID:task_struct, MEM|UNINIT, CONST_SIZE_OR_ZERO, ANYTHING
seq_printf G INTEGER :: BTF_ID:seq_file, MEM|RDONLY, CONST_SIZE, MEM|OR_NULL|RDONLY, CONST_SIZE_OR_ZERO
seq_write G INTEGER :: BTF_ID:seq_file, MEM|RDONLY, CONST_SIZE_OR_ZERO
seq_printf_btf G INTEGER :: BTF_ID:seq_file, MEM|RDONLY, CONST_SIZE_OR_ZERO, ANYTHING
d_path - INTEGER :: BTF_ID:path, MEM|WRITE, CONST_SIZE_OR_ZERO
sock_from_file - BTF_ID:socket|OR_NULL :: BTF_ID:file
skb_output G INTEGER :: BTF_ID:sk_buff, CONST_MAP_PTR, ANYTHING, MEM|RDONLY, CONST_SIZE_OR_ZERO
xdp_output G INTEGER :: BTF_ID:xdp_buff, CONST_MAP_PTR, ANYTHING, MEM|RDONLY, CONST_SIZE_OR_ZERO
kallsyms_lookup_name - INTEGER :: MEM, CONST_SIZE_OR_ZERO, ANYTHING, MEM|UNINIT|ALIGNED=8
get_func_arg - INTEGER :: CTX, ANYTHING, MEM|UNINIT|ALIGNED=8
get_func_ret - INTEGER :: CTX, MEM|UNINIT|ALIGNED=8
get_func_arg_cnt - INTEGER :: CTX
override_return G INTEGER :: CTX, ANYTHING
bprm_opts_set - INTEGER :: BTF_ID:linux_binprm, ANYTHING
ima_inode_hash S INTEGER :: BTF_ID:inode, MEM|UNINIT, CONST_SIZE
ima_file_hash S INTEGER :: BTF_ID:file, MEM|UNINIT, CONST_SIZE
rc_repeat G INTEGER :: CTX
rc_keydown G INTEGER :: CTX, ANYTHING, ANYTHING, ANYTHING
rc_pointer_rel G INTEGER :: CTX, ANYTHING, ANYTHING
"""
"""`name flags result :: arguments`; see arg_kinds.parse_proto."""

HELPER_PROTOS: Final[dict[str, HelperProto]] = {
    proto.name: proto for proto in (parse_proto(row + " ") for row in _ROWS.strip().splitlines())
}
"""By name without `bpf_`."""
_VARIANT_ROWS: Final = """
tracing xdp_get_buff_len - INTEGER :: BTF_ID:xdp_buff
tracing get_socket_cookie - INTEGER :: BTF_ID_SOCK_COMMON|OR_NULL
tracing setsockopt - INTEGER :: BTF_ID_SOCK_COMMON, ANYTHING, ANYTHING, MEM|RDONLY, CONST_SIZE
tracing getsockopt - INTEGER :: BTF_ID_SOCK_COMMON, ANYTHING, ANYTHING, MEM|UNINIT, CONST_SIZE
trace sk_storage_get - MAP_VALUE|OR_NULL :: CONST_MAP_PTR, BTF_ID:sock_common|OR_NULL, MAP_VALUE|OR_NULL, ANYTHING
trace sk_storage_delete - INTEGER :: CONST_MAP_PTR, BTF_ID:sock_common|OR_NULL
perf_event get_stackid - INTEGER :: CTX, CONST_MAP_PTR, ANYTHING
tc get_cgroup_classid - INTEGER :: CTX
sk_reuseport get_socket_cookie - INTEGER :: BTF_ID_SOCK_COMMON|OR_NULL
sk_lookup sk_assign - INTEGER :: CTX, SOCKET|OR_NULL, ANYTHING
cgroup_sock sk_storage_get - MAP_VALUE|OR_NULL :: CONST_MAP_PTR, CTX, MAP_VALUE|OR_NULL, ANYTHING
"""
_GROUPS: Final = {
    "tracing": ("syscall", "tracing", "lsm", "struct_ops", "cgroup_sockopt"),
    "trace": ("syscall", "tracing"),
    "tc": ("sched_cls", "sched_act", "lwt_in", "lwt_out", "lwt_xmit", "lwt_seg6local"),
}
"""Several program types under one name."""


def _variants() -> dict[tuple[str, str], HelperProto]:
    out = {}
    for row in _VARIANT_ROWS.strip().splitlines():
        prog_type, _, rest = row.partition(" ")
        proto = parse_proto(rest + " ")
        for name in _GROUPS.get(prog_type, (prog_type,)):
            out[name, proto.name] = proto
    return out


VARIANT_PROTOS: Final[dict[tuple[str, str], HelperProto]] = _variants()
"""(program type, helper) → prototype, where a type has one of its own."""
