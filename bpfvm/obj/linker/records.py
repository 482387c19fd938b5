# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The .BTF.ext of the result: records moved with their sections, ids and strings those of the result's BTF."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from bpfvm.btf.ext import BtfExt, CoreRecord, FuncRecord, LineRecord
from bpfvm.btf.write import Strings
from bpfvm.obj.linker.inputs import Input
from bpfvm.obj.linker.sections import Sections
from bpfvm.obj.linker.types import Types

_R = TypeVar("_R", FuncRecord, LineRecord, CoreRecord)


def merge_records(inputs: Sequence[Input], sections: Sections, types: Types, strings: Strings) -> BtfExt:
    """New strings are added to ``strings``. Raises BadInput for records of sections or types that aren't there."""
    funcs: dict[str, list[FuncRecord]] = {}
    lines: dict[str, list[LineRecord]] = {}
    relos: dict[str, list[CoreRecord]] = {}
    for source in inputs:
        mover = _Mover(source, sections, types, strings)
        mover.add(funcs, source.ext.func_info, mover.func)
        mover.add(lines, source.ext.line_info, mover.line)
        mover.add(relos, source.ext.core_relos, mover.relo)
    return BtfExt(_frozen(funcs), _frozen(lines), _frozen(relos))


def _frozen(tables: Mapping[str, list[_R]]) -> dict[str, tuple[_R, ...]]:
    return {name: tuple(records) for name, records in tables.items()}


class _Mover:
    """One input's records."""

    def __init__(self, source: Input, sections: Sections, types: Types, strings: Strings) -> None:
        self._source = source
        self._sections = sections
        self._ids = types.ids[source.number]
        self._strings = strings

    def add(self, into: dict[str, list[_R]], tables: Mapping[str, Iterable[_R]], move: Callable[[_R, int], _R]) -> None:
        for name, records in tables.items():
            section = self._source.elf.section(name)
            if section is None:
                raise self._source.bad(f"can't find section '{name}' referenced from .BTF.ext", ".BTF.ext")
            base = self._sections.offset(self._source, section.index)
            into.setdefault(name, []).extend(move(record, base) for record in records)

    def _type(self, old: int) -> int:
        if old >= len(self._ids):
            raise self._source.bad(f"type id {old} does not exist (there are {len(self._ids)})", ".BTF.ext")
        return self._ids[old]

    def _string(self, offset: int) -> int:
        assert self._source.btf is not None  # records are only read with BTF
        text = self._source.btf.string(offset)
        return self._strings.add(text)

    def func(self, record: FuncRecord, base: int) -> FuncRecord:
        return FuncRecord(base + record.offset, self._type(record.type_id))

    def line(self, record: LineRecord, base: int) -> LineRecord:
        names = self._string(record.file_name), self._string(record.text)
        return LineRecord(base + record.offset, *names, record.line, record.column)

    def relo(self, record: CoreRecord, base: int) -> CoreRecord:
        return CoreRecord(base + record.offset, self._type(record.type_id), self._string(record.access), record.kind)
