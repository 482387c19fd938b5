# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Parts of a map value that belong to the kernel and that no copy in or out may touch (kernel/bpf/btf.c
btf_parse_fields)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from bpfvm.btf import Btf
from bpfvm.btf import types as t

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
