# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Prototypes of the helpers this verifier knows. A helper that a kernel has and that isn't here is refused by name.

Sources: the `bpf_func_proto` of each in kernel/bpf/helpers.c, kernel/bpf/ringbuf.c, kernel/trace/bpf_trace.c,
net/core/filter.c, kernel/bpf/bpf_task_storage.c (6.12, 6.18).
"""

from __future__ import annotations

from typing import Final

from verifier.arg_kinds import HelperProto, parse_proto

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
ringbuf_query - INTEGER :: CONST_MAP_PTR, ANYTHING
task_storage_get - MAP_VALUE|OR_NULL :: CONST_MAP_PTR, BTF_ID:task_struct|OR_NULL, MAP_VALUE|OR_NULL, ANYTHING
task_storage_delete - INTEGER :: CONST_MAP_PTR, BTF_ID:task_struct|OR_NULL
cgrp_storage_get - MAP_VALUE|OR_NULL :: CONST_MAP_PTR, BTF_ID:cgroup|OR_NULL, MAP_VALUE|OR_NULL, ANYTHING
cgrp_storage_delete - INTEGER :: CONST_MAP_PTR, BTF_ID:cgroup|OR_NULL
loop - INTEGER :: ANYTHING, FUNC, STACK|OR_NULL, ANYTHING
for_each_map_elem - INTEGER :: CONST_MAP_PTR, FUNC, STACK|OR_NULL, ANYTHING
tail_call - VOID :: CTX, CONST_MAP_PTR, ANYTHING
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
sys_bpf S INTEGER :: ANYTHING, MEM|RDONLY, CONST_SIZE
btf_find_by_name_kind - INTEGER :: MEM|RDONLY, CONST_SIZE, ANYTHING, ANYTHING
sys_close S INTEGER :: ANYTHING
tcp_send_ack G INTEGER :: BTF_ID:tcp_sock, ANYTHING
"""
"""`name flags result :: arguments`; see arg_kinds.parse_proto."""

HELPER_PROTOS: Final[dict[str, HelperProto]] = {
    proto.name: proto for proto in (parse_proto(row + " ") for row in _ROWS.strip().splitlines())
}
"""By name without `bpf_`."""
