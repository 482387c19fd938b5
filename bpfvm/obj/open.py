# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Opening an object file: bytes to ``ObjectSpec``, the same value on every machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.btf.ext import BtfExt
from bpfvm.elf import ElfObject, read_elf
from bpfvm.elf.reader import MAX_FILE
from bpfvm.errors import BadInput
from bpfvm.obj.arena import add_arena_variables
from bpfvm.obj.data_maps import data_map, section_map
from bpfvm.obj.externs import KCONFIG, KERNEL_VERSION, Externs, KconfigValue, find_externs, kconfig_bytes
from bpfvm.obj.fixup import fixed_btf
from bpfvm.obj.functions import find_functions
from bpfvm.obj.layout import JUMPTABLES_SECTION, Layout, layout
from bpfvm.obj.legacy_maps import legacy_maps
from bpfvm.obj.map_slots import with_slots
from bpfvm.obj.maps import MAPS_SECTION, btf_maps
from bpfvm.obj.model import MapSpec, ObjectSpec
from bpfvm.obj.programs import Source, read_program
from bpfvm.obj.struct_ops import find_struct_ops

NAME_MAX = 15
_REFUSED = {JUMPTABLES_SECTION: "jump tables (indirect goto) are not supported"}


def open_object(
    source: str | os.PathLike[str] | bytes,
    *,
    name: str = "",
    kconfig: Mapping[str, KconfigValue] | None = None,
    kernel_version: int = KERNEL_VERSION,
) -> ObjectSpec:
    """Read a BPF object from a path or from its bytes.

    ``name`` overrides the object's name (default: the file name up to its first dot); ``kconfig`` gives values for
    ``.kconfig`` externs ("y", "n", "m", numbers, strings); ``kernel_version`` is LINUX_KERNEL_VERSION.
    Raises BadInput, with path, section and offset, for anything malformed or unsupported.
    """
    path = "<bytes>" if isinstance(source, bytes) else os.fspath(source)
    name = name or ("object" if isinstance(source, bytes) else os.path.basename(path).split(".", 1)[0])
    try:
        data = source if isinstance(source, bytes) else _read(Path(source))
        return _open(read_elf(data, path), name[:NAME_MAX], kconfig or {}, kernel_version)
    except BadInput as error:
        error.path = error.path or path
        raise


def _read(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise BadInput("not a regular file", path=str(path))
        if status.st_size > MAX_FILE:
            raise BadInput(f"file of {status.st_size} bytes is larger than the limit of {MAX_FILE}", path=str(path))
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BadInput(f"cannot read the file: {reason}", path=str(path)) from error


def _open(elf: ElfObject, name: str, kconfig: Mapping[str, KconfigValue], kernel_version: int) -> ObjectSpec:
    parts = layout(elf)
    functions = find_functions(elf, parts)
    btf = Btf.parse(bytes(parts.btf.data), name=name) if parts.btf is not None else None
    ext = BtfExt()
    externs = find_externs(btf, elf)
    if btf is not None:
        hidden = {f.name for f in functions if f.hidden}
        btf = fixed_btf(btf, elf, hidden, {KCONFIG: {v.name: v.offset for v in externs.kconfig.values()}})
        if parts.btf_ext is not None:
            ext = BtfExt.parse(parts.btf_ext.data, btf)
    maps, legacy = legacy_maps(elf, parts.legacy_maps)
    places = _map_places(btf, parts)
    if parts.legacy_maps is not None:
        places |= {(parts.legacy_maps.index, offset): key for offset, key in legacy.items()}
    for key, spec in btf_maps(btf, parts.maps).items():
        if key in maps:
            raise BadInput(f"map '{key}' is declared twice", section=MAPS_SECTION)
        maps[key] = spec
    maps = with_slots(maps, btf, elf, parts.maps, functions)
    data_maps = _add_data_maps(maps, btf, name, parts)
    data_maps |= add_arena_variables(maps, parts.arena)
    kconfig_map, unset = _add_kconfig(maps, btf, name, externs, kconfig, kernel_version)
    text = parts.text.index if parts.text is not None else -1
    refused = {s.index: _REFUSED[s.name] for s in elf.sections if s.name in _REFUSED}
    source = Source(elf, btf, ext, functions, maps, places, data_maps, kconfig_map, text, externs, refused)
    specs = {f.key: read_program(source, f) for f in functions}
    programs = {key: spec for key, spec in specs.items() if not spec.is_subprog}
    return ObjectSpec(
        name=name,
        path=elf.path,
        license=parts.license,
        btf=btf,
        programs=programs,
        subprogs={key: spec for key, spec in specs.items() if spec.is_subprog},
        maps=maps,
        struct_ops=find_struct_ops(btf, elf, parts.struct_ops, functions, programs),
        ksyms=externs.ksyms,
        kconfig=tuple(externs.kconfig),
        kernel_version=parts.version,
        kconfig_unset=tuple(unset),
        big_endian=elf.big_endian,
    )


def _map_places(btf: Btf | None, parts: Layout) -> dict[tuple[int, int], str]:
    """Section and offset of each declared map, to its name."""
    datasec = btf.type(btf.find(MAPS_SECTION, t.Datasec)) if btf is not None and parts.maps is not None else None
    if btf is None or parts.maps is None or not isinstance(datasec, t.Datasec):
        return {}
    return {(parts.maps.index, entry.offset): btf.type(entry.type).name for entry in datasec.vars}


def _add(maps: dict[str, MapSpec], spec: MapSpec) -> str:
    """Add a map under its name, or its section's full name when two names became the same by truncation."""
    key = spec.name if spec.name not in maps else spec.section
    if key in maps:
        raise BadInput(f"two maps are called '{key}'", section=spec.section)
    maps[key] = spec
    return key


def _add_data_maps(maps: dict[str, MapSpec], btf: Btf | None, name: str, parts: Layout) -> dict[int, str]:
    return {section.index: _add(maps, data_map(btf, name, section)) for section in parts.data}


def _add_kconfig(
    maps: dict[str, MapSpec],
    btf: Btf | None,
    name: str,
    externs: Externs,
    values: Mapping[str, KconfigValue],
    kernel_version: int,
) -> tuple[str, list[str]]:
    """Add the .kconfig map if there are such externs; returns its key and the externs that lack a value."""
    if not externs.kconfig:
        return "", []
    contents, unset = kconfig_bytes(externs, values, kernel_version)
    return _add(maps, section_map(btf, name, KCONFIG, contents, frozen=True)), unset
