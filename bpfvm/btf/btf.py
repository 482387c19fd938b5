# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A BTF object: types by id, names to ids, sizes. Bodies are parsed when first asked for."""

from __future__ import annotations

from collections.abc import Iterator

from bpfvm.btf import types as t
from bpfvm.btf.endian import little_endian_btf
from bpfvm.btf.flavour import essential_name
from bpfvm.btf.index import RawBtf, index
from bpfvm.btf.parse_type import parse_type
from bpfvm.errors import BadInput

MAX_RESOLVE_DEPTH = 32
POINTER_SIZE = 8
MAX_SHARING = 16
"""how often, on average, a byte of the string section may be part of a name"""
_MODIFIERS = (t.Typedef, t.Volatile, t.Const, t.Restrict, t.TypeTag)
_VOID = t.Void()
_Kind = type[t.BtfType]


class Btf:
    """Types 0 (void) … len-1. With a ``base`` (split BTF) the base's ids and strings come first.

    Source of the format: Documentation/bpf/btf.rst and kernel/bpf/btf.c, 6.18.
    """

    __slots__ = (
        "_cache",
        "_chars_left",
        "_decl_tags",
        "_flavours",
        "_names",
        "_raw",
        "_str_start",
        "_strings",
        "base",
        "data",
        "name",
        "start_id",
    )

    def __init__(self, raw: RawBtf, data: bytes, base: Btf | None, name: str) -> None:
        self._raw = raw
        self.data = data
        self.base = base
        self.name = name
        self.start_id = len(base) if base is not None else 1
        self._str_start = base.string_end if base is not None else 0
        self._cache: dict[int, t.BtfType] = {}
        self._strings: dict[int, str] = {}
        self._chars_left = MAX_SHARING * len(raw.strings) + (1 << 20)
        self._names: dict[str, list[int]] | None = None
        self._flavours: dict[str, set[str]] | None = None
        self._decl_tags: dict[int, list[tuple[int, str]]] | None = None

    @classmethod
    def parse(cls, data: bytes, *, base: Btf | None = None, name: str = "") -> Btf:
        """Index ``data`` (a raw .BTF section). Raises BadInput with the offset of what is wrong.

        Big-endian BTF is turned round first: ``data`` of the result is its little-endian form.
        """
        data = little_endian_btf(bytes(data))
        return cls(index(data, split=base is not None), data, base, name)

    @property
    def string_data(self) -> bytes:
        """This object's own string section."""
        return self._raw.strings

    @property
    def string_end(self) -> int:
        """The offset after the last string, the base's counted in."""
        return self._str_start + len(self._raw.strings)

    def __len__(self) -> int:
        return self.start_id + len(self._raw.offsets)

    def __repr__(self) -> str:
        return f"<Btf {self.name or '?'}: {len(self)} types>"

    def ids(self) -> Iterator[int]:
        """All ids of this object (not of its base), ascending, without void."""
        return iter(range(self.start_id, len(self)))

    def string(self, offset: int) -> str:
        """The string at ``offset`` of the (base's, then own) string section. Raises BadInput."""
        if offset < self._str_start and self.base is not None:
            return self.base.string(offset)
        own = offset - self._str_start
        known = self._strings.get(own)
        if known is not None:
            return known
        strings = self._raw.strings
        if not 0 <= own < len(strings):
            raise BadInput(
                f"string offset {offset} is outside of the {self.string_end} bytes there are", section=".BTF"
            )
        end = strings.index(0, own)
        self._chars_left -= end - own
        if self._chars_left < 0:
            raise BadInput(f"names overlap in the {len(strings)} bytes of strings", section=".BTF")
        text = self._strings[own] = strings[own:end].decode("utf-8", "replace")
        return text

    def type(self, type_id: int) -> t.BtfType:
        """The type with this id. Raises BadInput for an id that doesn't exist."""
        found = self._cache.get(type_id)
        if found is not None:
            return found
        if type_id < self.start_id:
            if type_id == 0:
                return _VOID
            if self.base is not None and type_id > 0:
                return self.base.type(type_id)
        own = type_id - self.start_id
        if not 0 <= own < len(self._raw.offsets):
            raise BadInput(f"type id {type_id} does not exist (there are {len(self)})", section=".BTF")
        at = self._raw.offsets[own]
        try:
            found = parse_type(self._raw.types, at, self.string)
        except BadInput as error:
            error.offset = self._raw.type_start + at if error.offset is None else error.offset
            raise
        self._cache[type_id] = found
        return found

    def name_of(self, type_id: int) -> str:
        """The name of a type, "" when it has none."""
        return self.type(type_id).name

    def record_offset(self, type_id: int) -> int:
        """Where the record of one of this object's own types starts in ``data``."""
        if not self.start_id <= type_id < len(self):
            raise BadInput(f"type id {type_id} is not one of this BTF's own", section=".BTF")
        return self._raw.type_start + self._raw.offsets[type_id - self.start_id]

    def kind_of(self, type_id: int) -> int:
        """The kind number of a type, without parsing its body."""
        own = type_id - self.start_id
        if 0 <= own < len(self._raw.kinds):
            return self._raw.kinds[own]
        return self.type(type_id).kind

    def find(self, name: str, *kinds: _Kind) -> int:
        """The first id with this name (and one of these kinds, if given); 0 when there is none."""
        return next(iter(self.find_all(name, *kinds)), 0)

    def find_all(self, name: str, *kinds: _Kind) -> Iterator[int]:
        """All ids with this name, the base's first."""
        if self.base is not None:
            yield from self.base.find_all(name, *kinds)
        if self._names is None:
            self._names = self._index_names()
        for type_id in self._names.get(name, ()):
            if not kinds or isinstance(self.type(type_id), kinds):
                yield type_id

    def flavours(self, essential: str) -> list[str]:
        """The names in this object (and its base) that are ``essential`` with a ``___flavour``, sorted."""
        if self._flavours is None:
            self._flavours = self._index_flavours()
        inherited = self.base.flavours(essential) if self.base is not None else []
        return sorted({*inherited, *self._flavours.get(essential, ())})

    def _index_flavours(self) -> dict[str, set[str]]:
        """Few names have a flavour: search the string section for the separator instead of looking at every name."""
        strings = self._raw.strings
        found: dict[str, set[str]] = {}
        at = strings.find(b"___")
        while at >= 0:
            start, end = strings.rfind(b"\0", 0, at) + 1, strings.index(0, at)
            name = strings[start:end].decode("utf-8", "replace")
            essential = essential_name(name)
            if essential != name:
                found.setdefault(essential, set()).add(name)
            at = strings.find(b"___", end)
        return found

    def _index_names(self) -> dict[str, list[int]]:
        by_offset: dict[int, list[int]] = {}
        for type_id, name_off in enumerate(self._raw.names, self.start_id):
            if name_off:
                by_offset.setdefault(name_off, []).append(type_id)
        names: dict[str, list[int]] = {}
        for name_off, ids in by_offset.items():
            names.setdefault(self.string(name_off), []).extend(ids)
        for ids in names.values():
            ids.sort()
        return names

    def tags(self, type_id: int) -> list[tuple[int, str]]:
        """Decl tags on a type: (component index or -1, text), in file order."""
        if self._decl_tags is None:
            self._decl_tags = {}
            for own, kind in enumerate(self._raw.kinds):
                if kind == t.DeclTag.kind:
                    tag = self.type(own + self.start_id)
                    assert isinstance(tag, t.DeclTag)
                    self._decl_tags.setdefault(tag.type, []).append((tag.component, tag.name))
        inherited = self.base.tags(type_id) if self.base is not None else []
        return inherited + self._decl_tags.get(type_id, [])

    def skip_mods(self, type_id: int) -> int:
        """Look through typedef, const, volatile, restrict and type tags. Raises BadInput on a loop."""
        last = 0
        for _ in range(MAX_RESOLVE_DEPTH * 4):
            try:
                found = self.type(type_id)
            except BadInput as error:
                if error.offset is None and last >= self.start_id:
                    error.offset = self.record_offset(last)
                raise
            if not isinstance(found, _MODIFIERS):
                return type_id
            last, type_id = type_id, found.type
        raise BadInput(f"type id {type_id} is defined by itself", section=".BTF")

    def resolve(self, type_id: int) -> t.BtfType:
        """The type behind the modifiers."""
        return self.type(self.skip_mods(type_id))

    def size_of(self, type_id: int) -> int:
        """Size in bytes, as C's sizeof. Raises BadInput for void, functions, forward declarations."""
        count = 1
        for _ in range(MAX_RESOLVE_DEPTH * 4):
            found = self.resolve(type_id)
            if isinstance(found, t.Array):
                count *= found.nelems
                type_id = found.type
            elif isinstance(found, (t.Int, t.Struct, t.Enum, t.Float, t.Datasec)):
                return count * found.size
            elif isinstance(found, t.Ptr):
                return count * POINTER_SIZE
            elif isinstance(found, t.Var):
                type_id = found.type
            else:
                raise BadInput(f"type [{type_id}] {found.kind_name} '{found.name}' has no size", section=".BTF")
        raise BadInput(f"type id {type_id} is defined by itself", section=".BTF")

    def struct(self, name: str) -> t.Struct:
        """The struct or union with this name. Raises BadInput when there is none."""
        type_id = self.find(name, t.Struct)
        found = self.type(type_id)
        if not isinstance(found, t.Struct):
            raise BadInput(f"no struct {name} in BTF {self.name}".rstrip())
        return found
