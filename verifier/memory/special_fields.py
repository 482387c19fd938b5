# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Fields of map values and allocated objects that programs may not touch like plain memory: locks, timers, kernel
pointers, lists and trees, found by their BTF.

Source: kernel/bpf/btf.c btf_parse_fields, btf_find_field, btf_find_kptr, btf_find_graph_root, btf_parse_struct_metas
(6.18). A member counts by the name of its own type, so a typedef of a lock is plain memory; an array counts by its
element; a struct inside is searched.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.errors import BadInput

SPIN_LOCK: Final = "bpf_spin_lock"
RES_SPIN_LOCK: Final = "bpf_res_spin_lock"
TIMER: Final = "bpf_timer"
WQ: Final = "bpf_wq"
TASK_WORK: Final = "bpf_task_work"
LIST_HEAD: Final = "bpf_list_head"
LIST_NODE: Final = "bpf_list_node"
RB_ROOT: Final = "bpf_rb_root"
RB_NODE: Final = "bpf_rb_node"
REFCOUNT: Final = "bpf_refcount"
KPTR_UNTRUSTED: Final = "kptr_untrusted"
KPTR: Final = "kptr"
PERCPU_KPTR: Final = "percpu_kptr"
UPTR: Final = "uptr"

SIZES: Final[dict[str, tuple[int, int]]] = {
    SPIN_LOCK: (4, 4),
    RES_SPIN_LOCK: (4, 4),
    TIMER: (16, 8),
    WQ: (16, 8),
    TASK_WORK: (8, 8),
    LIST_HEAD: (16, 8),
    LIST_NODE: (24, 8),
    RB_ROOT: (16, 8),
    RB_NODE: (32, 8),
    REFCOUNT: (4, 4),
}
"""Structs by name: size and alignment in bytes."""
KPTRS: Final = frozenset((KPTR_UNTRUSTED, KPTR, PERCPU_KPTR))
POINTERS: Final = KPTRS | {UPTR}
LOCKS: Final = frozenset((SPIN_LOCK, RES_SPIN_LOCK))
ROOTS: Final = frozenset((LIST_HEAD, RB_ROOT))
NODES: Final = frozenset((LIST_NODE, RB_NODE))
NODE_OF: Final = {LIST_HEAD: LIST_NODE, RB_ROOT: RB_NODE}
ONCE: Final = LOCKS | {TIMER, WQ, TASK_WORK, REFCOUNT}
"""At most one in a record."""
REPEATABLE: Final = POINTERS | ROOTS
"""May be elements of an array."""
MAP_FIELDS: Final = LOCKS | {TIMER, WQ, TASK_WORK, REFCOUNT} | ROOTS | POINTERS
OBJECT_FIELDS: Final = LOCKS | {REFCOUNT} | ROOTS | NODES | KPTRS
OBJECT_MARKS: Final = (SPIN_LOCK, LIST_HEAD, LIST_NODE, RB_ROOT, RB_NODE, REFCOUNT)
"""A struct with a member of one of these types (or a kptr) has a record of its own."""
MAX_FIELDS: Final = 11
MAX_DEPTH: Final = 32
NOT_THERE: Final = -22
"""Offset of a field that a record doesn't have."""


class Field(NamedTuple):
    """A special field: offset and size in bytes inside the value; its kind (one of the names above); for a pointer
    the struct pointed at, for a list head or tree root the struct of its elements, as id in `btf`; node_offset:
    where in such an element the node is."""

    offset: int
    size: int
    kind: str
    btf: Btf | None = None
    type_id: int = 0
    node_offset: int = 0

    @property
    def label(self) -> str:
        """The kind as messages call it (btf_field_type_name)."""
        return KPTR if self.kind == KPTR_UNTRUSTED else self.kind


class Record(NamedTuple):
    """All special fields of a type, by offset."""

    fields: tuple[Field, ...] = ()

    def has(self, kinds: Iterable[str]) -> bool:
        """There is a field of one of the kinds."""
        return any(f.kind in kinds for f in self.fields)

    def at(self, offset: int, kinds: Iterable[str]) -> Field | None:
        """The field of one of the kinds at exactly this offset."""
        return next((f for f in self.fields if f.offset == offset and f.kind in kinds), None)

    def offset_of(self, kind: str) -> int:
        """Offset of the (only) field of the kind, NOT_THERE without one."""
        return next((f.offset for f in self.fields if f.kind == kind), NOT_THERE)


