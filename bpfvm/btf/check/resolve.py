# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The second pass: what types refer to (kernel/bpf/btf.c:btf_check_all_types and the kinds' resolve, 6.18).

A depth-first walk. A chain of modifiers and pointers, or a nest of structs and arrays, must end: a walk that started at
a pointer goes through pointers and modifiers only, one that started at a struct or array through those and modifiers.
"""

from __future__ import annotations

from dataclasses import dataclass
from errno import E2BIG, EEXIST

from bpfvm.btf.check import record as r
from bpfvm.btf.check.log import Log, Refused
from bpfvm.btf.check.members import check_member, is_regular
from bpfvm.btf.check.record import Element, Record

MAX_DEPTH = 32
POINTER_SIZE = 8
_U32_MAX = 0xFFFFFFFF
_DECL_TAG_TARGETS = r.STRUCTS | {r.FUNC, r.VAR, r.TYPEDEF}
_NAMELESS_ENDS = frozenset((0, r.FWD, r.FUNC_PROTO))
"""what a pointer or modifier may end in although it has no size"""
_PATH, _NEST = r.MODIFIERS | {r.PTR}, r.MODIFIERS | r.STRUCTS | {r.ARRAY}
_FOLLOWED = {r.PTR: _PATH, r.STRUCT: _NEST, r.UNION: _NEST, r.ARRAY: _NEST}
"""kind that decides the mode of a walk → kinds that it goes through"""


@dataclass(slots=True)
class _Vertex:
    record: Record
    elements: list[Element]
    next_member: int = 0


class Resolver:
    """Types by id, and for those that were walked what they come down to: an id and a size."""

    def __init__(self, records: list[Record], log: Log) -> None:
        self._records = records
        self._log = log
        self._visited: set[int] = set()
        self._done: dict[int, tuple[int, int]] = {}
        self._stack: list[_Vertex] = []
        self._followed: frozenset[int] | None = None

    def check_all(self) -> None:
        """All types in order. Raises Refused."""
        self._log.meta = False
        for record in self._records[1:]:
            if record.kind in r.NEEDS_RESOLVE and record.id not in self._done:
                self._walk(record)
            if record.kind == r.FUNC_PROTO:
                self._func_proto(record)

    def _at(self, type_id: int) -> Record | None:
        return self._records[type_id] if type_id < len(self._records) else None

    def _walk(self, record: Record) -> None:
        self._followed = None
        try:
            self._push(record)
            while self._stack:
                vertex = self._stack[-1]
                self._step(vertex)
        except Refused as stop:
            if stop.complaint:
                raise
            text = "Loop detected" if stop.errno == EEXIST else f"Exceeded max resolving depth:{MAX_DEPTH}"
            self._log.bad_type(record, text, stop.errno)

    def _push(self, record: Record) -> None:
        if len(self._stack) == MAX_DEPTH:
            raise Refused(E2BIG, "")
        if record.id in self._visited:
            raise Refused(EEXIST, "")
        self._visited.add(record.id)
        has_elements = record.kind in r.STRUCTS or record.kind == r.DATASEC
        self._stack.append(_Vertex(record, list(record.triples()) if has_elements else []))
        if self._followed is None:
            self._followed = _FOLLOWED.get(record.kind)

    def _pop(self, type_id: int, size: int = 0) -> None:
        self._done[self._stack.pop().record.id] = type_id, size

    def _must_go_on(self, record: Record) -> bool:
        """Push a type that must be walked first; True if so."""
        followed = r.NEEDS_RESOLVE if self._followed is None else self._followed
        if record.kind not in followed or record.id in self._done:
            return False
        self._push(record)
        return True

    def _sized(self, type_id: int) -> tuple[Record, int] | None:
        """What a type comes down to and its size; None for those without (btf_type_id_size)."""
        found = self._at(type_id)
        if found is not None and (found.kind in r.MODIFIERS or found.kind == r.VAR):
            found = self._at(self._done[type_id][0]) if type_id in self._done else self._records[0]
        if found is None or found.kind in r.NO_SIZE:
            return None
        if found.kind in r.SIZED:
            return found, found.word
        if found.kind == r.ARRAY:
            return found, self._done.get(found.id, (0, 0))[1]
        return (found, POINTER_SIZE) if found.kind == r.PTR else None

    def _step(self, vertex: _Vertex) -> None:
        record = vertex.record
        kind = record.kind
        if kind in r.STRUCTS:
            self._struct(vertex)
        elif kind == r.DATASEC:
            self._datasec(vertex)
        elif kind == r.ARRAY:
            self._array(record)
        elif kind == r.FUNC:
            self._func(record)
        elif kind == r.DECL_TAG:
            self._decl_tag(record)
        else:
            self._referring(record)

    def _referring(self, record: Record) -> None:
        """A modifier, pointer or variable."""
        target = self._at(record.word)
        if target is None or target.kind in r.SOURCE_ONLY:
            self._log.bad_type(record, "Invalid type_id")
        if self._must_go_on(target):
            return
        if record.kind not in r.MODIFIERS and target.kind in r.MODIFIERS:
            # a modifier that was walked from a struct may have stopped at a pointer
            behind = self._at(self._done[target.id][0]) if target.id in self._done else None
            if behind is not None and behind.kind == r.PTR and self._must_go_on(behind):
                return
        sized = self._sized(target.id)
        if sized is not None:
            self._pop(sized[0].id)
            return
        if record.kind == r.VAR:
            self._log.bad_type(record, "Invalid type_id")
        end = self._records[self._done[target.id][0]] if target.id in self._done else target
        if end.kind not in _NAMELESS_ENDS:
            self._log.bad_type(record, "Invalid type_id")
        self._pop(end.id)

    def _array(self, record: Record) -> None:
        element_id, index_id, count = record.words(3)
        index = self._part(record, index_id, "Invalid index")
        if index is None:
            return
        if index[0].kind != r.INT or not is_regular(index[0]):
            self._log.bad_type(record, "Invalid index")
        element = self._part(record, element_id, "Invalid elem")
        if element is None:
            return
        found, size = element
        if found.kind == r.INT and not is_regular(found):
            self._log.bad_type(record, "Invalid array of int")
        if count and size > _U32_MAX // count:
            self._log.bad_type(record, "Array size overflows U32_MAX")
        self._pop(found.id, size * count)

    def _part(self, record: Record, type_id: int, message: str) -> tuple[Record, int] | None:
        """An array's index or element type, None if it must be walked first."""
        found = self._at(type_id)
        if found is None or found.kind in r.NO_SIZE | r.SOURCE_ONLY:
            self._log.bad_type(record, message)
        if self._must_go_on(found):
            return None
        sized = self._sized(type_id)
        if sized is None:
            self._log.bad_type(record, message)
        return sized

    def _struct(self, vertex: _Vertex) -> None:
        record, members = vertex.record, vertex.elements
        if vertex.next_member:
            self._member(record, members[vertex.next_member - 1])
        for number in range(vertex.next_member, len(members)):
            member = members[number]
            found = self._at(member.type)
            if found is None or found.kind in r.NO_SIZE | r.SOURCE_ONLY:
                self._log.bad_member(record, member, "Invalid member")
            vertex.next_member = number + 1
            if self._must_go_on(found):
                return
            self._member(record, member)
        self._pop(0)

    def _member(self, record: Record, member: Element) -> None:
        target = self._records[member.type]
        sized = self._sized(target.id)
        if sized is None:
            self._log.bad_member(record, member, "Invalid member")
        check_member(record, member._replace(type=sized[0].id), *sized, self._log)

    def _datasec(self, vertex: _Vertex) -> None:
        record, entries = vertex.record, vertex.elements
        self._followed = None
        for number in range(vertex.next_member, len(entries)):
            entry = entries[number]
            var = self._at(entry.name)
            if var is None or var.kind != r.VAR:
                self._log.bad_entry(record, entry, "Not a VAR kind member")
            vertex.next_member = number + 1
            if self._must_go_on(var):
                return
            sized = self._sized(var.word)
            if sized is None:
                self._log.bad_entry(record, entry, "Invalid type")
            if entry.third < sized[1]:
                self._log.bad_entry(record, entry, "Invalid size")
        self._pop(0)

    def _func(self, record: Record) -> None:
        proto = self._at(record.word)
        if proto is None or proto.kind != r.FUNC_PROTO:
            self._log.bad_type(record, "Invalid type_id")
        for number, param in enumerate(proto.pairs(), 1):
            if param.type and not param.name:
                self._log.bad_type(record, f"Invalid arg#{number}")
        self._pop(proto.id)

    def _decl_tag(self, record: Record) -> None:
        target = self._at(record.word)
        if target is None or target.kind not in _DECL_TAG_TARGETS:
            self._log.bad_type(record, "Invalid type_id")
        if self._must_go_on(target):
            return
        (index,) = record.words(1)
        if index != _U32_MAX:
            if target.kind in (r.VAR, r.TYPEDEF):
                self._log.bad_type(record, "Invalid component_idx")
            holder = self._records[target.word] if target.kind == r.FUNC else target
            if index >= holder.vlen:
                self._log.bad_type(record, "Invalid component_idx")
        self._pop(target.id)

    def _func_proto(self, record: Record) -> None:
        if record.word and not self._has_size(record.word):
            self._log.bad_type(record, "Invalid return type")
        params = list(record.pairs())
        if params and not params[-1].type:
            if params[-1].name:
                self._log.bad_type(record, f"Invalid arg#{len(params)}")
            params.pop()
        for number, param in enumerate(params, 1):
            names = self._log.names
            named = not param.name or (names.valid(param.name) and names.identifier(param.name))
            target = self._at(param.type)
            if target is None or target.kind in r.SOURCE_ONLY or not named or not self._has_size(param.type):
                self._log.bad_type(record, f"Invalid arg#{number}")

    def _has_size(self, type_id: int) -> bool:
        """Whether a function may take or return it; walks it first if need be."""
        found = self._at(type_id)
        if found is None or found.kind in r.SOURCE_ONLY:
            return False
        if found.kind in r.NEEDS_RESOLVE and found.id not in self._done:
            self._walk(found)
        return self._sized(type_id) is not None
