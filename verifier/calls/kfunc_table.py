# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""kfuncs: sets that program types share (see kfunc_sets), and the flags of those this verifier knows.

Allowed sets were read off a running 6.18 kernel; flags are those of BTF_ID_FLAGS in kernel/bpf/helpers.c,
kernel/bpf/cpumask.c (6.12, 6.18). A kfunc that is allowed but has no flags here is refused by name.
"""

from __future__ import annotations

from typing import Final

_COMMON: Final = """
__bpf_trap bpf_arena_alloc_pages bpf_arena_free_pages bpf_arena_reserve_pages bpf_cast_to_kern_ctx bpf_cgroup_read_xattr
bpf_copy_from_user_dynptr bpf_copy_from_user_str bpf_copy_from_user_str_dynptr bpf_copy_from_user_task_dynptr
bpf_copy_from_user_task_str bpf_copy_from_user_task_str_dynptr bpf_dynptr_adjust bpf_dynptr_clone bpf_dynptr_copy
bpf_dynptr_is_null bpf_dynptr_is_rdonly bpf_dynptr_memset bpf_dynptr_size bpf_dynptr_slice bpf_dynptr_slice_rdwr
bpf_get_kmem_cache bpf_iter_bits_destroy bpf_iter_bits_new bpf_iter_bits_next bpf_iter_css_destroy bpf_iter_css_new
bpf_iter_css_next bpf_iter_css_task_destroy bpf_iter_css_task_new bpf_iter_css_task_next bpf_iter_dmabuf_destroy
bpf_iter_dmabuf_new bpf_iter_dmabuf_next bpf_iter_kmem_cache_destroy bpf_iter_kmem_cache_new bpf_iter_kmem_cache_next
bpf_iter_num_destroy bpf_iter_num_new bpf_iter_num_next bpf_iter_task_destroy bpf_iter_task_new bpf_iter_task_next
bpf_iter_task_vma_destroy bpf_iter_task_vma_new bpf_iter_task_vma_next bpf_local_irq_restore bpf_local_irq_save
bpf_map_sum_elem_count bpf_modify_return_test_tp bpf_preempt_disable bpf_preempt_enable bpf_probe_read_kernel_dynptr
bpf_probe_read_kernel_str_dynptr bpf_probe_read_user_dynptr bpf_probe_read_user_str_dynptr bpf_rcu_read_lock
bpf_rcu_read_unlock bpf_rdonly_cast bpf_res_spin_lock bpf_res_spin_lock_irqsave bpf_res_spin_unlock
bpf_res_spin_unlock_irqrestore bpf_strcasecmp bpf_strchr bpf_strchrnul bpf_strcmp bpf_strcspn bpf_stream_vprintk_impl
bpf_strlen bpf_strnchr bpf_strnlen bpf_strnstr bpf_strrchr bpf_strspn bpf_strstr bpf_task_work_schedule_resume_impl
bpf_task_work_schedule_signal_impl bpf_wq_init bpf_wq_set_callback_impl bpf_wq_start bpf_xdp_metadata_rx_hash
bpf_xdp_metadata_rx_timestamp bpf_xdp_metadata_rx_vlan_tag
"""
_GENERIC: Final = """
bpf_cgroup_acquire bpf_cgroup_ancestor bpf_cgroup_from_id bpf_cgroup_release bpf_key_put bpf_list_back bpf_list_front
bpf_list_pop_back bpf_list_pop_front bpf_list_push_back_impl bpf_list_push_front_impl bpf_lookup_system_key
bpf_lookup_user_key bpf_obj_drop_impl bpf_obj_new_impl bpf_percpu_obj_drop_impl bpf_percpu_obj_new_impl
bpf_rbtree_add_impl bpf_rbtree_first bpf_rbtree_left bpf_rbtree_remove bpf_rbtree_right bpf_rbtree_root
bpf_refcount_acquire_impl bpf_send_signal_task bpf_task_acquire bpf_task_from_pid bpf_task_from_vpid
bpf_task_get_cgroup1 bpf_task_release bpf_task_under_cgroup bpf_throw
"""
_CPUMASK: Final = """
bpf_cpumask_acquire bpf_cpumask_and bpf_cpumask_any_and_distribute bpf_cpumask_any_distribute bpf_cpumask_clear
bpf_cpumask_clear_cpu bpf_cpumask_copy bpf_cpumask_create bpf_cpumask_empty bpf_cpumask_equal bpf_cpumask_first
bpf_cpumask_first_and bpf_cpumask_first_zero bpf_cpumask_full bpf_cpumask_intersects bpf_cpumask_or bpf_cpumask_populate
bpf_cpumask_release bpf_cpumask_set_cpu bpf_cpumask_setall bpf_cpumask_subset bpf_cpumask_test_and_clear_cpu
bpf_cpumask_test_and_set_cpu bpf_cpumask_test_cpu bpf_cpumask_weight bpf_cpumask_xor
"""
COMMON_KFUNCS: Final = frozenset(_COMMON.split())
GENERIC_KFUNCS: Final = frozenset(_GENERIC.split())
CPUMASK_KFUNCS: Final = frozenset(_CPUMASK.split())
SINCE_6_18: Final = frozenset(
    [
        "__bpf_trap",
        "bpf_arena_reserve_pages",
        "bpf_cgroup_read_xattr",
        "bpf_copy_from_user_dynptr",
        "bpf_copy_from_user_str_dynptr",
        "bpf_copy_from_user_task_dynptr",
        "bpf_copy_from_user_task_str",
        "bpf_copy_from_user_task_str_dynptr",
        "bpf_cpumask_populate",
        "bpf_dynptr_copy",
        "bpf_dynptr_memset",
        "bpf_get_kmem_cache",
        "bpf_iter_dmabuf_destroy",
        "bpf_iter_dmabuf_new",
        "bpf_iter_dmabuf_next",
        "bpf_iter_kmem_cache_destroy",
        "bpf_iter_kmem_cache_new",
        "bpf_iter_kmem_cache_next",
        "bpf_list_back",
        "bpf_list_front",
        "bpf_local_irq_restore",
        "bpf_local_irq_save",
        "bpf_probe_read_kernel_dynptr",
        "bpf_probe_read_kernel_str_dynptr",
        "bpf_probe_read_user_dynptr",
        "bpf_probe_read_user_str_dynptr",
        "bpf_rbtree_left",
        "bpf_rbtree_right",
        "bpf_rbtree_root",
        "bpf_res_spin_lock",
        "bpf_res_spin_lock_irqsave",
        "bpf_res_spin_unlock",
        "bpf_res_spin_unlock_irqrestore",
        "bpf_send_signal_task",
        "bpf_strcasecmp",
        "bpf_strchr",
        "bpf_strchrnul",
        "bpf_strcmp",
        "bpf_strcspn",
        "bpf_stream_vprintk_impl",
        "bpf_strlen",
        "bpf_strnchr",
        "bpf_strnlen",
        "bpf_strnstr",
        "bpf_strrchr",
        "bpf_strspn",
        "bpf_strstr",
        "bpf_task_from_vpid",
        "bpf_task_work_schedule_resume_impl",
        "bpf_task_work_schedule_signal_impl",
    ]
)
"""Not in 6.12."""

_FLAG_ROWS: Final = """
bpf_task_acquire ACQUIRE RCU RET_NULL
bpf_task_release RELEASE
bpf_task_from_pid ACQUIRE RET_NULL
bpf_task_from_vpid ACQUIRE RET_NULL
bpf_task_under_cgroup RCU
bpf_task_get_cgroup1 ACQUIRE RCU RET_NULL
bpf_cgroup_acquire ACQUIRE RCU RET_NULL
bpf_cgroup_release RELEASE
bpf_cgroup_ancestor ACQUIRE RCU RET_NULL
bpf_cgroup_from_id ACQUIRE RET_NULL
bpf_cpumask_create ACQUIRE RET_NULL
bpf_cpumask_acquire ACQUIRE TRUSTED_ARGS
bpf_cpumask_release RELEASE
bpf_cpumask_first RCU
bpf_cpumask_first_zero RCU
bpf_cpumask_first_and RCU
bpf_cpumask_set_cpu RCU
bpf_cpumask_clear_cpu RCU
bpf_cpumask_test_cpu RCU
bpf_cpumask_test_and_set_cpu RCU
bpf_cpumask_test_and_clear_cpu RCU
bpf_cpumask_setall RCU
bpf_cpumask_clear RCU
bpf_cpumask_and RCU
bpf_cpumask_or RCU
bpf_cpumask_xor RCU
bpf_cpumask_equal RCU
bpf_cpumask_intersects RCU
bpf_cpumask_subset RCU
bpf_cpumask_empty RCU
bpf_cpumask_full RCU
bpf_cpumask_copy RCU
bpf_cpumask_any_distribute RCU
bpf_cpumask_any_and_distribute RCU
bpf_cpumask_weight RCU
bpf_cpumask_populate RCU
bpf_obj_new_impl ACQUIRE RET_NULL
bpf_percpu_obj_new_impl ACQUIRE RET_NULL
bpf_obj_drop_impl RELEASE
bpf_percpu_obj_drop_impl RELEASE
bpf_refcount_acquire_impl ACQUIRE RET_NULL RCU
bpf_list_push_front_impl
bpf_list_push_back_impl
bpf_list_pop_front ACQUIRE RET_NULL
bpf_list_pop_back ACQUIRE RET_NULL
bpf_list_front RET_NULL
bpf_list_back RET_NULL
bpf_rbtree_remove ACQUIRE RET_NULL
bpf_rbtree_add_impl
bpf_rbtree_first RET_NULL
bpf_rbtree_root RET_NULL
bpf_rbtree_left RET_NULL
bpf_rbtree_right RET_NULL
bpf_throw
__bpf_trap
bpf_kfunc_call_test_release RELEASE
bpf_kfunc_call_memb_release RELEASE
bpf_wq_init
bpf_wq_set_callback_impl
bpf_wq_start
bpf_task_work_schedule_signal_impl TRUSTED_ARGS
bpf_task_work_schedule_resume_impl TRUSTED_ARGS
bpf_res_spin_lock RET_NULL
bpf_res_spin_lock_irqsave RET_NULL
bpf_res_spin_unlock
bpf_res_spin_unlock_irqrestore
bpf_local_irq_save
bpf_local_irq_restore
bpf_rcu_read_lock
bpf_rcu_read_unlock
bpf_preempt_disable
bpf_preempt_enable
bpf_copy_from_user_str SLEEPABLE
bpf_strcmp
bpf_strcasecmp
bpf_strchr
bpf_strchrnul
bpf_strnchr
bpf_strrchr
bpf_strlen
bpf_strnlen
bpf_strspn
bpf_strcspn
bpf_strstr
bpf_strnstr
bpf_send_signal_task TRUSTED_ARGS
bpf_cast_to_kern_ctx
bpf_rdonly_cast
bpf_skb_ct_alloc ACQUIRE RET_NULL
bpf_xdp_ct_alloc ACQUIRE RET_NULL
bpf_skb_ct_lookup ACQUIRE RET_NULL
bpf_xdp_ct_lookup ACQUIRE RET_NULL
bpf_ct_insert_entry ACQUIRE RET_NULL RELEASE
bpf_ct_release RELEASE
bpf_ct_set_timeout TRUSTED_ARGS
bpf_ct_change_timeout TRUSTED_ARGS
bpf_ct_set_status TRUSTED_ARGS
bpf_ct_change_status TRUSTED_ARGS
bpf_ct_set_nat_info TRUSTED_ARGS
bpf_sk_assign_tcp_reqsk TRUSTED_ARGS
bpf_sock_addr_set_sun_path
bpf_sock_ops_enable_tx_tstamp TRUSTED_ARGS
bpf_sock_destroy TRUSTED_ARGS
bpf_xdp_get_xfrm_state ACQUIRE RET_NULL
bpf_xdp_xfrm_state_release RELEASE
bpf_xdp_pull_data
bpf_xdp_metadata_rx_timestamp
bpf_xdp_metadata_rx_hash
bpf_xdp_metadata_rx_vlan_tag
css_rstat_updated
css_rstat_flush SLEEPABLE
bpf_arena_alloc_pages TRUSTED_ARGS SLEEPABLE
bpf_arena_free_pages TRUSTED_ARGS SLEEPABLE
bpf_arena_reserve_pages TRUSTED_ARGS SLEEPABLE
bpf_map_sum_elem_count TRUSTED_ARGS
bpf_iter_num_new ITER_NEW
bpf_iter_num_next ITER_NEXT RET_NULL
bpf_iter_num_destroy ITER_DESTROY
bpf_iter_bits_new ITER_NEW
bpf_iter_bits_next ITER_NEXT RET_NULL
bpf_iter_bits_destroy ITER_DESTROY
bpf_iter_task_vma_new ITER_NEW RCU
bpf_iter_task_vma_next ITER_NEXT RET_NULL
bpf_iter_task_vma_destroy ITER_DESTROY
bpf_iter_css_task_new ITER_NEW TRUSTED_ARGS
bpf_iter_css_task_next ITER_NEXT RET_NULL
bpf_iter_css_task_destroy ITER_DESTROY
bpf_iter_css_new ITER_NEW TRUSTED_ARGS RCU_PROTECTED
bpf_iter_css_next ITER_NEXT RET_NULL
bpf_iter_css_destroy ITER_DESTROY
bpf_iter_task_new ITER_NEW TRUSTED_ARGS RCU_PROTECTED
bpf_iter_task_next ITER_NEXT RET_NULL
bpf_iter_task_destroy ITER_DESTROY
bpf_iter_kmem_cache_new ITER_NEW SLEEPABLE
bpf_iter_kmem_cache_next ITER_NEXT RET_NULL SLEEPABLE
bpf_iter_kmem_cache_destroy ITER_DESTROY SLEEPABLE
bpf_iter_dmabuf_new ITER_NEW SLEEPABLE
bpf_iter_dmabuf_next ITER_NEXT RET_NULL SLEEPABLE
bpf_iter_dmabuf_destroy ITER_DESTROY SLEEPABLE
bpf_dynptr_from_skb TRUSTED_ARGS
bpf_dynptr_from_skb_meta TRUSTED_ARGS
bpf_dynptr_from_xdp
bpf_dynptr_slice RET_NULL
bpf_dynptr_slice_rdwr RET_NULL
bpf_dynptr_adjust
bpf_dynptr_is_null
bpf_dynptr_is_rdonly
bpf_dynptr_size
bpf_dynptr_clone
bpf_dynptr_copy
bpf_dynptr_memset
bpf_probe_read_user_dynptr
bpf_probe_read_kernel_dynptr
bpf_probe_read_user_str_dynptr
bpf_probe_read_kernel_str_dynptr
bpf_copy_from_user_dynptr SLEEPABLE
bpf_copy_from_user_str_dynptr SLEEPABLE
bpf_copy_from_user_task_dynptr SLEEPABLE TRUSTED_ARGS
bpf_copy_from_user_task_str_dynptr SLEEPABLE TRUSTED_ARGS
bpf_cgroup_read_xattr RCU
bpf_get_kmem_cache
bpf_copy_from_user_task_str SLEEPABLE
bpf_stream_vprintk_impl TRUSTED_ARGS
bpf_get_dentry_xattr SLEEPABLE TRUSTED_ARGS
bpf_get_file_xattr SLEEPABLE TRUSTED_ARGS
bpf_set_dentry_xattr SLEEPABLE TRUSTED_ARGS
bpf_remove_dentry_xattr SLEEPABLE TRUSTED_ARGS
bpf_get_fsverity_digest TRUSTED_ARGS
bpf_verify_pkcs7_signature SLEEPABLE
bpf_crypto_encrypt RCU
bpf_crypto_decrypt RCU
bpf_session_is_return
bpf_session_cookie
bpf_crypto_ctx_create ACQUIRE RET_NULL SLEEPABLE
bpf_crypto_ctx_acquire ACQUIRE RCU RET_NULL
bpf_crypto_ctx_release RELEASE
bpf_get_task_exe_file ACQUIRE TRUSTED_ARGS RET_NULL
bpf_put_file RELEASE
bpf_path_d_path TRUSTED_ARGS
bpf_modify_return_test_tp
bpf_key_put RELEASE
bpf_lookup_system_key ACQUIRE RET_NULL
bpf_lookup_user_key ACQUIRE RET_NULL SLEEPABLE
bbr_init
bbr_main
bbr_sndbuf_expand
bbr_undo_cwnd
bbr_cwnd_event
bbr_ssthresh
bbr_min_tso_segs
bbr_set_state
cubictcp_init
cubictcp_recalc_ssthresh
cubictcp_cong_avoid
cubictcp_state
cubictcp_cwnd_event
cubictcp_acked
tcp_reno_ssthresh
tcp_reno_cong_avoid
tcp_reno_undo_cwnd
tcp_slow_start
tcp_cong_avoid_ai
"""
KFUNC_FLAGS: Final[dict[str, frozenset[str]]] = {
    name: frozenset(flags) for name, *flags in (row.split() for row in _FLAG_ROWS.strip().splitlines())
}
"""kfunc → its KF_* flags without the prefix."""
