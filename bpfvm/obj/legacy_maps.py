# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Maps declared as ``struct bpf_map_def`` in ``SEC("maps")``, as programs did before BTF.

Source: libbpf's bpf_object__init_user_maps, 0.8; texts are libbpf's. (From 1.0 on libbpf refuses them all.)
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from bpfvm.elf import ElfObject, Section
from bpfvm.elf.model import STB_LOCAL, STT_SECTION
from bpfvm.errors import BadInput
from bpfvm.isa.map_types import MAP_TYPE_NAMES
from bpfvm.obj.maps import ringbuf_size
from bpfvm.obj.model import MapSpec

LEGACY_SECTION = "maps"
_SIZE = 20
"""of struct bpf_map_def: type, key_size, value_size, max_entries, map_flags"""


def legacy_maps(elf: ElfObject, section: Section | None) -> tuple[dict[str, MapSpec], Mapping[int, str]]:
    """The maps by name, and the names by offset in the section. Raises BadInput."""
    if section is None:
        return {}, {}
    symbols = [s for s in elf.symbols if s.section == section.index and s.type != STT_SECTION and s.name]
    symbols.sort(key=lambda s: s.value)
    if not symbols or section.size % len(symbols):
        raise BadInput("unable to determine legacy map definition size", path=elf.path, section=section.name)
    size = section.size // len(symbols)
    layout = struct.Struct(">5I" if elf.big_endian else "<5I")
    found: dict[str, MapSpec] = {}
    for symbol in symbols:
        what = f"map '{symbol.name}' (legacy)"
        if symbol.bind == STB_LOCAL:
            raise _bad(elf, f"{what}: static maps are not supported", symbol.value)
        if symbol.value + size > section.size or symbol.name in found:
            raise _bad(elf, f'corrupted maps section: last map "{symbol.name}" too small', symbol.value)
        data = bytes(section.data[symbol.value : symbol.value + size])
        if any(data[_SIZE:]):
            raise _bad(elf, f'maps section: "{symbol.name}" has unrecognized, non-zero options', symbol.value)
        found[symbol.name] = _spec(elf, symbol.name, symbol.value, layout.unpack(data[:_SIZE].ljust(_SIZE, b"\0")))
    return found, {symbol.value: symbol.name for symbol in symbols}


def _bad(elf: ElfObject, message: str, offset: int) -> BadInput:
    return BadInput(message, path=elf.path, section=LEGACY_SECTION, offset=offset)


def _spec(elf: ElfObject, name: str, offset: int, numbers: tuple[int, ...]) -> MapSpec:
    number, key_size, value_size, max_entries, flags = numbers
    if number not in MAP_TYPE_NAMES or not number:
        raise _bad(elf, f"map '{name}': unknown map type {number}.", offset)
    map_type = MAP_TYPE_NAMES[number]
    return MapSpec(
        name=name,
        map_type=map_type,
        key_size=key_size,
        value_size=value_size,
        max_entries=ringbuf_size(max_entries) if map_type in ("ringbuf", "user_ringbuf") else max_entries,
        map_flags=flags,
        section=LEGACY_SECTION,
    )
