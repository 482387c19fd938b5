# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Loads (and the few stores) through pointers to kernel objects, by their BTF, and how far the result can be trusted.

Source: kernel/bpf/verifier.c check_ptr_to_btf_access, check_ptr_to_map_access; kernel/bpf/btf.c btf_struct_walk,
btf_struct_access, btf_struct_ids_match (6.18).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from verifier.env import Env
from verifier.memory.map_fields import is_allocated, struct_record
from verifier.rejection import EACCES, EFAULT, EINVAL, ENOTSUPP
from verifier.state.reg import Pointee, RegState, pointer, unknown
from verifier.state.reg_type import (
    MEM_ALLOC,
    MEM_PERCPU,
    MEM_RCU,
    MEM_RDONLY,
    MEM_USER,
    PTR_MAYBE_NULL,
    PTR_TO_BTF_ID,
    PTR_TO_MEM,
    PTR_TRUSTED,
    PTR_UNTRUSTED,
    is_non_owning_ref,
)
from verifier.steps.leaks import check_struct_access

SCALAR, POINTER, STRUCT, OPAQUE = 1, 2, 3, 4
ANON: Final = "(anon)"
TAGS: Final = {"user": MEM_USER, "percpu": MEM_PERCPU, "rcu": MEM_RCU}
UNSAFE: Final = PTR_MAYBE_NULL | PTR_UNTRUSTED | MEM_PERCPU | MEM_USER | MEM_RCU
UNTRUSTED_MEM: Final = PTR_TO_MEM | MEM_RDONLY | PTR_UNTRUSTED
Complain = Callable[[int, str], None]
"""(errno, log line); may raise."""


class Step(NamedTuple):
    """Where one step of a walk ended: kind SCALAR | POINTER | STRUCT | OPAQUE (a pointer
    to something that is not a struct) (0: nowhere), type id, flags, field name."""

    kind: int
    type_id: int = 0
    flags: int = 0
    field: str = ""


def walk(btf: Btf, type_id: int, off: int, size: int, flags: int, complain: Complain, flex: bool = True) -> Step:
    """The field at off..off+size of a struct, down to the innermost struct that starts there (btf_struct_walk)."""
    while True:
        found = btf.resolve(type_id)
        if not isinstance(found, t.Struct):
            complain(EINVAL, f"Type '{found.name or ANON}' is not a struct")
            return Step(0)
        if found.is_union and len(found.members) != 1:
            flags |= PTR_UNTRUSTED
        if off + size > found.size:
            again = _flexible(btf, found, off) if flex else None
            if again is None:
                complain(EACCES, f"access beyond struct {found.name or ANON} at off {off} size {size}")
                return Step(0)
            elem_id, off, elem_scalar = again
            if elem_scalar:
                return Step(SCALAR, 0, flags)
            type_id = elem_id
            continue
        step, type_id, off = _member(btf, found, off, size, flags, complain)
        if step is not None:
            return step


def _flexible(btf: Btf, found: t.Struct, off: int) -> tuple[int, int, bool] | None:
    """Into a trailing array without length: (element type, offset inside, whether it is a number)."""
    if not found.members:
        return None
    last = found.members[-1]
    array = btf.resolve(last.type)
    start = last.bit_offset >> 3
    if not isinstance(array, t.Array) or array.nelems or off < start:
        return None
    elem_id = btf.skip_mods(array.type)
    elem = btf.type(elem_id)
    if isinstance(elem, t.Int):
        return elem_id, 0, True
    if not isinstance(elem, t.Struct) or not elem.size:
        return None
    rest = off - start
    while rest >= elem.size:
        rest -= elem.size * max(1, (rest >> (elem.size.bit_length() + 1)))
    return elem_id, rest, False


def _elements(btf: Btf, type_id: int) -> tuple[int, int]:
    """(element type, number of elements) of a possibly many-dimensional array; (type, 1) for anything else."""
    count = 1
    type_id = btf.skip_mods(type_id)
    found = btf.type(type_id)
    while isinstance(found, t.Array):
        count *= found.nelems
        type_id = btf.skip_mods(found.type)
        found = btf.type(type_id)
    return type_id, count


