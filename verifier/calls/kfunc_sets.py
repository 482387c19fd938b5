# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which kfuncs a program of which type may call, beyond the common ones.

6.18: read off a running kernel (whatever its verifier doesn't call "not allowed"); for LSM programs and sessions from
fs/bpf_fs_kfuncs.c and kernel/trace/bpf_trace.c (6.18).
"""

from __future__ import annotations

from typing import Final

from verifier.calls.kfunc_table import COMMON_KFUNCS, CPUMASK_KFUNCS, GENERIC_KFUNCS, SINCE_6_18

_CT: Final = """
bpf_ct_change_status bpf_ct_change_timeout bpf_ct_insert_entry bpf_ct_release bpf_ct_set_nat_info bpf_ct_set_status
bpf_ct_set_timeout bpf_skb_ct_alloc bpf_skb_ct_lookup bpf_xdp_ct_alloc bpf_xdp_ct_lookup
"""
_CRYPT: Final = "bpf_crypto_decrypt bpf_crypto_encrypt"
_SKB: Final = "bpf_dynptr_from_skb"
_CGROUP: Final = f"{_SKB} bpf_sock_addr_set_sun_path bpf_sock_ops_enable_tx_tstamp"
_TEST: Final = "bpf_kfunc_call_memb_release bpf_kfunc_call_test_release"
_TRACING: Final = f"{_SKB} {_TEST} css_rstat_flush css_rstat_updated"
_XATTR: Final = """
bpf_get_dentry_xattr bpf_get_file_xattr bpf_get_task_exe_file bpf_path_d_path bpf_put_file bpf_remove_dentry_xattr
bpf_set_dentry_xattr bpf_get_fsverity_digest
"""
_EXTRA: Final[dict[str, str]] = {
    "socket_filter": _SKB,
    "kprobe": "",
    "sched_cls": f"{_SKB} bpf_dynptr_from_skb_meta {_CT} {_CRYPT} {_TEST} bpf_sk_assign_tcp_reqsk",
    "sched_act": f"{_SKB} bpf_dynptr_from_skb_meta {_CRYPT}",
    "tracepoint": _TRACING,
    "perf_event": _TRACING,
    "tracing": f"{_TRACING} bpf_sock_destroy",
    "lsm": f"{_TRACING} {_XATTR}",
    "xdp": f"{_CT} {_CRYPT} bpf_dynptr_from_xdp bpf_xdp_get_xfrm_state bpf_xdp_pull_data bpf_xdp_xfrm_state_release",
    **dict.fromkeys(
        [
            "cgroup_skb",
            "cgroup_sock",
            "cgroup_sock_addr",
            "cgroup_device",
            "cgroup_sysctl",
            "cgroup_sockopt",
            "sock_ops",
        ],
        _CGROUP,
    ),
    **dict.fromkeys(["lwt_in", "lwt_out", "lwt_xmit", "lwt_seg6local", "sk_skb", "netfilter"], _SKB),
    **dict.fromkeys(["sk_msg", "raw_tracepoint", "raw_tracepoint_writable", "sk_reuseport", "flow_dissector"], ""),
    "sk_lookup": "",
    "lirc_mode2": "",
    "syscall": f"bpf_crypto_ctx_acquire bpf_crypto_ctx_create bpf_crypto_ctx_release {_TEST}",
    "struct_ops": """bbr_cwnd_event bbr_init bbr_main bbr_min_tso_segs bbr_set_state bbr_sndbuf_expand bbr_ssthresh
        bbr_undo_cwnd cubictcp_acked cubictcp_cong_avoid cubictcp_cwnd_event cubictcp_init cubictcp_recalc_ssthresh
        cubictcp_state tcp_cong_avoid_ai tcp_reno_cong_avoid tcp_reno_ssthresh tcp_reno_undo_cwnd tcp_slow_start""",
}
_GENERIC_TYPES_TEXT: Final = """
sched_cls tracepoint xdp perf_event cgroup_skb cgroup_sock sock_ops cgroup_device cgroup_sock_addr cgroup_sysctl
cgroup_sockopt syscall struct_ops tracing lsm
"""
_GENERIC_TYPES: Final = frozenset(_GENERIC_TYPES_TEXT.split())
_CPUMASK_TYPES_TEXT: Final = """
tracepoint perf_event syscall struct_ops tracing lsm
"""
_CPUMASK_TYPES: Final = frozenset(_CPUMASK_TYPES_TEXT.split())
_NEW_IN_6_18_TEXT: Final = """
bpf_dynptr_from_skb_meta bpf_sock_ops_enable_tx_tstamp bpf_xdp_pull_data css_rstat_flush css_rstat_updated
bpf_set_dentry_xattr bpf_remove_dentry_xattr
"""
_NEW_IN_6_18: Final = frozenset(_NEW_IN_6_18_TEXT.split())
SESSION_KFUNCS: Final = frozenset(("bpf_session_cookie", "bpf_session_is_return"))
"""For kprobe and uprobe sessions."""
DESTROY_ITERATORS: Final = ("bpf_iter_tcp", "bpf_iter_udp")
"""bpf_sock_destroy() is for iterator programs."""


def _sets() -> dict[str, frozenset[str]]:
    out = {}
    for type_, extra in _EXTRA.items():
        names = COMMON_KFUNCS | frozenset(extra.split())
        if type_ in _GENERIC_TYPES:
            names |= GENERIC_KFUNCS
        if type_ in _CPUMASK_TYPES:
            names |= CPUMASK_KFUNCS
        out[type_] = names
    return out


KFUNCS_BY_TYPE: Final[dict[str, frozenset[str]]] = _sets()
_KEYS: Final = frozenset(("bpf_lookup_user_key", "bpf_lookup_system_key", "bpf_key_put", "bpf_verify_pkcs7_signature"))
_KEY_TYPES_6_12: Final = frozenset(("tracing", "tracepoint", "perf_event", "lsm"))
"""Up to 6.17 keys were for tracing programs only (kernel/trace/bpf_trace.c). Signatures can be verified if the kernel
is built with CONFIG_SYSTEM_DATA_VERIFICATION: those of distributions are, the 6.18 that was asked is not."""


def _sets_6_12() -> dict[str, frozenset[str]]:
    out = {}
    for type_, names in KFUNCS_BY_TYPE.items():
        names = names - SINCE_6_18 - _NEW_IN_6_18 - _KEYS
        out[type_] = names | _KEYS if type_ in _KEY_TYPES_6_12 else names
    return out


KFUNCS_BY_TYPE_6_12: Final[dict[str, frozenset[str]]] = _sets_6_12()
