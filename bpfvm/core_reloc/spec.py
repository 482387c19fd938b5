# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a CO-RE relocation names: a type, a path to a field, or an enumerator (libbpf relo_core.c, 1.7).

The access string ``0:1:2`` is raw: element 0 of what the pointer points to, then member 1, then member or element 2.
Its meaning is kept as accessors: the first index, named members and array elements; anonymous members leave none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.core_reloc.kinds import ENUM_KINDS, FIELD_KINDS, TYPE_KINDS, kind_name
from bpfvm.errors import BadInput

MAX_STEPS = 64


class Accessor(NamedTuple):
    """One step: element ``number`` of an array (``name`` None, ``type`` is the element's), or
    member ``name`` (number ``number``) of ``type``."""

    type: int
    number: int
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Spec:
    """A parsed access in one BTF. ``raw`` has every step, ``accessors`` those with a meaning."""

    btf: Btf
    kind: int
    root: int
    raw: tuple[int, ...] = ()
    accessors: tuple[Accessor, ...] = ()
    bit_offset: int = 0

    @property
    def path(self) -> str:
        """The C view of a field access, such as ``task_struct.se.load``."""
        steps = [self.btf.name_of(self.root) or "<anon>"]
        for number, step in enumerate(self.accessors):
            if step.name is not None:
                steps.append(f".{step.name}")
            elif number or step.number:
                steps.append(f"[{step.number}]")
        return "".join(steps)

    def __str__(self) -> str:
        """libbpf's form, as in ``<byte_off> [7] struct foo.bar (0:1 @ offset 8)`` (bpf_core_format_spec)."""
        found = self.btf.type(self.root)
        head = f"<{kind_name(self.kind)}> [{self.root}] {_word(found)} "
        if self.kind in TYPE_KINDS:
            return head + (found.name or "<anon>")
        if self.kind in ENUM_KINDS:
            enum = self.btf.resolve(self.root)
            assert isinstance(enum, t.Enum)  # parse_spec and match_spec only give enums
            name, value = enum.values[self.raw[0]]
            return f"{head}{found.name or '<anon>'}::{name} = {value}"
        whole, bits = divmod(self.bit_offset, 8)
        place = f"{whole}.{bits}" if bits else str(whole)
        return f"{head}{self.path} ({':'.join(map(str, self.raw))} @ offset {place})"


def _word(found: t.BtfType) -> str:
    return found.kind_name.lower()


def _bad(message: str) -> BadInput:
    return BadInput(message, section=".BTF.ext")


def parse_spec(btf: Btf, kind: int, type_id: int, access: str) -> Spec:
    """Read an access string against the types it was compiled with (bpf_core_parse_spec). Raises BadInput."""
    if kind in TYPE_KINDS:
        if access != "0":
            raise _bad(f"a type relocation can't have the access '{access}'")
        btf.type(type_id)
        return Spec(btf, kind, type_id)
    steps = access.split(":")
    if not all(step.isascii() and step.isdigit() and len(step) < 10 for step in steps) or len(steps) > MAX_STEPS:
        raise _bad(f"malformed access '{access}'")
    raw = tuple(map(int, steps))
    root = btf.skip_mods(type_id)
    if kind in ENUM_KINDS:
        enum = btf.type(root)
        if not isinstance(enum, t.Enum) or len(raw) > 1 or raw[0] >= len(enum.values):
            raise _bad(f"access '{access}' is not an enumerator of [{type_id}]")
        return Spec(btf, kind, type_id, raw, (Accessor(root, raw[0], enum.values[raw[0]][0]),))
    if kind not in FIELD_KINDS:
        raise _bad(f"unrecognized CO-RE relocation kind {kind}")
    return _field_spec(btf, kind, type_id, root, raw)


def _field_spec(btf: Btf, kind: int, type_id: int, root: int, raw: tuple[int, ...]) -> Spec:
    accessors = [Accessor(root, raw[0])]
    bits = 8 * raw[0] * btf.size_of(root)
    here = root
    for index in raw[1:]:
        here = btf.skip_mods(here)
        found = btf.type(here)
        if isinstance(found, t.Struct):
            if index >= len(found.members):
                raise _bad(f"member {index} is beyond the {len(found.members)} of {found.kind_name} '{found.name}'")
            member = found.members[index]
            bits += member.bit_offset
            if member.name:
                accessors.append(Accessor(here, index, member.name))
            here = member.type
        elif isinstance(found, t.Array):
            if index >= found.nelems and not is_flexible(btf, accessors[-1], found):
                raise _bad(f"element {index} is beyond the {found.nelems} of an array")
            here = btf.skip_mods(found.type)
            accessors.append(Accessor(here, index))
            bits += 8 * index * btf.size_of(here)
        else:
            raise _bad(f"access '{':'.join(map(str, raw))}' goes into type [{here}] of unexpected kind {_word(found)}")
    return Spec(btf, kind, type_id, raw, tuple(accessors), bits)


def is_flexible(btf: Btf, last: Accessor, array: t.Array) -> bool:
    """Whether ``array``, reached through accessor ``last``, is a flexible array: empty, its struct's last member."""
    if last.name is None or array.nelems:
        return False
    struct = btf.type(last.type)
    return isinstance(struct, t.Struct) and last.number == len(struct.members) - 1
