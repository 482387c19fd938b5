# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Finding in the kernel's types what a local ``Spec`` names (libbpf's bpf_core_add_cands, bpf_core_spec_match, 1.7)."""

from __future__ import annotations

from dataclasses import replace

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.btf.flavour import essential_name
from bpfvm.core_reloc.compat import fields_are_compat, same_kind, types_are_compat, types_match
from bpfvm.core_reloc.kinds import ENUM_KINDS, TYPE_KINDS, TYPE_MATCHES
from bpfvm.core_reloc.spec import MAX_STEPS, Accessor, Spec, is_flexible
from bpfvm.errors import BadInput

MAX_CANDIDATES = 1024
"""every relocation is tried on every candidate"""


def candidates(local: Btf, type_id: int, target: Btf) -> list[int]:
    """Ids of the kernel's types whose name is the local type's, flavours of both ignored, with the same kind.

    Raises BadInput for more than any kernel has.
    """
    wanted = local.type(type_id)
    essential = essential_name(wanted.name)
    names = [essential, *target.flavours(essential)]
    ids = (found for name in names for found in target.find_all(name))
    fitting = sorted(found for found in ids if same_kind(wanted, target.type(found)))
    if len(fitting) > MAX_CANDIDATES:
        raise BadInput(f"{len(fitting)} types are called '{essential}'; at most {MAX_CANDIDATES} can be candidates")
    return fitting


def match_spec(local: Spec, target: Btf, type_id: int) -> Spec | None:
    """The same access in candidate ``type_id``, None if it lacks it. Raises BadInput for endless nesting."""
    root = Spec(target, local.kind, type_id)
    if local.kind in TYPE_KINDS:
        relation = types_match if local.kind == TYPE_MATCHES else types_are_compat
        return root if relation(local.btf, local.root, target, type_id) else None
    if local.kind in ENUM_KINDS:
        return _match_enumerator(local, root)
    return _match_field(local, root)


def _match_enumerator(local: Spec, root: Spec) -> Spec | None:
    enum_id = root.btf.skip_mods(root.root)
    enum = root.btf.type(enum_id)
    if not isinstance(enum, t.Enum):
        return None
    wanted = essential_name(local.accessors[0].name or "")
    for index, (name, _value) in enumerate(enum.values):
        if essential_name(name) == wanted:
            return replace(root, raw=(index,), accessors=(Accessor(enum_id, index, name),))
    return None


def _match_field(local: Spec, root: Spec) -> Spec | None:
    found, here = root, root.root
    for number, step in enumerate(local.accessors):
        here = root.btf.skip_mods(here)
        if step.name is not None:
            hit = _match_member(local.btf, step, found, here, set())
        else:
            hit = _match_element(step, found, here, first=number == 0)
        if hit is None:
            return None
        found, here = hit
    return found


def _match_element(step: Accessor, found: Spec, here: int, *, first: bool) -> tuple[Spec, int] | None:
    """One array element; the first index counts from the object itself, which is no array."""
    if not first:
        array = found.btf.type(here)
        if not isinstance(array, t.Array):
            return None
        if step.number >= array.nelems and not is_flexible(found.btf, found.accessors[-1], array):
            return None
        here = found.btf.skip_mods(array.type)
    bits = found.bit_offset + 8 * step.number * found.btf.size_of(here)
    return _stepped(found, step.number, Accessor(here, step.number), bits), here


def _stepped(found: Spec, index: int, accessor: Accessor | None, bits: int) -> Spec:
    if len(found.raw) == MAX_STEPS:
        raise BadInput(f"'{found.path}' nests too deeply", section=".BTF")
    accessors = found.accessors if accessor is None else (*found.accessors, accessor)
    return replace(found, raw=(*found.raw, index), accessors=accessors, bit_offset=bits)


def _match_member(local: Btf, step: Accessor, found: Spec, here: int, seen: set[int]) -> tuple[Spec, int] | None:
    """The member with the step's name, anonymous members searched too but for those in ``seen``."""
    struct, ours = found.btf.type(here), local.type(step.type)
    if not isinstance(struct, t.Struct) or not isinstance(ours, t.Struct):
        return None
    for index, member in enumerate(struct.members):
        bits = found.bit_offset + member.bit_offset
        if not member.name:
            if member.type in seen:
                continue
            seen.add(member.type)
            inner = _stepped(found, index, None, bits)
            hit = _match_member(local, step, inner, found.btf.skip_mods(member.type), seen)
            if hit is not None:
                return hit
        elif member.name == step.name:
            if not fields_are_compat(local, ours.members[step.number].type, found.btf, member.type):
                return None
            return _stepped(found, index, Accessor(here, index, member.name), bits), member.type
    return None
