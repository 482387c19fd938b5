# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What libbpf makes of an object's maps: sizes that depend on the machine, and initial entries that name maps or
programs (libbpf 1.7 bpf_object__create_map, init_map_in_map_slots, bpf_object_init_prog_arrays)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bpfvm.obj.model import MapSpec
from bpfvm.runtime import Runtime
from bpfvm.runtime.maps import Map


def create(runtime: Runtime, spec: MapSpec) -> Map:
    """The map; a perf event array without a size gets a slot per CPU. Raises SyscallError."""
    if spec.map_type == "perf_event_array" and not spec.max_entries:
        spec = replace(spec, max_entries=runtime.cpus)
    return runtime.create_map(spec)


def fill_slots(maps: Mapping[str, Map], prog_ids: Mapping[str, int]) -> None:
    """Write ids into the slots that declarations name; a program that wasn't loaded leaves its slot empty.

    Raises SyscallError for a map or program that may not stand there.
    """
    for made in list(maps.values()):
        for index, name in made.spec.slots.items():
            found = prog_ids.get(name) if made.spec.map_type == "prog_array" else maps[name].id
            if found is not None:
                made.update(index.to_bytes(4, "little"), found.to_bytes(4, "little"))
