# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One type record to one value of ``types``."""

from __future__ import annotations

import struct
from collections.abc import Callable

from bpfvm.btf import types as t
from bpfvm.errors import BadInput

_HEAD = struct.Struct("<III")
_U32 = struct.Struct("<I")
_PAIR = struct.Struct("<II")
_TRIPLE = struct.Struct("<III")
_S32_PAIR = struct.Struct("<Ii")

Str = Callable[[int], str]


def parse_type(view: memoryview, offset: int, string: Str) -> t.BtfType:
    """The type whose record starts at ``offset``; ``string`` turns string offsets to text (may raise BadInput)."""
    name_off, info, size_or_type = _HEAD.unpack_from(view, offset)
    kind = info >> 24 & 31
    make: _Maker = _MAKERS[kind]
    return make(view, offset + 12, string(name_off), info & 0xFFFF, bool(info >> 31), size_or_type, string)


def _int(v: memoryview, at: int, name: str, vlen: int, flag: bool, size: int, s: Str) -> t.BtfType:
    (data,) = _U32.unpack_from(v, at)
    return t.Int(name, size, data & 0xFF, data >> 24 & 0xF, data >> 16 & 0xFF)


def _array(v: memoryview, at: int, name: str, vlen: int, flag: bool, size: int, s: Str) -> t.BtfType:
    return t.Array(*_TRIPLE.unpack_from(v, at))


def _composite(v: memoryview, at: int, name: str, vlen: int, flag: bool, size: int, s: Str, union: bool) -> t.BtfType:
    members = []
    for name_off, type_id, bits in _TRIPLE.iter_unpack(v[at : at + 12 * vlen]):
        if flag:
            members.append(t.Member(s(name_off), type_id, bits & 0xFFFFFF, bits >> 24))
        else:
            members.append(t.Member(s(name_off), type_id, bits, 0))
    return t.Struct(name, size, tuple(members), union, flag)


def _struct(v: memoryview, at: int, name: str, vlen: int, flag: bool, size: int, s: Str) -> t.BtfType:
    return _composite(v, at, name, vlen, flag, size, s, False)


def _union(v: memoryview, at: int, name: str, vlen: int, flag: bool, size: int, s: Str) -> t.BtfType:
    return _composite(v, at, name, vlen, flag, size, s, True)


def _enum(v: memoryview, at: int, name: str, vlen: int, flag: bool, size: int, s: Str) -> t.BtfType:
    layout = _S32_PAIR if flag else _PAIR
    values = tuple((s(n), value) for n, value in layout.iter_unpack(v[at : at + 8 * vlen]))
    return t.Enum(name, size, values, flag)


def _enum64(v: memoryview, at: int, name: str, vlen: int, flag: bool, size: int, s: Str) -> t.BtfType:
    values = []
    for name_off, low, high in _TRIPLE.iter_unpack(v[at : at + 12 * vlen]):
        value = high << 32 | low
        values.append((s(name_off), value - (1 << 64) if flag and high >> 31 else value))
    return t.Enum(name, size, tuple(values), flag, True)


def _fwd(v: memoryview, at: int, name: str, vlen: int, flag: bool, size: int, s: Str) -> t.BtfType:
    return t.Fwd(name, flag)


def _func_proto(v: memoryview, at: int, name: str, vlen: int, flag: bool, ret: int, s: Str) -> t.BtfType:
    params = tuple(t.Param(s(n), type_id) for n, type_id in _PAIR.iter_unpack(v[at : at + 8 * vlen]))
    return t.FuncProto(ret, params)


def _var(v: memoryview, at: int, name: str, vlen: int, flag: bool, type_id: int, s: Str) -> t.BtfType:
    return t.Var(name, type_id, _U32.unpack_from(v, at)[0])


def _datasec(v: memoryview, at: int, name: str, vlen: int, flag: bool, size: int, s: Str) -> t.BtfType:
    return t.Datasec(name, size, tuple(t.VarSecinfo(*e) for e in _TRIPLE.iter_unpack(v[at : at + 12 * vlen])))


def _decl_tag(v: memoryview, at: int, name: str, vlen: int, flag: bool, type_id: int, s: Str) -> t.BtfType:
    return t.DeclTag(name, type_id, struct.unpack_from("<i", v, at)[0], flag)


def _never(v: memoryview, at: int, name: str, vlen: int, flag: bool, size: int, s: Str) -> t.BtfType:
    raise BadInput("Invalid kind", section=".BTF", offset=at - 12)


_Maker = Callable[[memoryview, int, str, int, bool, int, Str], t.BtfType]
_MAKERS: tuple[_Maker, ...] = (
    _never,
    _int,
    lambda v, at, name, vlen, flag, ref, s: t.Ptr(ref),
    _array,
    _struct,
    _union,
    _enum,
    _fwd,
    lambda v, at, name, vlen, flag, ref, s: t.Typedef(name, ref),
    lambda v, at, name, vlen, flag, ref, s: t.Volatile(ref),
    lambda v, at, name, vlen, flag, ref, s: t.Const(ref),
    lambda v, at, name, vlen, flag, ref, s: t.Restrict(ref),
    lambda v, at, name, vlen, flag, ref, s: t.Func(name, ref, vlen),
    _func_proto,
    _var,
    _datasec,
    lambda v, at, name, vlen, flag, size, s: t.Float(name, size),
    _decl_tag,
    lambda v, at, name, vlen, flag, ref, s: t.TypeTag(name, ref, flag),
    _enum64,
)
