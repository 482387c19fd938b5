# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The first pass: each type record by itself (kernel/bpf/btf.c:btf_check_meta and the kinds' check_meta, 6.18)."""

from __future__ import annotations

from bpfvm.btf.check import record as r
from bpfvm.btf.check.log import Log
from bpfvm.btf.check.record import Record
from bpfvm.errors import ENOTSUPP

_INFO_MASK = 0x9F00FFFF
_HEAD = 12
_FIXED = {r.INT: 4, r.ARRAY: 12, r.VAR: 4, r.DECL_TAG: 4}
_EACH = {r.STRUCT: 12, r.UNION: 12, r.ENUM: 8, r.FUNC_PROTO: 8, r.DATASEC: 12, r.ENUM64: 12}
_FLOAT_SIZES = (2, 4, 8, 12, 16)
_U128_BITS = 128
_REFERRING = r.MODIFIERS | {r.PTR}


def check_meta(types: memoryview, at: int, type_id: int, log: Log, place: int) -> Record:
    """The record at ``at`` of the type section, which starts at ``place`` of the file. Raises Refused."""
    left = len(types) - at
    if left < _HEAD:
        log.refuse(f"[{type_id}] meta_left:{left} meta_needed:{_HEAD}", at=place + at)
    name, info, word = (int.from_bytes(types[at + i : at + i + 4], "little") for i in (0, 4, 8))
    if info & ~_INFO_MASK:
        log.refuse(f"[{type_id}] Invalid btf_info:{info:x}", at=place + at)
    kind = info >> 24 & 31
    if not 0 < kind <= r.ENUM64:
        log.refuse(f"[{type_id}] Invalid kind:{kind}", at=place + at)
    if not log.names.valid(name):
        log.refuse(f"[{type_id}] Invalid name_offset:{name}", at=place + at)
    needed = _FIXED.get(kind, 0) + _EACH.get(kind, 0) * (info & 0xFFFF)
    found = Record(type_id, place + at, name, info, word, types[at + _HEAD : at + _HEAD + needed])
    if left - _HEAD < needed:
        log.bad_type(found, f"meta_left:{left - _HEAD} meta_needed:{needed}", details=False)
    _Meta(found, log).check()
    return found


