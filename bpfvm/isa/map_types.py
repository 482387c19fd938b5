# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Map types and map flags by their kernel names (enum bpf_map_type, include/uapi/linux/bpf.h, 6.18)."""

from __future__ import annotations

from typing import Final

_NAMES = [
    "unspec",
    "hash",
    "array",
    "prog_array",
    "perf_event_array",
    "percpu_hash",
    "percpu_array",
    "stack_trace",
    "cgroup_array",
    "lru_hash",
    "lru_percpu_hash",
    "lpm_trie",
    "array_of_maps",
    "hash_of_maps",
    "devmap",
    "sockmap",
    "cpumap",
    "xskmap",
    "sockhash",
    "cgroup_storage",
    "reuseport_sockarray",
    "percpu_cgroup_storage",
    "queue",
    "stack",
    "sk_storage",
    "devmap_hash",
    "struct_ops",
    "ringbuf",
    "inode_storage",
    "task_storage",
    "bloom_filter",
    "user_ringbuf",
    "cgrp_storage",
    "arena",
    "insn_array",
]

MAP_TYPES: Final[dict[str, int]] = {name: number for number, name in enumerate(_NAMES)}
MAP_TYPE_NAMES: Final[dict[int, str]] = {number: name for name, number in MAP_TYPES.items()}

BPF_F_NO_PREALLOC: Final = 1 << 0
BPF_F_RDONLY: Final = 1 << 3
BPF_F_WRONLY: Final = 1 << 4
BPF_F_RDONLY_PROG: Final = 1 << 7
BPF_F_WRONLY_PROG: Final = 1 << 8
BPF_F_MMAPABLE: Final = 1 << 10
BPF_F_INNER_MAP: Final = 1 << 12
BPF_F_LINK: Final = 1 << 13
BPF_F_VTYPE_BTF_OBJ_FD: Final = 1 << 15

BPF_ANY: Final = 0
BPF_NOEXIST: Final = 1
BPF_EXIST: Final = 2
BPF_F_LOCK: Final = 4
