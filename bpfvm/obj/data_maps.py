# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Global variables: each .data*, .rodata* and .bss* section becomes a one-element array map (libbpf 1.7)."""

from __future__ import annotations

import re

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.elf import Section
from bpfvm.isa.map_types import BPF_F_MMAPABLE, BPF_F_RDONLY_PROG
from bpfvm.obj.model import MapSpec

NAME_MAX = 15
"""BPF_OBJ_NAME_LEN without its NUL"""
_SUFFIX_MIN = 7


def data_map_name(obj_name: str, section: str) -> str:
    """The kernel-visible name of a section's map: ``my_objec.rodata``, or ``.data.custom`` for custom sections.

    The section keeps at least 7 places of the 15 (libbpf's internal_map_name, which counts so for ``.bss`` too).
    """
    suffix = min(max(_SUFFIX_MIN, len(section)), NAME_MAX)
    prefix = 0 if "." in section[1:] else NAME_MAX - suffix
    return re.sub(r"[^A-Za-z0-9_.]", "_", obj_name[:prefix] + section[:suffix])


def data_map(btf: Btf | None, obj_name: str, section: Section) -> MapSpec:
    """The map of one data section, with its initial contents."""
    frozen = section.name == ".rodata" or section.name.startswith(".rodata.")
    initial = bytes(section.size) if section.kind == "NOBITS" else bytes(section.data)
    return section_map(btf, obj_name, section.name, initial, frozen)


def section_map(btf: Btf | None, obj_name: str, section: str, initial: bytes, frozen: bool) -> MapSpec:
    """A one-element array map over ``initial``, typed by the DATASEC named ``section``."""
    datasec_id = btf.find(section, t.Datasec) if btf is not None else 0
    return MapSpec(
        name=data_map_name(obj_name, section),
        map_type="array",
        key_size=4,
        value_size=len(initial),
        max_entries=1,
        map_flags=(BPF_F_RDONLY_PROG if frozen else 0) | (BPF_F_MMAPABLE if _visible(btf, datasec_id) else 0),
        btf=btf,
        value_type_id=datasec_id,
        initial=initial,
        frozen=frozen,
        section=section,
    )


def _visible(btf: Btf | None, datasec_id: int) -> bool:
    """Whether any variable is global, so that user space may map the values."""
    datasec = btf.type(datasec_id) if btf is not None and datasec_id else None
    if btf is None or not isinstance(datasec, t.Datasec):
        return False
    variables = (btf.type(entry.type) for entry in datasec.vars)
    return any(isinstance(var, t.Var) and var.linkage != 0 for var in variables)
