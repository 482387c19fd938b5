# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Fields of a map's value that programs may not touch like plain memory: kernel/bpf/btf.c btf_parse_fields (6.18)."""

from __future__ import annotations

from typing import Final, NamedTuple

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.obj.model import MapSpec

SPECIAL: Final = {
    "bpf_spin_lock": ("bpf_spin_lock", 4),
    "bpf_res_spin_lock": ("bpf_res_spin_lock", 4),
    "bpf_timer": ("bpf_timer", 16),
    "bpf_wq": ("bpf_wq", 16),
    "bpf_task_work": ("bpf_task_work", 16),
    "bpf_list_head": ("bpf_list_head", 16),
    "bpf_list_node": ("bpf_list_node", 24),
    "bpf_rb_root": ("bpf_rb_root", 16),
    "bpf_rb_node": ("bpf_rb_node", 32),
    "bpf_refcount": ("bpf_refcount", 4),
}
"""Struct name → name in messages, size in bytes."""
KPTR_TAGS: Final = frozenset(("kptr", "kptr_untrusted", "percpu_kptr", "uptr"))
MAX_DEPTH: Final = 8


class Field(NamedTuple):
    """A special field: offset and size in bytes inside the value; kind: struct name, or "kptr"."""

    offset: int
    size: int
    kind: str


_CACHE: dict[tuple[int, int], tuple[object, tuple[Field, ...]]] = {}


def special_fields(map_: MapSpec) -> tuple[Field, ...]:
    """All special fields of the map's value, by offset; () for a map without BTF."""
    btf = map_.btf
    if btf is None or not map_.value_type_id:
        return ()
    key = (id(btf), map_.value_type_id)
    found = _CACHE.get(key)
    if found is None or found[0] is not btf:
        if len(_CACHE) > 256:
            _CACHE.clear()
        found = _CACHE[key] = (btf, tuple(sorted(_walk(btf, map_.value_type_id, 0, 0))))
    return found[1]


def _walk(btf: Btf, type_id: int, base: int, depth: int) -> list[Field]:
    resolved = btf.skip_mods(type_id)
    found = btf.type(resolved)
    if depth > MAX_DEPTH:
        return []
    if isinstance(found, t.Ptr):
        tag = btf.type(found.type)
        return [Field(base, 8, "kptr")] if isinstance(tag, t.TypeTag) and tag.name in KPTR_TAGS else []
    if isinstance(found, t.Array):
        size = btf.size_of(found.type)
        inner = _walk(btf, found.type, 0, depth + 1)
        return [Field(base + i * size + f.offset, f.size, f.kind) for f in inner for i in range(found.nelems)]
    if isinstance(found, t.Datasec):
        return [f for v in found.vars for f in _walk(btf, _var_type(btf, v.type), base + v.offset, depth + 1)]
    if isinstance(found, t.Struct):
        if found.name in SPECIAL and not found.is_union:
            return [Field(base, SPECIAL[found.name][1], SPECIAL[found.name][0])]
        return [f for m in found.members for f in _walk(btf, m.type, base + (m.bit_offset >> 3), depth + 1)]
    return []


def _var_type(btf: Btf, var_id: int) -> int:
    var = btf.type(var_id)
    return var.type if isinstance(var, t.Var) else 0
