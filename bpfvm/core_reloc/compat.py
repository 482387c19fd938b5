# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""When local and kernel types may stand for each other: three relations (libbpf relo_core.c, 1.7)."""

from __future__ import annotations

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.btf.flavour import essential_name
from bpfvm.errors import BadInput

MAX_DEPTH = 32
_Memo = dict[tuple[int, int, bool], bool]
"""answers already found for a pair of types, so that shared types are compared once"""


def same_kind(local: t.BtfType, target: t.BtfType) -> bool:
    """Equal kinds; ENUM and ENUM64 count as one."""
    return local.kind == target.kind or (isinstance(local, t.Enum) and isinstance(target, t.Enum))


def _too_deep(btf: Btf, type_id: int) -> BadInput:
    return BadInput(f"types nest too deeply at [{type_id}] {btf.name_of(type_id)}", section=".BTF")


def fields_are_compat(local: Btf, local_id: int, target: Btf, target_id: int) -> bool:
    """Whether a field of the one type can be read as the other: any two pointers, ints, structs; enums by name."""
    for _ in range(MAX_DEPTH):
        left, right = local.resolve(local_id), target.resolve(target_id)
        if isinstance(left, t.Struct) and isinstance(right, t.Struct):
            return True
        if not same_kind(left, right):
            return False
        if isinstance(left, (t.Ptr, t.Float)):
            return True
        if isinstance(left, (t.Fwd, t.Enum)):
            names = essential_name(left.name), essential_name(right.name)
            return "" in names or names[0] == names[1]
        if isinstance(left, t.Int) and isinstance(right, t.Int):
            return left.bit_offset == 0 and right.bit_offset == 0
        if not isinstance(left, t.Array) or not isinstance(right, t.Array):
            return False
        local_id, target_id = left.type, right.type
    raise _too_deep(local, local_id)


def types_are_compat(
    local: Btf, local_id: int, target: Btf, target_id: int, level: int = MAX_DEPTH, memo: _Memo | None = None
) -> bool:
    """Whether two types have the same shape as far as kinds go; names, members and sizes don't matter."""
    memo = {} if memo is None else memo
    key = (local_id, target_id, False)
    if key not in memo:
        memo[key] = _same_shape(local, local_id, target, target_id, level, memo)
    return memo[key]


def _same_shape(local: Btf, local_id: int, target: Btf, target_id: int, level: int, memo: _Memo) -> bool:
    if not same_kind(local.type(local_id), target.type(target_id)):
        return False
    for _ in range(MAX_DEPTH):
        left, right = local.resolve(local_id), target.resolve(target_id)
        if not same_kind(left, right):
            return False
        if isinstance(left, (t.Void, t.Struct, t.Enum, t.Fwd)):
            return True
        if isinstance(left, t.Int) and isinstance(right, t.Int):
            return left.bit_offset == 0 and right.bit_offset == 0
        if isinstance(left, (t.Ptr, t.Array)) and isinstance(right, (t.Ptr, t.Array)):
            local_id, target_id = left.type, right.type
        elif isinstance(left, t.FuncProto) and isinstance(right, t.FuncProto):
            if not _params_are_compat(local, left, target, right, level, memo):
                return False
            local_id, target_id = local.skip_mods(left.ret), target.skip_mods(right.ret)
        else:
            return False
    raise _too_deep(local, local_id)


def _params_are_compat(local: Btf, left: t.FuncProto, target: Btf, right: t.FuncProto, level: int, memo: _Memo) -> bool:
    if len(left.params) != len(right.params):
        return False
    for ours, theirs in zip(left.params, right.params, strict=True):
        if level <= 0:
            raise _too_deep(local, ours.type)
        ids = local.skip_mods(ours.type), target.skip_mods(theirs.type)
        if not types_are_compat(local, ids[0], target, ids[1], level - 1, memo):
            return False
    return True


def types_match(
    local: Btf,
    local_id: int,
    target: Btf,
    target_id: int,
    *,
    behind_ptr: bool = False,
    level: int = MAX_DEPTH,
    memo: _Memo | None = None,
) -> bool:
    """Whether the local type is the kernel's, or a part of it: members, enumerators, prototypes by name and shape."""
    memo = {} if memo is None else memo
    key = (local_id, target_id, behind_ptr)
    if level <= 0:
        raise _too_deep(local, local_id)
    if key not in memo:
        memo[key] = _matches(local, local_id, target, target_id, behind_ptr, level, memo)
    return memo[key]


def _matches(local: Btf, local_id: int, target: Btf, target_id: int, behind_ptr: bool, level: int, memo: _Memo) -> bool:
    for _ in range(MAX_DEPTH):
        left, right = local.resolve(local_id), target.resolve(target_id)
        if not _names_match(left.name, right.name):
            return False
        if isinstance(left, (t.Struct, t.Fwd)):
            return _composites_match(local, left, target, right, behind_ptr, level, memo)
        if isinstance(left, t.Enum):
            return isinstance(right, t.Enum) and _enums_match(left, right)
        if left.kind != right.kind:
            return False
        if isinstance(left, t.Int) and isinstance(right, t.Int):
            return left.size == right.size and left.signed == right.signed
        if isinstance(left, t.Ptr) and isinstance(right, t.Ptr):
            behind_ptr = True
            local_id, target_id = left.type, right.type
        elif isinstance(left, t.Array) and isinstance(right, t.Array):
            if left.nelems != right.nelems:
                return False
            local_id, target_id = left.type, right.type
        elif isinstance(left, t.FuncProto) and isinstance(right, t.FuncProto):
            if not _params_match(local, left, target, right, behind_ptr, level, memo):
                return False
            local_id, target_id = left.ret, right.ret
        else:
            return isinstance(left, t.Void)
    raise _too_deep(local, local_id)


def _names_match(local: str, target: str) -> bool:
    return not local if not target else essential_name(local) == essential_name(target)


def _enums_match(left: t.Enum, right: t.Enum) -> bool:
    if left.size != right.size or len(left.values) > len(right.values):
        return False
    offered = {essential_name(name) for name, _ in right.values}
    return all(essential_name(name) in offered for name, _ in left.values)


def _params_match(
    local: Btf, left: t.FuncProto, target: Btf, right: t.FuncProto, behind_ptr: bool, level: int, memo: _Memo
) -> bool:
    return len(left.params) == len(right.params) and all(
        types_match(local, ours.type, target, theirs.type, behind_ptr=behind_ptr, level=level - 1, memo=memo)
        for ours, theirs in zip(left.params, right.params, strict=True)
    )


def _composites_match(
    local: Btf, left: t.Struct | t.Fwd, target: Btf, right: t.BtfType, behind_ptr: bool, level: int, memo: _Memo
) -> bool:
    """Behind a pointer, kinds are enough and a forward declaration stands for its struct; otherwise members count."""
    if not isinstance(right, (t.Struct, t.Fwd)) or left.is_union != right.is_union:
        return False
    if isinstance(left, t.Fwd) or isinstance(right, t.Fwd):
        return behind_ptr or (isinstance(left, t.Fwd) and isinstance(right, t.Fwd))
    if behind_ptr:
        return True
    if len(left.members) > len(right.members):
        return False
    return all(
        any(
            _names_match(ours.name, theirs.name)
            and types_match(local, ours.type, target, theirs.type, behind_ptr=behind_ptr, level=level - 1, memo=memo)
            for theirs in right.members
        )
        for ours in left.members
    )
