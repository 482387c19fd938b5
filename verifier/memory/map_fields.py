# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The special fields of what a register points at: a map's value, or an object the program allocated.

Source: kernel/bpf/verifier.c reg_btf_record, kernel/bpf/btf.c btf_find_struct_meta (6.18).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bpfvm.btf import Btf
from bpfvm.obj.model import MapSpec
from verifier.memory.special_fields import (
    EMPTY,
    LOCKS,
    MAP_FIELDS,
    TASK_WORK,
    TIMER,
    WQ,
    BadFields,
    Field,
    Record,
    parse_fields,
    struct_records,
)
from verifier.state.reg import RegState
from verifier.state.reg_type import BASE_TYPE_MASK, MEM_ALLOC, PTR_TO_BTF_ID, PTR_TO_MAP_VALUE

MAX_CACHED: Final = 256
_MAPS: dict[tuple[int, int, int], tuple[Btf, Record]] = {}
_STRUCTS: dict[int, tuple[Btf, dict[int, Record] | None]] = {}


def map_record(map_: MapSpec) -> Record:
    """The special fields of the map's value: none without BTF, and none where the kernel can't make sense of them."""
    btf = map_.btf
    if btf is None or not map_.value_type_id:
        return EMPTY
    key = (id(btf), map_.value_type_id, map_.value_size)
    found = _MAPS.get(key)
    if found is None or found[0] is not btf:
        if len(_MAPS) > MAX_CACHED:
            _MAPS.clear()
        try:
            record = parse_fields(btf, btf.skip_mods(map_.value_type_id), MAP_FIELDS, map_.value_size)
        except BadFields:
            record = EMPTY
        found = _MAPS[key] = (btf, record)
    return found[1]


def special_fields(map_: MapSpec) -> tuple[Field, ...]:
    """All special fields of the map's value, by offset."""
    return map_record(map_).fields


def object_records(btf: Btf) -> dict[int, Record] | None:
    """Struct id → special fields, for a program's BTF; None for a BTF that the kernel doesn't load."""
    found = _STRUCTS.get(id(btf))
    if found is None or found[0] is not btf:
        if len(_STRUCTS) > MAX_CACHED:
            _STRUCTS.clear()
        try:
            records: dict[int, Record] | None = struct_records(btf)
        except BadFields:
            records = None
        found = _STRUCTS[id(btf)] = (btf, records)
    return found[1]


def struct_record(btf: Btf, type_id: int) -> Record | None:
    """The special fields of a struct of the program's BTF, None if it has none."""
    records = object_records(btf)
    return records.get(type_id) if records else None


def is_allocated(type_: int) -> bool:
    """A pointer to an object the program allocated (type_is_ptr_alloc_obj)."""
    return type_ & BASE_TYPE_MASK == PTR_TO_BTF_ID and bool(type_ & MEM_ALLOC)


def reg_record(reg: RegState) -> Record | None:
    """The special fields of what the register points at."""
    if reg.type == PTR_TO_MAP_VALUE and reg.ptr.map is not None:
        return map_record(reg.ptr.map)
    if is_allocated(reg.type) and reg.ptr.btf is not None:
        return struct_record(reg.ptr.btf, reg.ptr.btf_id)
    return None


def may_hold_lock(reg: RegState) -> bool:
    """What is pointed at has a lock, so that which one it is matters (reg_may_point_to_spin_lock)."""
    record = reg_record(reg)
    return record is not None and record.has(LOCKS)


_INNER: dict[int, tuple[MapSpec, MapSpec]] = {}


def inner_map(map_: MapSpec) -> MapSpec:
    """What the verifier knows of the maps in a map of maps: all but the name (bpf_map_meta_alloc)."""
    found = _INNER.get(id(map_))
    if found is None or found[0] is not map_:
        if len(_INNER) > MAX_CACHED:
            _INNER.clear()
        found = _INNER[id(map_)] = (map_, replace(map_, name="", initial=None, frozen=False))
    return found[1]


def needs_uid(map_: MapSpec) -> bool:
    """Which of several inner maps it is matters: a timer must be told of its own map."""
    return map_record(map_).has((TIMER, WQ, TASK_WORK))
