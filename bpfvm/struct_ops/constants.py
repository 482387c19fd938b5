# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Numbers of the kernel's interface that the framework uses (include/uapi/linux/bpf.h and bpf_struct_ops.c, 6.18)."""

from __future__ import annotations

STATE_INIT, STATE_INUSE, STATE_TOBEFREE, STATE_READY = range(4)
STATE_NAMES = (
    "BPF_STRUCT_OPS_STATE_INIT",
    "BPF_STRUCT_OPS_STATE_INUSE",
    "BPF_STRUCT_OPS_STATE_TOBEFREE",
    "BPF_STRUCT_OPS_STATE_READY",
)

BPF_F_LINK = 0x2000
BPF_F_VTYPE_BTF_OBJ_FD = 0x8000
BPF_F_REPLACE = 4
BPF_STRUCT_OPS = 44
"""attach type"""
BPF_LINK_TYPE_STRUCT_OPS = 9
BPF_MAP_TYPE_STRUCT_OPS = 26
BPF_PROG_TYPE_STRUCT_OPS = 27
BPF_OBJ_NAME_LEN = 16

VALUE_PREFIX = "bpf_struct_ops_"
COMMON_VALUE = "bpf_struct_ops_common_value"
MAX_MEMBERS = 64
MAX_BPF_FUNC_ARGS = 12
MAX_ARG_SIZE = 16
MAX_TRAMP_IMAGE_PAGES = 8
VALUE_NAME_SIZE = 128
"""room for "bpf_struct_ops_<name>" and its NUL when a type registers"""

BPF_MODULE_OWNER = 0xDEAD_0000_0000_EB9F
"""what an ``owner`` member of kdata holds: references go to the map instead of a module"""

EPOLLHUP = 0x10
PAGE_SIZE = 4096
