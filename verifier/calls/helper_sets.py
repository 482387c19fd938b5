# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which helpers a program of which type may call, by name.

6.18: read off a running kernel (which helpers its verifier says a program of a type, attach type and hook cannot use;
tests/differential/test_helper_sets_oracle.py repeats that), and for fentry, fexit, fmod_ret and lsm programs from
kernel/trace/bpf_trace.c tracing_prog_func_proto, kernel/bpf/bpf_lsm.c bpf_lsm_func_proto. 6.12: kernel/bpf/helpers.c
bpf_base_func_proto and the types' own functions.
"""

from __future__ import annotations

from typing import Final

_ALWAYS: Final = """
map_lookup_elem map_update_elem map_delete_elem map_push_elem map_pop_elem map_peek_elem map_lookup_percpu_elem
get_prandom_u32 get_smp_processor_id get_numa_node_id tail_call ktime_get_ns ktime_get_boot_ns ktime_get_tai_ns
ringbuf_output ringbuf_reserve ringbuf_submit ringbuf_discard ringbuf_query strncmp strtol strtoul get_current_pid_tgid
get_ns_current_pid_tgid
"""
_CAP_BPF: Final = """
spin_lock spin_unlock jiffies64 per_cpu_ptr this_cpu_ptr timer_init timer_set_callback timer_start timer_cancel
kptr_xchg for_each_map_elem loop user_ringbuf_drain ringbuf_reserve_dynptr ringbuf_submit_dynptr ringbuf_discard_dynptr
dynptr_from_mem dynptr_read dynptr_write dynptr_data cgrp_storage_get cgrp_storage_delete get_current_cgroup_id
get_current_ancestor_cgroup_id
"""
_CAP_PERFMON: Final = """
trace_printk trace_vprintk get_current_task get_current_task_btf probe_read_user probe_read_user_str probe_read_kernel
probe_read_kernel_str snprintf snprintf_btf task_pt_regs
"""
_SINCE_6_16: Final = """
get_current_uid_gid get_cgroup_classid current_task_under_cgroup task_storage_get task_storage_delete get_current_comm
copy_from_user copy_from_user_task find_vma get_branch_snapshot get_task_stack perf_event_read perf_event_read_value
send_signal send_signal_thread
"""
"""What moved from tracing programs to all: "bpf: Allow some trace helpers for all prog types"."""
MOVED: Final = frozenset(_SINCE_6_16.split())
_MOVED_FOR_CAP_BPF: Final = """
current_task_under_cgroup get_cgroup_classid task_storage_get task_storage_delete
"""
_MOVED_FOR_ALL: Final = "get_current_uid_gid"
BASE_6_12: Final = frozenset((_ALWAYS + _CAP_BPF + _CAP_PERFMON).split())
BASE_6_18: Final = BASE_6_12 | MOVED

_SK_CASTS: Final = """
skc_to_mptcp_sock skc_to_tcp6_sock skc_to_tcp_request_sock skc_to_tcp_sock skc_to_tcp_timewait_sock skc_to_udp6_sock
skc_to_unix_sock
"""
_SK: Final = f"{_SK_CASTS} ktime_get_coarse_ns"
NEED_BPF_6_12: Final = frozenset((_CAP_BPF + _CAP_PERFMON).split())
"""Helpers of whatever program type that CAP_BPF is needed for. bpf_base_func_proto asks for CAP_PERFMON second."""
NEED_PERFMON_6_12: Final = frozenset(_CAP_PERFMON.split()) | {"sys_bpf"}
SK_CASTS: Final = frozenset(_SK_CASTS.split())
"""Those need CAP_PERFMON, too, but in tracing programs (bpf_sk_base_func_proto)."""
NEED_BPF_6_18: Final = NEED_BPF_6_12 | MOVED - frozenset(_MOVED_FOR_ALL.split())
NEED_PERFMON_6_18: Final = NEED_PERFMON_6_12 | NEED_BPF_6_18 & MOVED - frozenset(_MOVED_FOR_CAP_BPF.split())
_SK_LOOKUP: Final = "sk_lookup_tcp sk_lookup_udp skc_lookup_tcp sk_release"
_SK_STORAGE: Final = "sk_storage_get sk_storage_delete"
_SOCKOPT: Final = "setsockopt getsockopt"
_RETVAL: Final = "get_retval set_retval"
_PROBE: Final = "get_stack get_stackid perf_event_output probe_read probe_read_str get_func_ip"
_SYNCOOKIE: Final = """
tcp_check_syncookie tcp_gen_syncookie tcp_raw_check_syncookie_ipv4 tcp_raw_check_syncookie_ipv6
tcp_raw_gen_syncookie_ipv4 tcp_raw_gen_syncookie_ipv6
"""
_TC: Final = f"""
{_SK} {_SK_LOOKUP} {_SK_STORAGE} {_SYNCOOKIE} check_mtu clone_redirect csum_diff csum_level csum_update fib_lookup
get_hash_recalc get_listener_sock get_netns_cookie get_route_realm get_socket_cookie get_socket_uid l3_csum_replace
l4_csum_replace perf_event_output redirect redirect_neigh redirect_peer set_hash set_hash_invalid sk_assign sk_fullsock
skb_adjust_room skb_ancestor_cgroup_id skb_cgroup_classid skb_cgroup_id skb_change_head skb_change_proto skb_change_tail
skb_change_type skb_ecn_set_ce skb_get_tunnel_key skb_get_tunnel_opt skb_get_xfrm_state skb_load_bytes
skb_load_bytes_relative skb_pull_data skb_set_tstamp skb_set_tunnel_key skb_set_tunnel_opt skb_store_bytes
skb_under_cgroup skb_vlan_pop skb_vlan_push tcp_sock
"""
_LWT: Final = f"""
{_SK} csum_diff get_hash_recalc get_route_realm perf_event_output skb_load_bytes skb_pull_data skb_under_cgroup
"""
_TRACING: Final = f"""
{_PROBE} {_SK_CASTS} {_SK_STORAGE} d_path get_socket_cookie skb_output sock_from_file xdp_get_buff_len xdp_output
"""
_EXTRA_TEXT: Final[dict[str, str]] = {
    "struct_ops": "",
    "netfilter": "",
    "ext": "",
    "lirc_mode2": "rc_repeat rc_keydown rc_pointer_rel",
    "socket_filter": f"""{_SK} get_netns_cookie get_socket_cookie get_socket_uid perf_event_output skb_load_bytes
        skb_load_bytes_relative""",
    "xdp": f"""{_SK} {_SK_LOOKUP} {_SYNCOOKIE} check_mtu csum_diff fib_lookup perf_event_output redirect redirect_map
        xdp_adjust_head xdp_adjust_meta xdp_adjust_tail xdp_get_buff_len xdp_load_bytes xdp_store_bytes""",
    "sched_cls": _TC,
    "sched_act": _TC,
    "cgroup_skb": f"""{_SK} {_SK_LOOKUP} {_SK_STORAGE} get_listener_sock get_local_storage get_netns_cookie
        get_socket_cookie get_socket_uid perf_event_output sk_ancestor_cgroup_id sk_cgroup_id sk_fullsock
        skb_ancestor_cgroup_id skb_cgroup_id skb_ecn_set_ce skb_load_bytes skb_load_bytes_relative tcp_sock""",
    "cgroup_sock": """get_local_storage get_netns_cookie get_socket_cookie ktime_get_coarse_ns
        perf_event_output sk_storage_get""",
    "cgroup_sock_addr": f"""{_SK} {_SK_LOOKUP} {_SK_STORAGE} {_SOCKOPT} get_local_storage get_netns_cookie
        get_socket_cookie perf_event_output""",
    "cgroup_device": "get_local_storage perf_event_output",
    "cgroup_sysctl": """get_local_storage ktime_get_coarse_ns perf_event_output sysctl_get_current_value
        sysctl_get_name sysctl_get_new_value sysctl_set_new_value""",
    "cgroup_sockopt": f"{_SK_STORAGE} get_local_storage get_netns_cookie perf_event_output tcp_sock",
    "lwt_in": f"{_LWT} lwt_push_encap",
    "lwt_out": _LWT,
    "lwt_seg6local": f"{_LWT} lwt_seg6_action lwt_seg6_adjust_srh lwt_seg6_store_bytes",
    "lwt_xmit": f"""{_LWT} clone_redirect csum_level csum_update l3_csum_replace l4_csum_replace lwt_push_encap redirect
        set_hash_invalid skb_change_head skb_change_tail skb_get_tunnel_key skb_get_tunnel_opt skb_set_tunnel_key
        skb_set_tunnel_opt skb_store_bytes""",
    "sock_ops": f"""{_SK} {_SK_STORAGE} {_SOCKOPT} get_local_storage get_netns_cookie get_socket_cookie load_hdr_opt
        perf_event_output reserve_hdr_opt sock_hash_update sock_map_update sock_ops_cb_flags_set store_hdr_opt
        tcp_sock""",
    "sk_skb": f"""{_SK} {_SK_LOOKUP} get_socket_cookie get_socket_uid perf_event_output sk_redirect_hash
        sk_redirect_map skb_adjust_room skb_change_head skb_change_tail skb_load_bytes skb_pull_data skb_store_bytes""",
    "sk_msg": f"""{_SK} {_SK_STORAGE} get_netns_cookie msg_apply_bytes msg_cork_bytes msg_pop_data msg_pull_data
        msg_push_data msg_redirect_hash msg_redirect_map perf_event_output""",
    "sk_reuseport": """get_socket_cookie ktime_get_coarse_ns sk_select_reuseport skb_load_bytes
        skb_load_bytes_relative""",
    "flow_dissector": f"{_SK} skb_load_bytes",
    "sk_lookup": f"{_SK} perf_event_output sk_assign sk_release",
    "syscall": f"{_TRACING} btf_find_by_name_kind kallsyms_lookup_name sys_bpf sys_close",
    "raw_tracepoint": f"{_PROBE} get_attach_cookie",
    "raw_tracepoint_writable": f"{_PROBE} get_attach_cookie",
    "kprobe": f"{_PROBE} get_attach_cookie",
    "tracepoint": f"{_PROBE} get_attach_cookie",
    "perf_event": f"{_PROBE} get_attach_cookie perf_prog_read_value read_branch_records",
    "tracing": _TRACING,
    "lsm": f"{_TRACING} inode_storage_get inode_storage_delete bprm_opts_set ima_inode_hash ima_file_hash",
}
EXTRAS: Final[dict[str, frozenset[str]]] = {type_: frozenset(text.split()) for type_, text in _EXTRA_TEXT.items()}
"""By program type, beyond the base set."""

TCP_CA_HELPERS: Final = frozenset(f"tcp_send_ack {_SK_STORAGE} ktime_get_coarse_ns".split())
"""What struct_ops programs of tcp_congestion_ops have beyond the base set; and, but for `release`, the following."""
SOCKOPT_HELPERS: Final = frozenset(_SOCKOPT.split())
RETVAL_HELPERS: Final = frozenset(_RETVAL.split())
BIND_HELPERS: Final = frozenset(("bind",))
ITER_HELPERS: Final = frozenset(("seq_printf", "seq_write", "seq_printf_btf"))
TRAMPOLINE_HELPERS: Final = frozenset(("get_func_arg", "get_func_arg_cnt", "get_func_ret", "get_attach_cookie"))
"""fentry, fexit, fmod_ret and LSM programs."""
COOKIE_HELPERS: Final = frozenset(("get_attach_cookie",))
LSM_CGROUP_HELPERS: Final = frozenset(f"{_RETVAL} get_local_storage".split())

_TRACING_TYPES_TEXT: Final = """
syscall kprobe tracepoint perf_event raw_tracepoint raw_tracepoint_writable tracing lsm
"""
TRACING_TYPES: Final = frozenset(_TRACING_TYPES_TEXT.split())
_CGROUP_TYPES: Final = frozenset(
    ("cgroup_sock", "cgroup_sock_addr", "cgroup_device", "cgroup_sysctl", "cgroup_sockopt")
)
_CGROUP_6_12: Final = frozenset(("get_current_uid_gid", "get_current_comm", "get_cgroup_classid"))


def helpers_6_18() -> dict[str, frozenset[str]]:
    """Program type → helpers."""
    return {type_: BASE_6_18 | extra for type_, extra in EXTRAS.items()}


def helpers_6_12() -> dict[str, frozenset[str]]:
    """Program type → helpers; what 6.16 gave to all is for tracing programs, and a part of it for some others. The
    kernel is not locked down, as the running one is: bpf_probe_write_user() is there."""
    own: dict[str, frozenset[str]] = {
        **dict.fromkeys(TRACING_TYPES, MOVED | {"probe_write_user"}),
        **dict.fromkeys(_CGROUP_TYPES, _CGROUP_6_12 | {"current_task_under_cgroup"}),
        **dict.fromkeys(
            ("sched_cls", "sched_act", "lwt_in", "lwt_out", "lwt_xmit", "lwt_seg6local"),
            frozenset(("get_cgroup_classid",)),
        ),
        "sk_msg": frozenset(("get_current_uid_gid", "get_cgroup_classid")),
    }
    return {type_: BASE_6_12 | extra | own.get(type_, frozenset()) for type_, extra in EXTRAS.items()}