class _Meta:
    """One record; the order of the checks is the order of the kernel's complaints."""

    def __init__(self, record: Record, log: Log) -> None:
        self.record = record
        self.log = log
        self.names = log.names

    def check(self) -> None:
        kind = self.record.kind
        if kind in _REFERRING:
            self._referring()
        elif kind in r.STRUCTS:
            self._struct()
        elif kind in (r.ENUM, r.ENUM64):
            self._enum()
        else:
            _CHECKS[kind](self)

    def _bad(self, message: str) -> None:
        self.log.bad_type(self.record, message)

    def _require(self, fine: bool, message: str) -> None:
        if not fine:
            self._bad(message)

    def _plain(self, *, kflag: bool = False) -> None:
        """No vlen, and no kind_flag unless the kind has a use for it."""
        self._require(not self.record.vlen, "vlen != 0")
        self._require(kflag or not self.record.kflag, "Invalid btf_info kind_flag")

    def _named(self) -> None:
        self._require(bool(self.record.name) and self.names.identifier(self.record.name), "Invalid name")

    def _anonymous_or_named(self) -> None:
        self._require(not self.record.name or self.names.identifier(self.record.name), "Invalid name")

    def _done(self) -> None:
        self.log.type(self.record)

    def _int(self) -> None:
        self._plain()
        (data,) = self.record.words(1)
        if data >> 28:
            self.log.bad_type(self.record, f"Invalid int_data:{data:x}", details=False)
        bits = (data & 255) + (data >> 16 & 255)
        self._require(bits <= _U128_BITS, f"nr_bits exceeds {_U128_BITS}")
        self._require((bits + 7) // 8 <= self.record.word, "nr_bits exceeds type_size")
        if data >> 24 & 15 not in (0, 1, 2, 4):
            self.log.bad_type(self.record, "Unsupported encoding", ENOTSUPP)
        self._done()

    def _referring(self) -> None:
        record = self.record
        self._plain(kflag=record.kind == r.TYPE_TAG)
        self._require(record.word <= r.MAX_TYPE, "Invalid type_id")
        if record.kind == r.TYPEDEF:
            self._named()
        elif record.kind == r.TYPE_TAG:
            self._require(bool(self.names.raw(record.name)), "Invalid name")
        else:
            self._require(not record.name, "Invalid name")
        self._done()

    def _array(self) -> None:
        record = self.record
        self._require(not record.name, "Invalid name")
        self._plain()
        self._require(not record.word, "size != 0")
        element, index, _count = record.words(3)
        self._require(0 < element <= r.MAX_TYPE, "Invalid elem")
        self._require(0 < index <= r.MAX_TYPE, "Invalid index")
        self._done()

    def _struct(self) -> None:
        record, log = self.record, self.log
        self._anonymous_or_named()
        self._done()
        last = 0
        for member in record.triples():
            offset = member.third & 0xFFFFFF if record.kflag else member.third
            if not self.names.valid(member.name):
                log.bad_member(record, member, f"Invalid member name_offset:{member.name}")
            if member.name and not self.names.identifier(member.name):
                log.bad_member(record, member, "Invalid name")
            if not 0 < member.type <= r.MAX_TYPE:
                log.bad_member(record, member, "Invalid type_id")
            if (record.kind == r.UNION and offset) or last > offset:
                log.bad_member(record, member, "Invalid member bits_offset")
            if (offset + 7) // 8 > record.word:
                log.bad_member(record, member, "Member bits_offset exceeds its struct size")
            log.member(record, member)
            last = offset

    def _enum(self) -> None:
        record = self.record
        self._require(record.word in (1, 2, 4, 8), "Unexpected size")
        self._anonymous_or_named()
        self._done()
        wide = record.kind == r.ENUM64
        for each in record.triples() if wide else record.pairs():
            if not self.names.valid(each.name):
                self.log.refuse(f"\tInvalid name_offset:{each.name}", at=record.at)
            self._require(bool(each.name) and self.names.identifier(each.name), "Invalid name")
            value, bits = (each.third << 32 | each.type, 64) if wide else (each.type, 32)
            if record.kflag and value >> (bits - 1):
                value -= 1 << bits
            self.log.write(f"\t{self.names.shown(each.name)} val={value}\n")

    def _fwd(self) -> None:
        self._require(not self.record.vlen, "vlen != 0")
        self._require(not self.record.word, "type != 0")
        self._named()
        self._done()

    def _func(self) -> None:
        self._named()
        self._require(self.record.vlen <= 1, "Invalid func linkage")
        self._require(not self.record.kflag, "Invalid btf_info kind_flag")
        self._done()

    def _func_proto(self) -> None:
        self._require(not self.record.name, "Invalid name")
        self._require(not self.record.kflag, "Invalid btf_info kind_flag")
        self._done()

    def _var(self) -> None:
        self._plain()
        self._named()
        self._require(0 < self.record.word <= r.MAX_TYPE, "Invalid type_id")
        self._require(self.record.words(1)[0] <= 1, "Linkage not supported")
        self._done()

    def _datasec(self) -> None:
        record, log = self.record, self.log
        self._require(bool(record.word), "size == 0")
        self._require(not record.kflag, "Invalid btf_info kind_flag")
        self._require(bool(record.name) and self.names.section(record.name), "Invalid name")
        self._done()
        end = total = 0
        for entry in record.triples():
            type_id, offset, size = entry
            if not 0 < type_id <= r.MAX_TYPE:
                log.bad_entry(record, entry, "Invalid type_id")
            if not end <= offset < record.word:
                log.bad_entry(record, entry, "Invalid offset")
            if not 0 < size <= record.word:
                log.bad_entry(record, entry, "Invalid size")
            end = (offset + size) & 0xFFFFFFFF
            if end > record.word:
                log.bad_entry(record, entry, "Invalid offset+size")
            log.entry(record, entry)
            total += size
        self._require(total <= record.word, "Invalid btf_info size")

    def _float(self) -> None:
        self._plain()
        self._require(self.record.word in _FLOAT_SIZES, "Invalid type_size")
        self._done()

    def _decl_tag(self) -> None:
        self._require(bool(self.names.raw(self.record.name)), "Invalid value")
        self._plain(kflag=True)
        (index,) = self.record.words(1)
        self._require(index < 1 << 31 or index == 0xFFFFFFFF, "Invalid component_idx")
        self._done()


_CHECKS = {
    r.INT: _Meta._int,
    r.ARRAY: _Meta._array,
    r.FWD: _Meta._fwd,
    r.FUNC: _Meta._func,
    r.FUNC_PROTO: _Meta._func_proto,
    r.VAR: _Meta._var,
    r.DATASEC: _Meta._datasec,
    r.FLOAT: _Meta._float,
    r.DECL_TAG: _Meta._decl_tag,
}
