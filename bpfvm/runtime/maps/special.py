# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Parts of a map value that belong to the kernel and that no copy in or out may touch (kernel/bpf/btf.c
btf_parse_fields)."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from typing import Final

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.isa import map_types as mt
from bpfvm.obj.model import MapSpec

SPECIAL_SIZES: Final = {
    "bpf_spin_lock": 4,
    "bpf_res_spin_lock": 8,
    "bpf_timer": 16,
    "bpf_wq": 16,
    "bpf_list_head": 16,
    "bpf_list_node": 24,
    "bpf_rb_root": 16,
    "bpf_rb_node": 32,
    "bpf_refcount": 4,
    "bpf_task_work": 8,
}
KPTR_TAGS: Final = frozenset({"kptr", "kptr_untrusted", "percpu_kptr", "uptr"})
MAX_FIELDS: Final = 11
"""BTF_FIELDS_MAX (include/linux/btf.h)"""


@dataclass(frozen=True, slots=True)
class SpecialField:
    """``name`` is the struct's name, or the pointer's tag; ``offset`` and ``size`` in bytes; ``target``: name of what
    a pointer points to."""

    name: str
    offset: int
    size: int
    target: str = field(default="", compare=False)


def special_fields(btf: Btf | None, type_id: int) -> tuple[SpecialField, ...]:
    """All special fields of a value of this type, by offset; none without BTF."""
    if btf is None or not type_id:
        return ()
    found: list[SpecialField] = []
    _scan(btf, type_id, 0, found, 0)
    return tuple(sorted(found, key=lambda field: field.offset))


def _scan(btf: Btf, type_id: int, base: int, found: list[SpecialField], depth: int) -> None:
    if depth > 8 or len(found) >= MAX_FIELDS:
        return
    type_ = btf.resolve(type_id)
    if isinstance(type_, t.Datasec):
        for var in type_.vars:
            variable = btf.type(var.type)
            if isinstance(variable, t.Var):
                _scan(btf, variable.type, base + var.offset, found, depth + 1)
    elif isinstance(type_, t.Array) and type_.nelems <= MAX_FIELDS:
        stride = btf.size_of(type_.type) if type_.nelems else 0
        for index in range(type_.nelems):
            _scan(btf, type_.type, base + index * stride, found, depth + 1)
    elif isinstance(type_, t.Struct):
        if type_.name in SPECIAL_SIZES:
            found.append(SpecialField(type_.name, base, SPECIAL_SIZES[type_.name]))
            return
        for member in type_.members:
            if not member.bitfield_size:
                _scan(btf, member.type, base + (member.bit_offset >> 3), found, depth + 1)
    elif isinstance(type_, t.Ptr):
        tag = btf.type(type_.type)
        if isinstance(tag, t.TypeTag) and tag.name in KPTR_TAGS:
            found.append(SpecialField(tag.name, base, 8, _target(btf, tag.type)))


def _target(btf: Btf, type_id: int) -> str:
    """Name of the first type behind modifiers, tags and typedefs."""
    found = btf.resolve(type_id)
    return found.name if isinstance(found, t.Struct | t.Fwd) else ""


_TABLES: Final = frozenset(("hash", "lru_hash", "array"))
_OWNED: Final = frozenset(("sk_storage", "inode_storage", "task_storage", "cgrp_storage"))
_LOCKED: Final = frozenset(("hash", "array", "cgroup_storage")) | _OWNED
_POINTERS: Final = _TABLES | _OWNED | {"percpu_hash", "lru_percpu_hash", "percpu_array"}
KINDS_WITH: Final = {
    **dict.fromkeys(("bpf_spin_lock", "bpf_res_spin_lock"), _LOCKED),
    **dict.fromkeys(("bpf_timer", "bpf_wq", "bpf_task_work", "bpf_list_head", "bpf_rb_root"), _TABLES),
    **dict.fromkeys(("kptr", "kptr_untrusted", "percpu_kptr", "bpf_refcount"), _POINTERS),
    "uptr": frozenset(("task_storage",)),
}
"""field → kinds of maps whose values may have it; nodes by themselves are nothing special to a map"""


WITHOUT_TYPES: Final = frozenset(
    (
        *("perf_event_array", "cgroup_array", "stack_trace", "array_of_maps", "hash_of_maps", "devmap", "devmap_hash"),
        *("cpumap", "xskmap", "sockmap", "sockhash", "queue", "stack", "arena"),
    )
)
"""kinds that libbpf makes without the types of their keys and values, because kernels refuse those"""


def fields_of(spec: MapSpec) -> tuple[SpecialField, ...]:
    """The special fields of a map's values, as far as the kernel learns of them."""
    return () if spec.map_type in WITHOUT_TYPES else special_fields(spec.btf, spec.value_type_id)


def check_fields(spec: MapSpec) -> int:
    """May a map of this kind have such fields in its values, a trie such a key? 0 or -errno (map_check_btf)."""
    fields = [field for field in fields_of(spec) if field.name in KINDS_WITH]
    if fields and spec.map_flags & (mt.BPF_F_RDONLY_PROG | mt.BPF_F_WRONLY_PROG):
        return -errno.EACCES
    allowed = all(spec.map_type in KINDS_WITH[field.name] for field in fields)
    if not allowed:
        return -errno.EOPNOTSUPP
    key = spec.btf.resolve(spec.key_type_id) if spec.btf is not None and spec.key_type_id else None
    return -errno.EINVAL if spec.map_type == "lpm_trie" and key is not None and not isinstance(key, t.Struct) else 0
