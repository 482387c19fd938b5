# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Arguments of hooks that BTF alone doesn't tell about: tracepoint arguments that may be NULL or an error, and what
iterators pass.

Sources: kernel/bpf/btf.c raw_tp_null_args (6.12, 6.18; the rows for the running kernel's tracepoints are compared with
it in tests/differential/test_tracing_oracle.py); the `ctx_arg_info` of every iterator target (kernel/bpf/*_iter.c,
net/ipv4/tcp_ipv4.c, net/ipv4/udp.c, net/unix/af_unix.c, net/netlink/af_netlink.c, net/ipv6/route.c,
net/core/sock_map.c, net/core/bpf_sk_storage.c).
"""

from __future__ import annotations

from typing import Final

_NULL_ROWS: Final = """
0: sched_process_wait afs_protocol_error cachefiles_lookup cachefiles_unlink cachefiles_rename cachefiles_prep_read
0: cachefiles_mark_active cachefiles_mark_failed cachefiles_mark_inactive cachefiles_vfs_error cachefiles_io_error
0: cachefiles_ondemand_open cachefiles_ondemand_copen cachefiles_ondemand_close cachefiles_ondemand_read
0: cachefiles_ondemand_cread cachefiles_ondemand_fd_write cachefiles_ondemand_fd_release mm_collapse_huge_page_isolate
0: mm_page_alloc mm_page_pcpu_drain mm_page_alloc_zone_locked rxrpc_recvdata xs_stream_read_data tcp_send_reset
0: tmigr_update_events xfs_inodegc_flush xfs_inodegc_push xfs_inodegc_start xfs_inodegc_stop xfs_inodegc_queue
0: xfs_inodegc_throttle xfs_fs_sync_fs xfs_blockgc_start xfs_blockgc_stop xfs_blockgc_worker xfs_blockgc_flush_all
0: xfs_defer_create_intent xfs_defer_cancel_list xfs_defer_pending_finish xfs_defer_pending_abort
0: xfs_defer_relog_intent xfs_defer_isolate_paused xfs_defer_item_pause xfs_defer_item_unpause xfs_defer_add_item
0: xfs_defer_cancel_item xfs_defer_finish_item
1: sched_pi_setprio afs_make_fs_call afs_make_fs_calli afs_make_fs_call1 afs_make_fs_call2 afs_flock_ev
1: ext4_mballoc_discard ext4_mballoc_free posix_lock_inode fcntl_setlk locks_remove_posix flock_lock_inode
1: break_lease_noblock break_lease_block break_lease_unblock generic_delete_lease time_out_leases
1: mm_khugepaged_scan_pmd mm_khugepaged_scan_file mm_khugepaged_collapse_file netfs_failure device_pm_callback_start
1: rxrpc_resend xprt_reserve_cong xprt_release_cong xprt_get_cong xprt_put_cong tcp_send_reset writeback_dirty_folio
1: folio_wait_writeback hugetlbfs_alloc_inode xfs_ioc_free_eofblocks xfs_blockgc_free_space
2: sched_stick_numa sched_swap_numa fib_table_lookup tegra_dma_tx_status xfs_btree_updkeys
2: xfs_btree_overlapped_query_range tcp_sendmsg_locked
3: qdisc_dequeue kfree_skb
4: host1x_cdma_push_gather xfs_map_blocks_found xfs_map_blocks_alloc
"""
_ERR_ROWS: Final = """
1: signal_generate signal_deliver
2: cachefiles_lookup
3: mr_integ_alloc
"""


def _masks(text: str) -> dict[str, int]:
    out: dict[str, int] = {}
    for row in text.strip().splitlines():
        number, _, names = row.partition(":")
        for name in names.split():
            out[name] = out.get(name, 0) | 1 << int(number)
    return out


NULL_ARGS: Final[dict[str, int]] = _masks(_NULL_ROWS)
"""Tracepoint → mask of arguments (bit 0 is the first after `__data`) that may be NULL."""
ERR_ARGS: Final[dict[str, int]] = _masks(_ERR_ROWS)
"""Tracepoint → mask of pointer arguments that may be an error number."""
UNTIL_6_12: Final = frozenset(("sched_process_wait", "signal_generate", "signal_deliver"))
"""Tracepoints that 6.18 no longer lists."""
_SINCE_6_18_TEXT: Final = """
xfs_inodegc_flush xfs_inodegc_push xfs_inodegc_start xfs_inodegc_stop xfs_inodegc_queue xfs_inodegc_throttle
xfs_fs_sync_fs xfs_blockgc_start xfs_blockgc_stop xfs_blockgc_worker xfs_blockgc_flush_all xfs_defer_create_intent
xfs_defer_cancel_list xfs_defer_pending_finish xfs_defer_pending_abort xfs_defer_relog_intent xfs_defer_isolate_paused
xfs_defer_item_pause xfs_defer_item_unpause xfs_defer_add_item xfs_defer_cancel_item xfs_defer_finish_item
hugetlbfs_alloc_inode xfs_ioc_free_eofblocks xfs_blockgc_free_space xfs_btree_updkeys xfs_btree_overlapped_query_range
tcp_sendmsg_locked xfs_map_blocks_found xfs_map_blocks_alloc
"""
SINCE_6_18: Final = frozenset(_SINCE_6_18_TEXT.split())
"""Tracepoints that 6.12 doesn't list."""


def maybe_null(tracepoint: str, *, old: bool) -> int:
    """Mask of arguments that may be NULL. old: as 6.12 has it."""
    return 0 if tracepoint in (SINCE_6_18 if old else UNTIL_6_12) else NULL_ARGS.get(tracepoint, 0)


def maybe_error(tracepoint: str, *, old: bool) -> int:
    """Mask of pointer arguments that may be an error number. old: as 6.12 has it."""
    return 0 if tracepoint in UNTIL_6_12 and not old else ERR_ARGS.get(tracepoint, 0)


_ITER_ROWS: Final = """
bpf_link 1=or_null
bpf_map 1=trusted_or_null
bpf_map_elem 2=rdonly_buf_or_null 3=buf_or_null
bpf_prog 1=or_null
bpf_sk_storage_map 2=or_null 3=buf_or_null
cgroup 1=trusted_or_null
dmabuf 1=or_null
ipv6_route 1=or_null
kmem_cache 1=trusted_or_null
ksym 1=or_null
netlink 1=or_null
sockmap 2=rdonly_buf_or_null 3=or_null
task 1=trusted_or_null
task_file 1=or_null 3=or_null
task_vma 1=or_null 2=or_null
tcp 1=trusted_or_null
udp 1=trusted_or_null
unix 1=or_null
"""
ITER_TARGETS: Final[dict[str, dict[int, str]]] = {
    name: {int(word[0]): word[2:] for word in words}
    for name, *words in (row.split() for row in _ITER_ROWS.strip().splitlines())
}
"""Iterator target → argument number → what it passes; the other arguments are trusted objects or numbers."""