EMPTY: Final = Record()


class BadFields(Exception):
    """The kernel makes no record of this type: its special fields are not laid out as they must be."""


# --- finding ------------------------------------------------------------
class _Search:
    """One search: which kinds count, which of those that may be there once were seen."""

    def __init__(self, btf: Btf, kinds: frozenset[str]) -> None:
        self.btf = btf
        self.kinds = kinds
        self.seen: set[str] = set()

    def struct(self, type_id: int, room: int, depth: int) -> list[Field]:
        found = self.btf.type(type_id)
        assert isinstance(found, t.Struct)
        out: list[Field] = []
        for i, member in enumerate(found.members):
            if member.bit_offset & 7:
                raise BadFields
            out += self.one(type_id, member.type, i, member.bit_offset >> 3, 0, room - len(out), depth)
        return out

    def datasec(self, found: t.Datasec, room: int) -> list[Field]:
        out: list[Field] = []
        for var in found.vars:
            variable = self.btf.type(var.type)
            if not isinstance(variable, t.Var):
                raise BadFields
            out += self.one(var.type, variable.type, -1, var.offset, var.size, room - len(out), 0)
        return out

    def one(
        self, owner: int, type_id: int, index: int, offset: int, expected: int, room: int, depth: int
    ) -> list[Field]:
        """The special fields in one member or variable (`index` of type `owner`)."""
        count, type_id, found = self._element(type_id)
        if not count:
            return []
        kind = self._kind(found)
        if not kind and _is_struct(found):
            size = self.btf.size_of(type_id)
            if expected and expected != size * count:
                return []
            return self._nested(type_id, offset, count, size, room, depth)
        if not kind:
            return []
        size, align = SIZES.get(kind, (8, 8))
        if (expected and expected != size * count) or offset & (align - 1):
            return []
        field = self._field(kind, owner, found, index, offset, size)
        if field is None:
            return []
        return _repeated([field], count, size, room)

    def _element(self, type_id: int) -> tuple[int, int, t.BtfType]:
        """(number, type id, type) of the elements of a possibly many-dimensional array."""
        count = 1
        found = self.btf.type(type_id)
        for _ in range(MAX_DEPTH):
            if not isinstance(found, t.Array):
                return count, type_id, found
            count *= found.nelems
            type_id = found.type
            found = self.btf.type(type_id)
        raise BadFields

    def _kind(self, found: t.BtfType) -> str:
        if found.name in SIZES and found.name in self.kinds:
            if found.name in ONCE:
                if found.name in self.seen:
                    raise BadFields
                self.seen.add(found.name)
            return found.name
        return KPTR if self.kinds & POINTERS and not _is_struct(found) else ""

    def _nested(self, type_id: int, offset: int, count: int, size: int, room: int, depth: int) -> list[Field]:
        if depth + 1 >= MAX_DEPTH:
            raise BadFields
        inner = [f._replace(offset=f.offset + offset) for f in self.struct(type_id, room, depth + 1)]
        return _repeated(inner, count, size, room) if inner else []

    def _field(self, kind: str, owner: int, found: t.BtfType, index: int, offset: int, size: int) -> Field | None:
        if kind == KPTR:
            return find_kptr(self.btf, found, offset, self.kinds)
        if not isinstance(found, t.Struct) or found.is_union or found.size != size:
            return None
        if kind in ROOTS:
            return self._root(kind, owner, index, offset, size)
        return Field(offset, size, kind)

    def _root(self, kind: str, owner: int, index: int, offset: int, size: int) -> Field:
        """A list head or tree root says by a declaration tag `contains:STRUCT:MEMBER` what it holds."""
        tags = [name for at, name in self.btf.tags(owner) if at == index and name.startswith("contains:")]
        if len(tags) != 1:
            raise BadFields
        struct, colon, member = tags[0].removeprefix("contains:").partition(":")
        value_id = self.btf.find(struct, t.Struct)
        value = self.btf.type(value_id) if value_id else None
        if not colon or not member or not isinstance(value, t.Struct):
            raise BadFields
        return Field(offset, size, kind, self.btf, value_id, _node_offset(self.btf, value, member, NODE_OF[kind]))


