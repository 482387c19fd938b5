# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Changing an opened object before it is loaded: struct_ops members (libbpf's shadow types) and global variables.

Specs are values: each function returns a new ``ObjectSpec``.
"""

from __future__ import annotations

from dataclasses import replace

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.btf.layout import Place
from bpfvm.btf.layout import member as member_place
from bpfvm.errors import BadInput, UsageError
from bpfvm.obj.model import MapSpec, ObjectSpec
from bpfvm.obj.struct_ops import is_func_ptr

Number = int | bool


def with_member(spec: ObjectSpec, name: str, member: str, value: Number | bytes | str | None) -> ObjectSpec:
    """Set a member of the struct_ops instance ``name``.

    Function slots take a program's name, or None to empty them; data members (paths such as ``a.b[2]`` too) a number or
    their bytes. Raises UsageError for names and values that don't fit.
    """
    instance = spec.struct_ops.get(name)
    if instance is None or spec.btf is None:
        known = ", ".join(spec.struct_ops) or "none"
        raise UsageError(f"no struct_ops map '{name}' in {spec.path} (it has: {known})")
    place = _place(spec.btf, instance.type_id, member)
    if is_func_ptr(spec.btf, place.type):
        changed = replace(instance, funcs=_funcs(spec, dict(instance.funcs), member, value))
    else:
        changed = replace(instance, initial=_stored(spec.btf, instance.initial, place, value, f"{name}.{member}"))
    return replace(spec, struct_ops={**spec.struct_ops, name: changed})


def _place(btf: Btf, type_id: int, path: str) -> Place:
    try:
        return member_place(btf, type_id, path)
    except BadInput as error:
        struct = btf.resolve(type_id)
        has = ", ".join(m.name for m in struct.members if m.name) if isinstance(struct, t.Struct) else "no members"
        raise UsageError(f"{error.message} (it has: {has})") from error


def _funcs(spec: ObjectSpec, funcs: dict[str, str], member: str, value: object) -> dict[str, str]:
    if value is None:
        funcs.pop(member, None)
        return funcs
    program = spec.programs.get(value) if isinstance(value, str) else None
    if program is None or program.prog_type != "struct_ops":
        programs = ", ".join(p.name for p in spec.programs.values() if p.prog_type == "struct_ops")
        raise UsageError(f"member {member} takes a struct_ops program, not '{value}' (programs: {programs or 'none'})")
    return {**funcs, member: program.name}


def _stored(btf: Btf, data: bytes, place: Place, value: object, what: str) -> bytes:
    """``data`` with ``value`` at ``place``."""
    size = btf.size_of(place.type)
    bits = place.bitfield_size or 8 * size
    if bits == 0 or place.bit_offset + bits > 8 * len(data):
        raise BadInput(f"{what} has {bits} bits at bit {place.bit_offset}, outside of the {len(data)} bytes there are")
    if isinstance(value, bytes) and not place.bitfield_size:
        if len(value) > size:
            raise UsageError(f"{what} has {size} bytes, not {len(value)}")
        raw = value.ljust(size, b"\0")
        return data[: place.offset] + raw + data[place.offset + size :]
    if not isinstance(value, int):
        raise UsageError(f"{what} takes a number or bytes, not {value!r}")
    found = btf.resolve(place.type)
    if not isinstance(found, (t.Int, t.Enum, t.Ptr)):
        raise UsageError(f"{what} is a {found.kind_name.lower()}: give its {size} bytes, or set a part of it")
    signed = isinstance(found, (t.Int, t.Enum)) and found.signed
    low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if signed else (0, 1 << bits)
    if not low <= value < high:
        raise UsageError(f"{value} doesn't fit {what}, which holds {low} … {high - 1}")
    mask = ((1 << bits) - 1) << place.bit_offset
    whole = int.from_bytes(data, "little") & ~mask | (value << place.bit_offset) & mask
    return whole.to_bytes(len(data), "little")


def _variable(spec: ObjectSpec, path: str) -> tuple[str, MapSpec, Place]:
    """The map that holds a global variable (or a member of one), and its place there."""
    name, rest = _split(path)
    known: list[str] = []
    for key, each in spec.maps.items():
        datasec = each.btf.type(each.value_type_id) if each.btf is not None and each.initial is not None else None
        if each.btf is None or not isinstance(datasec, t.Datasec):
            continue
        for entry in datasec.vars:
            var = each.btf.type(entry.type)
            known.append(var.name)
            if isinstance(var, t.Var) and var.name == name:
                inner = _place(each.btf, var.type, rest) if rest else Place(var.type, 0)
                return key, each, inner._replace(bit_offset=inner.bit_offset + 8 * entry.offset)
    raise UsageError(f"no global variable '{name}' in {spec.path} (it has: {', '.join(known) or 'none'})")


def _split(path: str) -> tuple[str, str]:
    """``"a.b[1]"`` → ``"a"``, ``"b[1]"``."""
    end = next((at for at, char in enumerate(path) if char in ".["), len(path))
    return path[:end], path[end:].removeprefix(".")


def set_global(spec: ObjectSpec, path: str, value: Number | bytes) -> ObjectSpec:
    """Set a global variable's initial value, by name, or part of it (``"config.limits[2]"``).

    Works for constants (``const volatile``) too, before loading. Raises UsageError.
    """
    key, holder, place = _variable(spec, path)
    assert holder.btf is not None and holder.initial is not None  # _variable has seen to it
    initial = _stored(holder.btf, holder.initial, place, value, path)
    return replace(spec, maps={**spec.maps, key: replace(holder, initial=initial)})


def set_attach_target(spec: ObjectSpec, function: str) -> ObjectSpec:
    """Extensions replace ``function``, whatever their section names (bpf_program__set_attach_target)."""
    changed = {
        name: replace(each, attach_to=function) if each.prog_type == "ext" else each
        for name, each in spec.programs.items()
    }
    return replace(spec, programs=changed)


def get_global(spec: ObjectSpec, path: str) -> int | bytes:
    """The initial value of a global variable: a number if it is one, else its bytes. Raises UsageError."""
    _, holder, place = _variable(spec, path)
    assert holder.btf is not None and holder.initial is not None  # _variable has seen to it
    found, size = holder.btf.resolve(place.type), holder.btf.size_of(place.type)
    raw = holder.initial[place.offset : place.offset + size]
    if not isinstance(found, (t.Int, t.Enum, t.Ptr)):
        return raw
    if place.bitfield_size:
        bits = int.from_bytes(holder.initial, "little") >> place.bit_offset
        return bits & ((1 << place.bitfield_size) - 1)
    return int.from_bytes(raw, "little", signed=isinstance(found, (t.Int, t.Enum)) and found.signed)
