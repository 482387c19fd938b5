# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The ids in a type: which others it refers to, and the same type with other ids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bpfvm.btf import types as t

_REFERRING = (t.Ptr, t.Typedef, t.Volatile, t.Const, t.Restrict, t.TypeTag, t.Func, t.Var, t.DeclTag)


def references(found: t.BtfType) -> tuple[int, ...]:
    """The ids in a type, in file order."""
    if isinstance(found, t.Array):
        return found.type, found.index_type
    if isinstance(found, t.Struct):
        return tuple(member.type for member in found.members)
    if isinstance(found, t.FuncProto):
        return (found.ret, *(param.type for param in found.params))
    if isinstance(found, t.Datasec):
        return tuple(entry.type for entry in found.vars)
    return (found.type,) if isinstance(found, _REFERRING) else ()


def renumbered(found: t.BtfType, new: Callable[[int], int]) -> t.BtfType:
    """The type with every id replaced by ``new`` of it."""
    if isinstance(found, t.Array):
        return replace(found, type=new(found.type), index_type=new(found.index_type))
    if isinstance(found, t.Struct):
        return replace(found, members=tuple(member._replace(type=new(member.type)) for member in found.members))
    if isinstance(found, t.FuncProto):
        params = tuple(param._replace(type=new(param.type)) for param in found.params)
        return replace(found, ret=new(found.ret), params=params)
    if isinstance(found, t.Datasec):
        return replace(found, vars=tuple(entry._replace(type=new(entry.type)) for entry in found.vars))
    return replace(found, type=new(found.type)) if isinstance(found, _REFERRING) else found
