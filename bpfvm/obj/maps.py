# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Maps declared in ``.maps`` through BTF (libbpf's parse_btf_map_def, 1.7; message texts are libbpf's)."""

from __future__ import annotations

from dataclasses import dataclass, field

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.elf import Section
from bpfvm.errors import BadInput
from bpfvm.isa.map_types import MAP_TYPE_NAMES
from bpfvm.obj.model import MapSpec

PAGE_SIZE = 4096
MAPS_SECTION = ".maps"
_MAP_IN_MAP = ("array_of_maps", "hash_of_maps")
_RINGBUFS = ("ringbuf", "user_ringbuf")
_INTEGERS = ("type", "max_entries", "map_flags", "numa_node", "key_size", "value_size", "pinning")


@dataclass(slots=True)
class _Def:
    """A definition while its members are read."""

    name: str
    numbers: dict[str, int] = field(default_factory=dict)
    types: dict[str, int] = field(default_factory=dict)
    inner: MapSpec | None = None

    @property
    def map_type(self) -> str:
        number = self.numbers.get("type", 0)
        return MAP_TYPE_NAMES.get(number, str(number))


def _bad(name: str, message: str) -> BadInput:
    return BadInput(f"map '{name}': {message}", section=MAPS_SECTION)


def btf_maps(btf: Btf | None, section: Section | None) -> dict[str, MapSpec]:
    """All maps of the ``.maps`` section by name, in the order of its DATASEC. Raises BadInput."""
    if section is None:
        return {}
    datasec = btf.type(btf.find(MAPS_SECTION, t.Datasec)) if btf is not None else None
    if btf is None or not isinstance(datasec, t.Datasec):
        raise BadInput(f"DATASEC '{MAPS_SECTION}' not found.", section=MAPS_SECTION, hint="compile with -g")
    maps: dict[str, MapSpec] = {}
    for entry in datasec.vars:
        spec = _map(btf, entry, section)
        if spec.name in maps:
            raise _bad(spec.name, "is declared twice")
        maps[spec.name] = spec
    arenas = [name for name, spec in maps.items() if spec.map_type == "arena"]
    if len(arenas) > 1:
        raise _bad(arenas[1], f"only single ARENA map is supported (map '{arenas[0]}' is also ARENA)")
    return maps


def _map(btf: Btf, entry: t.VarSecinfo, section: Section) -> MapSpec:
    var = btf.type(entry.type)
    name = var.name
    if not name:
        raise BadInput("a map has an empty name", section=MAPS_SECTION, offset=entry.offset)
    if entry.offset + entry.size > section.size:
        raise _bad(name, "BTF data is corrupted.")
    if not isinstance(var, t.Var):
        raise _bad(name, f"unexpected var kind {var.kind_name}.")
    if var.linkage != 1:
        raise _bad(name, f"unsupported map linkage {'static' if var.linkage == 0 else 'extern'}.")
    definition = btf.resolve(var.type)
    if not isinstance(definition, t.Struct) or definition.is_union:
        raise _bad(name, f"unexpected def kind {definition.kind_name}.")
    if definition.size > entry.size:
        raise _bad(name, "invalid def size.")
    return _spec(btf, _read(btf, name, definition, is_inner=False))


def map_definition(btf: Btf, var_id: int) -> MapSpec:
    """The map that a VAR of ``.maps`` declares; an extern declares one as well. Raises BadInput."""
    var = btf.type(var_id)
    definition = btf.resolve(var.type) if isinstance(var, t.Var) else var
    if not isinstance(definition, t.Struct) or definition.is_union:
        raise _bad(var.name, f"unexpected def kind {definition.kind_name}.")
    return _spec(btf, _read(btf, var.name, definition, is_inner=False))


def _read(btf: Btf, name: str, definition: t.Struct, *, is_inner: bool) -> _Def:
    found = _Def(name)
    for index, member in enumerate(definition.members):
        if member.name in _INTEGERS:
            _put(found, member.name, _number(btf, name, member))
        elif member.name in ("key", "value"):
            found.types[member.name] = _pointee(btf, name, member)
            _put(found, f"{member.name}_size", _size(btf, name, member.name, found.types[member.name]))
        elif member.name == "map_extra":
            found.numbers["map_extra"] = _long(btf, name, member)
        elif member.name == "values":
            if is_inner:
                raise _bad(name, "multi-level inner maps not supported.")
            if index != len(definition.members) - 1:
                raise _bad(name, "'values' member should be last.")
            _values(btf, found, member)
        else:
            raise _bad(name, f"unknown field '{member.name}'.")
    if is_inner and "pinning" in found.numbers:
        raise _bad(name, "inner def can't be pinned.")
    if found.numbers.get("pinning", 0) not in (0, 1):
        raise _bad(name, f"invalid pinning value {found.numbers['pinning']}.")
    if not found.numbers.get("type"):
        raise _bad(name, "map type isn't specified.")
    return found


