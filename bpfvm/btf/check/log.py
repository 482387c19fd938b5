# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The log of BPF_BTF_LOAD: every type as it is met, and the complaint that ends it."""

from __future__ import annotations

from errno import EINVAL
from typing import NoReturn

from bpfvm.btf.check import record as r
from bpfvm.btf.check.record import Element, Names, Record

_ENCODINGS = {0: "(none)", 1: "SIGNED", 2: "CHAR", 4: "BOOL"}


class Refused(Exception):
    """The kernel would stop here. ``complaint`` is the text it ends with, ``at`` the record's offset in the file."""

    def __init__(self, errno: int, complaint: str, at: int | None = None) -> None:
        super().__init__(complaint)
        self.errno = errno
        self.complaint = complaint
        self.at = at


class Log:
    """Collects the text. ``meta``: still in the first pass, where a struct's members stand below it anyway."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.meta = True
        self._parts: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def write(self, text: str) -> None:
        self._parts.append(text)

    def refuse(self, text: str, errno: int = EINVAL, at: int | None = None) -> NoReturn:
        """A complaint that belongs to no type."""
        self.write(text)
        raise Refused(errno, text, at)

    def _who(self, record: Record) -> str:
        return f"[{record.id}] {r.KIND_NAMES[record.kind]} {self.names.shown(record.name)}"

    def type(self, record: Record, message: str = "", *, details: bool = True) -> None:
        shown = f" {self._details(record)}" if details else ""
        self.write(f"{self._who(record)}{shown}{f' {message}' if message else ''}\n")

    def bad_type(self, record: Record, message: str, errno: int = EINVAL, *, details: bool = True) -> NoReturn:
        self.type(record, message, details=details)
        raise Refused(
            errno, f"[{record.id}] {r.KIND_NAMES[record.kind]} {self.names.shown(record.name)}: {message}", record.at
        )

    def member(self, record: Record, member: Element, message: str = "") -> None:
        bits = member.third
        place = f"bits_offset={bits}"
        if record.kflag:
            place = f"bitfield_size={bits >> 24} bits_offset={bits & 0xFFFFFF}"
        if not self.meta:
            self.type(record)
        name = self.names.shown(member.name)
        self.write(f"\t{name} type_id={member.type} {place}{f' {message}' if message else ''}\n")

    def bad_member(self, record: Record, member: Element, message: str) -> NoReturn:
        self.member(record, member, message)
        raise Refused(EINVAL, f"{self._who(record)} member {self.names.shown(member.name)}: {message}", record.at)

    def entry(self, record: Record, entry: Element, message: str = "") -> None:
        """A DATASEC's entry; its words are type, offset, size."""
        if not self.meta:
            self.type(record)
        words = f"type_id={entry.name} offset={entry.type} size={entry.third}"
        self.write(f"\t {words}{f' {message}' if message else ''}\n")

    def bad_entry(self, record: Record, entry: Element, message: str) -> NoReturn:
        self.entry(record, entry, message)
        raise Refused(EINVAL, f"{self._who(record)} entry of type {entry.name}: {message}", record.at)

    def _details(self, record: Record) -> str:
        kind = record.kind
        if kind == r.INT:
            (data,) = record.words(1)
            encoding = _ENCODINGS.get(data >> 24 & 15, "UNKN")
            return f"size={record.word} bits_offset={data >> 16 & 255} nr_bits={data & 255} encoding={encoding}"
        if kind == r.ARRAY:
            return "type_id={} index_type_id={} nr_elems={}".format(*record.words(3))
        if kind in (r.STRUCT, r.UNION, r.ENUM, r.ENUM64, r.DATASEC):
            return f"size={record.word} vlen={record.vlen}"
        if kind == r.FWD:
            return "union" if record.kflag else "struct"
        if kind == r.FUNC_PROTO:
            return f"return={record.word} args=({self._arguments(record)})"
        if kind == r.VAR:
            return f"type_id={record.word} linkage={record.words(1)[0]}"
        if kind == r.FLOAT:
            return f"size={record.word}"
        if kind == r.DECL_TAG:
            (index,) = record.words(1)
            return f"type={record.word} component_idx={index - (index >> 31 << 32)}"
        return f"type_id={record.word}"

    def _arguments(self, record: Record) -> str:
        params = list(record.pairs())
        if not params:
            return "void"
        shown = [f"{each.type} {self.names.shown(each.name)}" for each in params]
        if not params[-1].type:
            shown[-1] = "vararg"
        return ", ".join(shown)
