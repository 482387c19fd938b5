# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The BTF of the result: all inputs' types with new ids, one VAR or FUNC per global name, one DATASEC per section."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bpfvm.btf import types as t
from bpfvm.btf.dedup import dedup
from bpfvm.btf.refs import renumbered
from bpfvm.obj.linker.inputs import Input
from bpfvm.obj.linker.sections import Sections
from bpfvm.obj.linker.symbols import Global


@dataclass(slots=True)
class Types:
    """``all`` have the ids 1, 2 …; ``ids``: input → old id → new id (0: left out, or void)."""

    all: list[t.BtfType] = field(default_factory=list)
    ids: list[list[int]] = field(default_factory=list)


def merge_types(inputs: Sequence[Input], sections: Sections, globals_: dict[str, Global]) -> Types:
    """Raises BadInput for malformed BTF."""
    merger = _Merger(inputs, sections, globals_)
    for source in inputs:
        merger.append(source)
    merger.join()
    types, new_ids = dedup(merger.found.all)
    return Types(types, [[new_ids[each] for each in ids] for ids in merger.found.ids])


class _Merger:
    def __init__(self, inputs: Sequence[Input], sections: Sections, globals_: dict[str, Global]) -> None:
        self._inputs = inputs
        self._sections = sections
        self._globals = globals_
        self._pending: list[tuple[int, t.BtfType]] = []
        self.found = Types()

    def append(self, source: Input) -> None:
        """Give ids to one input's types; mentions of globals that don't count are settled later."""
        ids = [0]
        self.found.ids.append(ids)
        if source.btf is None:
            return
        for type_id in source.btf.ids():
            each = source.btf.type(type_id)
            if isinstance(each, t.Datasec) or not self._counts(source, type_id, each):
                ids.append(0)
                continue
            self._pending.append((source.number, each))
            ids.append(len(self._pending))

    def _global(self, each: t.BtfType) -> Global | None:
        return self._globals.get(each.name) if isinstance(each, (t.Var, t.Func)) and each.linkage else None

    def _counts(self, source: Input, type_id: int, each: t.BtfType) -> bool:
        """False for what another file defines, and for variables of sections that were left out."""
        if not isinstance(each, (t.Var, t.Func)) or not each.linkage:
            return True
        chosen = self._global(each)
        return chosen is not None and chosen.source is source and chosen.type_id == type_id

    def join(self) -> None:
        """Settle the globals, renumber all references, add the sections."""
        ids = self.found.ids
        for source in self._inputs:
            for name, type_id in source.declared.items():
                chosen = self._globals.get(name)
                if chosen is not None and not ids[source.number][type_id]:
                    ids[source.number][type_id] = ids[chosen.source.number][chosen.type_id]
        for number, each in self._pending:
            self.found.all.append(renumbered(each, lambda old, number=number: self._new_id(number, old)))  # type: ignore[misc]
        self.found.all += self._datasecs()

    def _new_id(self, number: int, old: int) -> int:
        ids = self.found.ids[number]
        if old >= len(ids):
            raise self._inputs[number].bad(f"type id {old} does not exist (there are {len(ids)})", ".BTF")
        return ids[old]

    def _datasecs(self) -> list[t.BtfType]:
        entries: dict[str, list[t.VarSecinfo]] = {}
        for source in self._inputs:
            for datasec in self._own_datasecs(source):
                listed = entries.setdefault(datasec.name, [])
                place = self._sections.places.get((source.number, source.section_numbers.get(datasec.name, 0)))
                for entry in datasec.vars:
                    listed += self._entry(source, entry, place[1] if place is not None else None)
        result: list[t.BtfType] = []
        for name, listed in entries.items():
            if not listed and name not in self._sections.merged:
                continue
            merged = self._sections.merged.get(name)
            listed.sort(key=lambda entry: entry.offset)
            result.append(t.Datasec(name, merged.size if merged is not None else 0, tuple(listed)))
        return result

    def _own_datasecs(self, source: Input) -> list[t.Datasec]:
        if source.btf is None:
            return []
        kinds = (source.btf.type(i) for i in source.btf.ids() if source.btf.kind_of(i) == t.Datasec.kind)
        return [each for each in kinds if isinstance(each, t.Datasec)]

    def _entry(self, source: Input, entry: t.VarSecinfo, base: int | None) -> list[t.VarSecinfo]:
        """The entry as it is in the result; nothing for what another file has. ``base``: where its section has come to,
        None for one that isn't in the file, or was left out."""
        assert source.btf is not None  # the entry comes from there
        each = source.btf.type(entry.type)
        new = entry._replace(type=self._new_id(source.number, entry.type))
        if isinstance(each, (t.Var, t.Func)) and each.linkage:
            chosen = self._global(each)
            if chosen is None or not self._counts(source, entry.type, each):
                return []
            if chosen.is_extern:
                return [new]
            return [new._replace(offset=self._sections.offset(source, chosen.symbol.section) + chosen.symbol.value)]
        return [new._replace(offset=base + entry.offset)] if base is not None else []
