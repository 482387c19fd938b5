# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Global variables in an arena: section ``.addr_space.1`` is what the arena begins with (libbpf's
init_arena_map_data, 1.5: the object's only arena, its first pages)."""

from __future__ import annotations

from dataclasses import replace

from bpfvm.elf import Section
from bpfvm.errors import BadInput
from bpfvm.obj.maps import PAGE_SIZE
from bpfvm.obj.model import MapSpec


def add_arena_variables(maps: dict[str, MapSpec], section: Section | None) -> dict[int, str]:
    """Put the variables into the arena's map; returns {section index: map}, empty where there is none of the two.

    Raises BadInput for an arena that is too small.
    """
    arena = next((spec for spec in maps.values() if spec.map_type == "arena"), None)
    if section is None or arena is None:
        return {}
    room = arena.max_entries * PAGE_SIZE
    if -(-section.size // PAGE_SIZE) * PAGE_SIZE > room:
        message = (
            f"declared ARENA map size ({room}) is too small to hold global __arena variables of size {section.size}"
        )
        raise BadInput(f"elf: sec '{section.name}': {message}", section=section.name)
    maps[arena.name] = replace(arena, initial=bytes(section.data))
    return {section.index: arena.name}