def _member(
    btf: Btf, found: t.Struct, off: int, size: int, flags: int, complain: Complain
) -> tuple[Step | None, int, int]:
    """One level: the step that ends the walk, or (None, the struct to go on in, offset inside it)."""
    for member in found.members:
        start = member.bit_offset >> 3
        if off + size <= start:
            break
        if member.bitfield_size:
            end = (member.bit_offset + member.bitfield_size + 7) >> 3
            if off <= start and end <= off + size:
                return Step(SCALAR, 0, flags), 0, 0
            continue
        if off < start:
            break
        elem_id, count = _elements(btf, member.type)
        elem = btf.type(elem_id)
        elem_size = btf.size_of(elem_id) if not isinstance(elem, (t.FuncProto, t.Fwd, t.Void)) else 0
        end = start + elem_size * count
        if off >= end:
            continue
        if isinstance(btf.resolve(member.type), t.Array):
            at = start
            while at + elem_size <= off:
                at += elem_size * max(1, ((off - at) >> (elem_size.bit_length() + 1)))
            start = at
        if isinstance(elem, t.Struct):
            if off == start:
                return Step(STRUCT, elem_id, flags), 0, 0
            return None, elem_id, off - start
        if isinstance(elem, t.Ptr):
            if elem_size != size or off != start:
                complain(
                    EACCES,
                    f"cannot access ptr member {member.name} with moff {start} in struct {found.name or ANON} "
                    f"with off {off} size {size}",
                )
                return Step(0), 0, 0
            tag = btf.type(elem.type)
            tagged = TAGS.get(tag.name, 0) if isinstance(tag, t.TypeTag) else 0
            target_id = btf.skip_mods(elem.type)
            if isinstance(btf.type(target_id), t.Struct):
                return Step(POINTER, target_id, flags | tagged, member.name), 0, 0
            return Step(OPAQUE, 0, flags), 0, 0
        if off + size > end and not flags & PTR_UNTRUSTED:
            complain(
                EACCES,
                f"access beyond the end of member {member.name} (mend:{end}) in struct {found.name or ANON} "
                f"with off {off} size {size}",
            )
            return Step(0), 0, 0
        return Step(SCALAR, 0, flags), 0, 0
    complain(EINVAL, f"struct {found.name or ANON} doesn't have field at offset {off}")
    return Step(0), 0, 0


def struct_access(env: Env, btf: Btf, type_id: int, off: int, size: int, flex: bool = True) -> Step:
    """What a load of `size` bytes at `off` of a kernel object gives. Raises Rejection."""
    flags = 0
    while True:
        step = walk(btf, type_id, off, size, flags, env.reject, flex)
        if step.kind != STRUCT:
            return step
        type_id, off, flags = step.type_id, 0, step.flags


def ids_match(env: Env, btf: Btf, type_id: int, off: int, need_btf: Btf, need_id: int, strict: bool) -> bool:
    """The object at `off` is, or begins with, one of the type needed. Where the search ends is in the log, even if
    nothing is refused for it."""
    same = btf is need_btf
    if off == 0 and type_id == need_id and same:
        return True
    if strict:
        return False

    def note(errno: int, text: str) -> None:
        del errno
        env.report(text)

    while True:
        step = walk(btf, type_id, off, 1, 0, note)
        if step.kind != STRUCT:
            return False
        type_id = step.type_id
        if type_id == need_id and same:
            return True
        off = 0


def is_trusted(reg: RegState) -> bool:
    """Certainly a live object (kernel is_trusted_reg), other than by its base type."""
    return bool(reg.ref_obj_id) or bool(reg.type & (PTR_TRUSTED | MEM_ALLOC) and not reg.type & UNSAFE)


def _result_flags(env: Env, reg: RegState, step: Step) -> int:
    """Flags of a pointer loaded from a field, by what is known of the object it was loaded from."""
    type_, flag = reg.type, step.flags
    if type_ & PTR_UNTRUSTED:
        return PTR_UNTRUSTED
    if not (is_trusted(reg) or type_ & MEM_RCU):
        return flag & ~(PTR_TRUSTED | MEM_RCU)
    assert reg.ptr.btf is not None
    lists = env.profile.safe_fields
    key = (reg.ptr.btf.name_of(reg.ptr.btf_id), step.field)
    if key in lists.trusted:
        return flag | PTR_TRUSTED
    if key in lists.trusted_or_null:
        return flag | PTR_TRUSTED | PTR_MAYBE_NULL
    if not env.in_rcu() or type_ & PTR_MAYBE_NULL:
        return PTR_UNTRUSTED
    if key in lists.rcu:
        return flag | MEM_RCU
    if flag & MEM_RCU or key in lists.rcu_or_null:
        flag |= MEM_RCU | PTR_MAYBE_NULL
        return flag & ~PTR_UNTRUSTED if key in lists.rcu_or_null else flag
    if flag & (MEM_PERCPU | MEM_USER):
        return flag
    return flag & ~(PTR_TRUSTED | MEM_RCU)