def _put(found: _Def, what: str, number: int) -> None:
    if what in ("key_size", "value_size") and found.numbers.get(what, number) not in (0, number):
        message = f"conflicting {what.replace('_', ' ')} {found.numbers[what]} != {number}."
        raise _bad(found.name, message)
    found.numbers[what] = number


def _number(btf: Btf, name: str, member: t.Member) -> int:
    """``__uint(x, N)`` is a pointer to an array of N."""
    pointer = btf.resolve(member.type)
    if not isinstance(pointer, t.Ptr):
        raise _bad(name, f"attr '{member.name}': expected PTR, got {pointer.kind_name}.")
    array = btf.type(pointer.type)
    if not isinstance(array, t.Array):
        raise _bad(name, f"attr '{member.name}': expected ARRAY, got {array.kind_name}.")
    return array.nelems


def _long(btf: Btf, name: str, member: t.Member) -> int:
    """``__ulong(x, N)`` is an enum with the one value N; ``__uint`` is taken too."""
    found = btf.resolve(member.type)
    if isinstance(found, t.Ptr):
        return _number(btf, name, member)
    if not isinstance(found, t.Enum):
        raise _bad(name, f"attr '{member.name}': expected ENUM or ENUM64, got {found.kind_name}.")
    if len(found.values) != 1:
        raise _bad(name, f"attr '{member.name}': invalid __ulong")
    return found.values[0][1] & 0xFFFF_FFFF_FFFF_FFFF


def _pointee(btf: Btf, name: str, member: t.Member) -> int:
    """``__type(x, T)`` is a pointer to T."""
    pointer = btf.type(member.type)
    if not isinstance(pointer, t.Ptr):
        raise _bad(name, f"{member.name} spec is not PTR: {pointer.kind_name}.")
    return pointer.type


def _size(btf: Btf, name: str, what: str, type_id: int) -> int:
    try:
        return btf.size_of(type_id)
    except BadInput as error:
        raise _bad(name, f"can't determine {what} size for type [{type_id}]: {error.message}") from error


def _values(btf: Btf, found: _Def, member: t.Member) -> None:
    """``__array(values, T)`` is an array of 0 pointers to T: a map definition, or a program's prototype."""
    name, map_type = found.name, found.map_type
    nested = map_type in _MAP_IN_MAP
    what = "map-in-map inner" if nested else "prog-array value"
    if not nested and map_type != "prog_array":
        raise _bad(name, "should be map-in-map or prog-array.")
    _put(found, "value_size", 4)
    array = btf.type(member.type)
    if not isinstance(array, t.Array) or array.nelems:
        raise _bad(name, f"{what} spec is not a zero-sized array.")
    pointer = btf.resolve(array.type)
    if not isinstance(pointer, t.Ptr):
        raise _bad(name, f"{what} def is of unexpected kind {pointer.kind_name}.")
    target = btf.resolve(pointer.type)
    if not nested:
        if not isinstance(target, t.FuncProto):
            raise _bad(name, f"{what} def is of unexpected kind {target.kind_name}.")
        return
    if not isinstance(target, t.Struct) or target.is_union:
        raise _bad(name, f"{what} def is of unexpected kind {target.kind_name}.")
    found.inner = _spec(btf, _read(btf, f"{name}.inner", target, is_inner=True))


def _spec(btf: Btf, found: _Def) -> MapSpec:
    numbers = found.numbers
    if numbers["type"] not in MAP_TYPE_NAMES:
        raise _bad(found.name, f"unknown map type {numbers['type']}.")
    map_type = found.map_type
    max_entries = numbers.get("max_entries", 0)
    return MapSpec(
        name=found.name,
        map_type=map_type,
        key_size=numbers.get("key_size", 0),
        value_size=numbers.get("value_size", 0),
        max_entries=ringbuf_size(max_entries) if map_type in _RINGBUFS else max_entries,
        map_flags=numbers.get("map_flags", 0),
        map_extra=numbers.get("map_extra", 0),
        btf=btf,
        key_type_id=found.types.get("key", 0),
        value_type_id=found.types.get("value", 0),
        inner=found.inner,
        pinning=numbers.get("pinning", 0),
        section=MAPS_SECTION,
    )


def ringbuf_size(size: int) -> int:
    """A ring buffer's size in bytes rounded up to a power of two of pages, as libbpf's adjust_ringbuf_sz does."""
    if size == 0 or (size % PAGE_SIZE == 0 and size & (size - 1) == 0):
        return size
    rounded = PAGE_SIZE
    while rounded <= size:
        rounded <<= 1
    return rounded if rounded <= 0xFFFF_FFFF else size
