# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Make the emulated kernel's BTF out of what clang recorded for `thpmm/kernel/emulated.c`.

Three changes, all on the raw section (format: Documentation/bpf/btf.rst):

* members named ``__hole_*`` go, the size of their struct stays: the field does not exist, its room does;
* only functions, their declaration tags, the types of the ``__root_*`` variables and what those need are kept;
* functions become static, as pahole writes them into a kernel's own BTF.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

HOLE_PREFIX = "__hole_"
ROOT_PREFIX = "__root_"

_HEADER = struct.Struct("<HBBIIIII")
_MAGIC = 0xEB9F
_TYPE = struct.Struct("<III")

_INT, _PTR, _ARRAY, _STRUCT, _UNION, _ENUM, _FWD, _TYPEDEF, _VOLATILE, _CONST, _RESTRICT = range(1, 12)
_FUNC, _FUNC_PROTO, _VAR, _DATASEC, _FLOAT, _DECL_TAG, _TYPE_TAG, _ENUM64 = range(12, 20)

# What follows the three words of a type: words per entry, which of them is a string, which are type ids.
# A kind with a fixed tail has exactly one entry, the others have vlen of them.
_TAIL: dict[int, tuple[int, tuple[int, ...], tuple[int, ...]]] = {
    _INT: (1, (), ()),
    _ARRAY: (3, (), (0, 1)),
    _STRUCT: (3, (0,), (1,)),
    _UNION: (3, (0,), (1,)),
    _ENUM: (2, (0,), ()),
    _FUNC_PROTO: (2, (0,), (1,)),
    _VAR: (1, (), ()),
    _DATASEC: (3, (), (0,)),
    _DECL_TAG: (1, (), ()),
    _ENUM64: (3, (0,), ()),
}
_ONE_ENTRY = frozenset({_INT, _ARRAY, _VAR, _DECL_TAG})
_THIRD_WORD_IS_TYPE = frozenset(
    {_PTR, _TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _FUNC, _FUNC_PROTO, _VAR, _DECL_TAG, _TYPE_TAG}
)


@dataclass
class _RawType:
    """One type: its three words and the words that follow, cut into entries."""

    name: str
    kind: int
    flag: int
    vlen: int
    third: int
    entries: list[list[int]]

    def references(self) -> Iterator[int]:
        if self.kind in _THIRD_WORD_IS_TYPE:
            yield self.third
        _, _, ids = _TAIL.get(self.kind, (0, (), ()))
        for entry in self.entries:
            for position in ids:
                yield entry[position]


def prune(data: bytes) -> bytes:
    """The `.BTF` section of emulated.o in, the emulated kernel's BTF out. ValueError if it is not BTF."""
    types, strings = _read(data)
    for btf_type in types:
        if btf_type.kind in (_STRUCT, _UNION):
            btf_type.entries = [e for e in btf_type.entries if not _string(strings, e[0]).startswith(HOLE_PREFIX)]
            btf_type.vlen = len(btf_type.entries)
        elif btf_type.kind == _FUNC:
            btf_type.vlen = 0
    return _write(types, strings, _needed(types))


def _read(data: bytes) -> tuple[list[_RawType], bytes]:
    """All types, void as entry 0, and the string section."""
    magic, version, _, header, type_at, type_len, str_at, str_len = _HEADER.unpack_from(data)
    if magic != _MAGIC or version != 1:
        raise ValueError(f"not little-endian BTF version 1 (magic {magic:#x}, version {version})")
    strings = data[header + str_at : header + str_at + str_len]
    types = [_RawType("", 0, 0, 0, 0, [])]
    at, end = header + type_at, header + type_at + type_len
    while at < end:
        name, info, third = _TYPE.unpack_from(data, at)
        kind, vlen = info >> 24 & 0x1F, info & 0xFFFF
        at += _TYPE.size
        width = _TAIL.get(kind, (0, (), ()))[0]
        entries = []
        for _ in range((1 if kind in _ONE_ENTRY else vlen) if width else 0):
            entries.append(list(struct.unpack_from(f"<{width}I", data, at)))
            at += 4 * width
        types.append(_RawType(_string(strings, name), kind, info >> 31, vlen, third, entries))
    return types, strings


def _string(strings: bytes, offset: int) -> str:
    return strings[offset : strings.index(0, offset)].decode()


def _needed(types: list[_RawType]) -> set[int]:
    """Ids reachable from functions, tags of functions and the types of root variables."""
    todo = [t.third for t in types if t.kind == _VAR and t.name.startswith(ROOT_PREFIX)]
    todo += [i for i, t in enumerate(types) if t.kind == _FUNC]
    todo += [i for i, t in enumerate(types) if t.kind == _DECL_TAG and types[t.third].kind == _FUNC]
    seen: set[int] = set()
    while todo:
        type_id = todo.pop()
        if type_id and type_id not in seen:
            seen.add(type_id)
            todo.extend(types[type_id].references())
    return seen


def _write(types: list[_RawType], strings: bytes, keep: set[int]) -> bytes:
    """The kept types in their old order with new ids, and a string section with just their names."""
    new_id = {0: 0} | {old: new for new, old in enumerate(sorted(keep), 1)}
    table = bytearray(b"\0")
    offsets = {"": 0}

    def intern(text: str) -> int:
        if text not in offsets:
            offsets[text] = len(table)
            table.extend(text.encode() + b"\0")
        return offsets[text]

    body = bytearray()
    for old in sorted(keep):
        t = types[old]
        third = new_id[t.third] if t.kind in _THIRD_WORD_IS_TYPE else t.third
        body += _TYPE.pack(intern(t.name), t.flag << 31 | t.kind << 24 | t.vlen, third)
        _, names, ids = _TAIL.get(t.kind, (0, (), ()))
        for entry in t.entries:
            words = list(entry)
            for position in names:
                words[position] = intern(_string(strings, entry[position]))
            for position in ids:
                words[position] = new_id[entry[position]]
            body += struct.pack(f"<{len(words)}I", *words)
    header = _HEADER.pack(_MAGIC, 1, 0, _HEADER.size, 0, len(body), len(body), len(table))
    return header + bytes(body) + bytes(table)