def _is_struct(found: t.BtfType) -> bool:
    return isinstance(found, t.Struct) and not found.is_union


def _node_offset(btf: Btf, value: t.Struct, name: str, node: str) -> int:
    """Where the node of that name is in an element."""
    members = [m for m in value.members if m.name == name]
    if len(members) != 1:
        raise BadFields
    found = btf.type(members[0].type)
    if not _is_struct(found) or found.name != node or members[0].bit_offset & 63:
        raise BadFields
    return members[0].bit_offset >> 3


def _repeated(fields: list[Field], count: int, size: int, room: int) -> list[Field]:
    """The fields of every element of an array."""
    if count > 1 and any(f.kind not in REPEATABLE for f in fields):
        raise BadFields
    if len(fields) * count > room:
        raise BadFields
    return [f._replace(offset=f.offset + i * size) for i in range(count) for f in fields]


def find_kptr(btf: Btf, found: t.BtfType, offset: int, kinds: frozenset[str] = KPTRS) -> Field | None:
    """A pointer (possibly volatile) whose target has a type tag; None for any other type."""
    if isinstance(found, t.Volatile):
        found = btf.type(found.type)
    tag = btf.type(found.type) if isinstance(found, t.Ptr) else None
    if not isinstance(tag, t.TypeTag):
        return None
    target_id = btf.skip_mods(tag.type)
    if isinstance(btf.type(tag.type), t.TypeTag) or tag.name not in POINTERS or not _is_struct(btf.type(target_id)):
        raise BadFields
    if tag.name not in kinds:
        return None
    return Field(offset, 8, tag.name, btf, target_id)


# --- records ------------------------------------------------------------
def parse_fields(btf: Btf, type_id: int, kinds: frozenset[str], size: int) -> Record:
    """The record of a value of `size` bytes. Raises BadFields where the kernel makes none."""
    try:
        found = btf.type(type_id)
        search = _Search(btf, kinds)
        if isinstance(found, t.Struct) and not found.is_union:
            fields = search.struct(type_id, MAX_FIELDS, 0)
        elif isinstance(found, t.Datasec):
            fields = search.datasec(found, MAX_FIELDS)
        else:
            raise BadFields
    except BadInput as why:
        raise BadFields from why
    after = 0
    for field in fields:
        if field.offset < after or field.offset + field.size > size:
            raise BadFields
        after = field.offset + field.size
    record = Record(tuple(sorted(fields, key=lambda f: f.offset)))
    _check_together(record)
    return record


def _check_together(record: Record) -> None:
    """Lists and trees need a lock (of one sort); a node of both a list and a tree needs a count."""
    if record.has((SPIN_LOCK,)) and record.has((RES_SPIN_LOCK,)):
        raise BadFields
    if record.has(ROOTS) and not record.has(LOCKS):
        raise BadFields
    if record.has((LIST_NODE,)) and record.has((RB_NODE,)) and not record.has((REFCOUNT,)):
        raise BadFields


def struct_records(btf: Btf) -> dict[int, Record]:
    """The structs of a program's BTF that have special fields of their own. Raises BadFields for a BTF that the
    kernel doesn't load."""
    marks = {btf.find(name, t.Struct) for name in OBJECT_MARKS} - {0}
    structs = []
    for type_id in btf.ids():
        found = btf.type(type_id)
        if isinstance(found, (t.Ptr, t.Volatile)) and _is_kptr(btf, found):
            marks.add(type_id)
        elif _is_struct(found):
            structs.append(type_id)
    out = {}
    for type_id in structs:
        found = btf.type(type_id)
        assert isinstance(found, t.Struct)
        if any(member.type in marks for member in found.members):
            record = parse_fields(btf, type_id, OBJECT_FIELDS, found.size)
            if not record.fields:
                raise BadFields
            out[type_id] = record
    for record in out.values():
        if any(field.kind in ROOTS and field.type_id not in out for field in record.fields):
            raise BadFields
    return out


def _is_kptr(btf: Btf, found: t.BtfType) -> bool:
    try:
        return find_kptr(btf, found, 0) is not None
    except BadFields:
        return False
