# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""LSM hooks by name, without `bpf_lsm_`: the sets of kernel/bpf/bpf_lsm.c (6.12, 6.18)."""

from __future__ import annotations

from typing import Final

_DISABLED_TEXT: Final = """
vm_enough_memory inode_need_killpriv inode_getsecurity inode_listsecurity inode_copy_up_xattr getselfattr getprocattr
setprocattr key_getsecurity audit_rule_match xfrm_decode_session ismaclabel
"""
DISABLED: Final = frozenset(_DISABLED_TEXT.split())
"""No program may be attached: their callers do more with the result than look whether it is an error."""
_SLEEPABLE_TEXT: Final = """
bpf bpf_map bpf_map_create bpf_map_free bpf_prog bpf_prog_load bpf_token_create bpf_token_free bpf_token_cmd
bpf_token_capable bprm_check_security bprm_committed_creds bprm_committing_creds bprm_creds_for_exec
bprm_creds_from_file capget capset cred_prepare file_ioctl file_lock file_open file_post_open file_receive
inode_create inode_free_security inode_getattr inode_getxattr inode_mknod inode_need_killpriv inode_post_setxattr
inode_readlink inode_rename inode_rmdir inode_setattr inode_setxattr inode_symlink inode_unlink kernel_module_request
kernel_read_file kernfs_init_security path_unlink path_mkdir path_rmdir path_truncate path_symlink path_link
path_rename path_chmod path_chown mmap_file netlink_send path_notify release_secctx sb_alloc_security sb_eat_lsm_opts
sb_kern_mount sb_mount sb_remount sb_set_mnt_opts sb_show_options sb_statfs sb_umount settime socket_accept
socket_bind socket_connect socket_create socket_getpeername socket_getpeersec_dgram socket_getsockname
socket_getsockopt socket_listen socket_post_create socket_recvmsg socket_sendmsg socket_shutdown socket_socketpair
syslog task_alloc current_getsecid_subj task_getsecid_obj task_prctl task_setscheduler userns_create
"""
SLEEPABLE: Final = frozenset(_SLEEPABLE_TEXT.split())
"""Called where a program may sleep."""
_UNTRUSTED_TEXT: Final = """
bpf_map_free bpf_prog_free file_alloc_security file_free_security sk_alloc_security sk_free_security task_free
"""
UNTRUSTED: Final = frozenset(_UNTRUSTED_TEXT.split())
"""Their arguments are about to go or not yet whole, so they are not trusted."""
BOOLEAN: Final = frozenset(["xfrm_state_pol_flow_match", "audit_rule_known", "inode_xattr_skipcap"])
"""Return 0 or 1."""
SOCKOPT: Final = frozenset(
    ["sock_graft", "inet_csk_clone", "inet_conn_established", "socket_post_create", "socket_socketpair"]
)
"""LSM_CGROUP programs may get and set socket options here."""
MAX_ERRNO: Final = 4095


def returned(name: str) -> tuple[int, int]:
    """What a hook that returns a number may return, and a program may return for it (bpf_lsm_get_retval_range)."""
    return (0, 1) if name.removeprefix("bpf_lsm_") in BOOLEAN else (-MAX_ERRNO, 0)
