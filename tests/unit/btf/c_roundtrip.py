# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Compile a printed header and compare the layouts that the compiler made with those of the BTF it came from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.elf import read_elf

Leaf = tuple[str, int, int]


def leaves(btf: Btf, struct: t.Struct, base: int = 0) -> list[Leaf]:
    """Names, bit offsets and bit-field widths of all members; anonymous ones replaced by theirs."""
    found: list[Leaf] = []
    for member in struct.members:
        inner = btf.resolve(member.type)
        at = base + member.bit_offset
        if member.name:
            found.append((member.name, at, member.bitfield_size))
        elif isinstance(inner, t.Struct):
            found += leaves(btf, inner, at)
    return found


def unique_structs(btf: Btf) -> Iterator[t.Struct]:
    """Named structs and unions whose tag is theirs alone, so that the printed name is known."""
    for type_id in btf.ids():
        if btf.kind_of(type_id) not in (4, 5):
            continue
        found = btf.type(type_id)
        if isinstance(found, t.Struct) and found.name and len(list(btf.find_all(found.name, t.Struct, t.Enum))) == 1:
            yield found


def assertions(btf: Btf, header: str) -> tuple[str, int]:
    """A translation unit that asserts sizes and offsets of everything but bit-fields, and the number of structs."""
    lines, count = [header], 0
    for struct in unique_structs(btf):
        count += 1
        tag = f"{'union' if struct.is_union else 'struct'} {struct.name}"
        lines.append(f'_Static_assert(sizeof({tag}) == {struct.size}, "{tag}");')
        for name, bits, width in leaves(btf, struct):
            if not width:
                lines.append(f'_Static_assert(__builtin_offsetof({tag}, {name}) == {bits // 8}, "{tag}.{name}");')
    return "\n".join(lines), count


def structs_with_bitfields(btf: Btf, header: str, *, everything: bool) -> str:
    """A translation unit whose BTF has every struct with bit-fields, or every struct."""
    lines = [header]
    for number, struct in enumerate(unique_structs(btf)):
        if everything or any(width for _, _, width in leaves(btf, struct)):
            lines.append(f"{'union' if struct.is_union else 'struct'} {struct.name} v_{number};")
    return "\n".join(lines)


def compare(btf: Btf, compiled: Path) -> int:
    """Compare every struct that both have; returns how many."""
    section = read_elf(compiled.read_bytes(), str(compiled)).section(".BTF")
    assert section is not None
    made = Btf.parse(bytes(section.data))
    ours = {s.name: (s.size, leaves(made, s)) for s in unique_structs(made)}
    count = 0
    for struct in unique_structs(btf):
        if struct.name in ours:
            assert ours[struct.name] == (struct.size, leaves(btf, struct)), struct.name
            count += 1
    return count