def check_ptr_to_btf_access(env: Env, regno: int, off: int, size: int, write: bool, value_regno: int) -> None:
    """An access through PTR_TO_BTF_ID; a load puts its result into `value_regno` if that is not negative."""
    reg = env.frame.regs[regno]
    btf, type_ = reg.ptr.btf, reg.type
    assert btf is not None
    name = btf.name_of(reg.ptr.btf_id)
    check_struct_access(env, name)
    if not env.gpl and btf is env.kernel_btf:
        env.reject(EINVAL, f"Cannot access kernel 'struct {name}' from non-GPL compatible program")
    if off < 0:
        env.reject(EACCES, f"R{regno} is ptr_{name} invalid negative access: off={off}")
    var_off = reg.num.var_off
    if var_off.mask or var_off.value:
        env.reject(EACCES, f"R{regno} is ptr_{name} invalid variable offset: off={off}, var_off={var_off}")
    if type_ & MEM_USER:
        env.reject(EACCES, f"R{regno} is ptr_{name} access user memory: off={off}")
    if type_ & MEM_PERCPU:
        env.reject(EACCES, f"R{regno} is ptr_{name} access percpu memory: off={off}")
    if is_allocated(type_):
        _check_allocated(env, reg, off, size, write, value_regno)
        return
    if write:
        _store(env, reg, off, size)
        return
    step = struct_access(env, btf, reg.ptr.btf_id, off, size)
    env.probe_mem.add(env.insn_idx)
    if value_regno < 0:
        return
    if step.kind != POINTER:
        env.frame.regs[value_regno] = _not_object(env, step)
        return
    flags = _result_flags(env, reg, step)
    id_ = env.new_id() if flags & PTR_MAYBE_NULL else 0
    env.frame.regs[value_regno] = pointer(PTR_TO_BTF_ID | flags, id=id_, ptr=Pointee(btf=btf, btf_id=step.type_id))


def _check_allocated(env: Env, reg: RegState, off: int, size: int, write: bool, value_regno: int) -> None:
    """An access to an object the program allocated: all of it but its special fields may be read and written; a
    pointer read is a number."""
    btf, type_ = reg.ptr.btf, reg.type
    assert btf is not None
    if type_ & PTR_UNTRUSTED:
        if write:
            env.reject(EACCES, "only read is supported")
        env.probe_mem.add(env.insn_idx)
    elif not is_non_owning_ref(type_) and not type_ & MEM_RCU and not reg.ref_obj_id:
        env.reject(EFAULT, "verifier bug: ref_obj_id for allocated object must be non-zero")
    record = struct_record(btf, reg.ptr.btf_id)
    for field in record.fields if record is not None else ():
        if off < field.offset + field.size and field.offset < off + size:
            env.reject(EACCES, f"direct access to {field.label} is disallowed")
    step = struct_access(env, btf, reg.ptr.btf_id, off, size, flex=False)
    if not write and value_regno >= 0:
        env.frame.regs[value_regno] = _not_object(env, step)


def _not_object(env: Env, step: Step) -> RegState:
    """A number, or (since 6.17) a pointer that may be followed with faults caught."""
    if step.kind == OPAQUE and env.profile.untrusted_mem:
        return pointer(UNTRUSTED_MEM)
    return unknown()


def _store(env: Env, reg: RegState, off: int, size: int) -> None:
    """Only where the struct_ops type says so."""
    writer = env.btf_store
    if reg.type & PTR_UNTRUSTED or writer is None:
        env.reject(EACCES, "only read is supported")
    assert reg.ptr.btf is not None
    refusal = writer(reg.ptr.btf.name_of(reg.ptr.btf_id), off, size)
    if refusal is not None:
        env.reject(refusal[0], refusal[1])


def check_map_ptr_access(env: Env, regno: int, off: int, size: int, write: bool, value_regno: int) -> None:
    """A load from the kernel's own struct of a map (map_ptr->max_entries …)."""
    reg = env.frame.regs[regno]
    assert reg.ptr.map is not None
    struct = env.profile.map_structs.get(reg.ptr.map.map_type, "")
    type_id = env.kernel_btf.find(struct, t.Struct) if struct else 0
    if not type_id:
        env.reject(ENOTSUPP, f"map_ptr access not supported for map type {env.profile.map_type(reg.ptr.map)}")
    check_struct_access(env, struct)
    if off < 0:
        env.reject(EACCES, f"R{regno} is {struct} invalid negative access: off={off}")
    if write:
        env.reject(EACCES, f"only read from {struct} is supported")
    step = struct_access(env, env.kernel_btf, type_id, off, size)
    env.probe_mem.add(env.insn_idx)
    if value_regno < 0:
        return
    if step.kind == SCALAR or step.kind == OPAQUE:
        env.frame.regs[value_regno] = _not_object(env, step)
    elif step.kind == POINTER:
        flags = step.flags & ~(PTR_TRUSTED | MEM_RCU)
        env.frame.regs[value_regno] = pointer(
            PTR_TO_BTF_ID | flags, ptr=Pointee(btf=env.kernel_btf, btf_id=step.type_id)
        )
    else:
        env.reject(EFAULT, "")
