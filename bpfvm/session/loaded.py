# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""An object in the emulated kernel: its maps, programs and struct_ops instances."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bpfvm.engine.image import Image
from bpfvm.errors import UsageError
from bpfvm.isa.word import U64_MAX
from bpfvm.obj.edit import get_global, set_global
from bpfvm.obj.model import ObjectSpec, Program, VerifiedProgram
from bpfvm.runtime.maps import Map
from bpfvm.session.link import Link
from bpfvm.struct_ops.attach import BpfMap

if TYPE_CHECKING:
    from bpfvm.session.session import Session


@dataclass(slots=True)
class LoadedObject:
    """What ``Session.load`` gives. ``programs``: accepted programs by name; ``log``: libbpf's lines."""

    session: Session
    spec: ObjectSpec
    maps: dict[str, Map] = field(default_factory=dict)
    programs: dict[str, VerifiedProgram] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)
    struct_ops: dict[str, BpfMap] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    prog_fds: dict[str, int] = field(default_factory=dict)

    def close(self) -> None:
        """bpf_object__close: the descriptors of programs and struct_ops maps. Links and registered maps live on."""
        for instance in self.struct_ops.values():
            instance.close()
        for fd in self.prog_fds.values():
            self.session.syscalls.close(fd)
        self.prog_fds.clear()

    def attach(self, map_name: str) -> Link:
        """Populate a struct_ops map and register it. Raises SyscallError with the errno of whatever refused."""
        return Link(self, map_name, self._instance(map_name).attach())

    def update_link(self, link: Link, map_name: str, *, old_map: BpfMap | None = None) -> None:
        """Put a map of this object behind ``link``."""
        self._instance(map_name)
        link.update(self, map_name, old_map=old_map)

    def populate(self, map_name: str) -> None:
        """BPF_MAP_UPDATE_ELEM on a struct_ops map. Raises SyscallError (EBUSY when it is populated already)."""
        instance = self._instance(map_name)
        instance.sys.map_update_elem(instance.fd, 0, instance.value)

    def delete(self, map_name: str) -> None:
        """BPF_MAP_DELETE_ELEM on a struct_ops map."""
        instance = self._instance(map_name)
        instance.sys.map_delete_elem(instance.fd, 0)

    def struct_ops_state(self, map_name: str) -> tuple[int, int]:
        """(state, refcnt) as a lookup from user space shows them."""
        instance = self._instance(map_name)
        value = instance.sys.map_lookup_elem(instance.fd, 0)
        return int.from_bytes(value[4:8], "little"), int.from_bytes(value[:4], "little")

    def _instance(self, map_name: str) -> BpfMap:
        if map_name not in self.struct_ops:
            known = ", ".join(self.struct_ops) or "none"
            raise UsageError(f"{self.spec.name} has no struct_ops map `{map_name}` (it has: {known})")
        return self.struct_ops[map_name]

    def batch(self, prog: str, calls: Sequence[Sequence[int]]) -> array[int]:
        """Run a program whose context is arguments (a struct_ops callback) for each of many argument lists; all R0
        (u64, `array("Q")`). Compiled code goes from one to the next without coming back to Python.

        Raises UsageError for an unknown program or lists of different lengths, Trap, KernelReport.
        """
        if prog not in self.images:
            raise UsageError(f"no loaded program `{prog}` (there are: {', '.join(self.images) or 'none'})")
        if not calls:
            return array("Q")
        size = 8 * len(calls[0])
        if any(len(args) * 8 != size for args in calls) or not size:
            raise UsageError("calls of a batch take the same number of arguments, at least one")
        words = array("Q", [arg & U64_MAX for args in calls for arg in args])
        memory = self.session.memory
        at = memory.alloc(size * len(calls), what="contexts of a batch")
        try:
            memory.write(at, words.tobytes())
            contexts = array("Q", range(at, at + size * len(calls), size))
            return self.session.interpreter.batch(self.images[prog], contexts)
        finally:
            memory.free(at)

    def maps_of(self, program: Program) -> tuple[Map, ...]:
        """The maps that a program of this object uses, in the order of ``program.maps``."""
        made = {id(spec): self.maps[key] for key, spec in self.spec.maps.items()}
        return tuple(made[id(spec)] for spec in program.maps)

    def map(self, name: str) -> Map:
        """A map by its name in the source. Raises UsageError."""
        if name not in self.maps:
            raise UsageError(f"{self.spec.name} has no map `{name}` (it has: {', '.join(self.maps) or 'none'})")
        return self.maps[name]

    def map_update(self, name: str, key: int | bytes, value: int | bytes) -> None:
        """Update an element; numbers are little-endian of the map's sizes."""
        found = self.map(name)
        found.update(_bytes(key, found.spec.key_size), _bytes(value, found.spec.value_size))

    def map_lookup(self, name: str, key: int | bytes) -> int:
        """An element's value as a little-endian number. Raises SyscallError ENOENT."""
        found = self.map(name)
        return int.from_bytes(found.get(_bytes(key, found.spec.key_size)), "little")

    def map_delete(self, name: str, key: int | bytes) -> None:
        """Delete an element. Raises SyscallError."""
        found = self.map(name)
        found.delete(_bytes(key, found.spec.key_size))

    def variable(self, path: str) -> int | bytes:
        """What a global variable (or a part: ``config.limits[2]``) holds now: a number, or bytes. Raises UsageError."""
        return get_global(self._now(), path)

    def set_variable(self, path: str, value: int | bytes) -> None:
        """Change a global variable of the running object. Raises UsageError; SyscallError EPERM for constants."""
        before = self._now()
        after = set_global(before, path, value)
        for key, changed in after.maps.items():
            if changed is not before.maps[key] and changed.initial is not None:
                self.maps[key].update(bytes(4), changed.initial)

    def _now(self) -> ObjectSpec:
        """The spec with the data sections' present contents."""
        held = {key: replace(spec, initial=self._section(key)) for key, spec in self.spec.maps.items() if spec.initial}
        return replace(self.spec, maps={**self.spec.maps, **held})

    def _section(self, key: str) -> bytes:
        return self.maps[key].get(bytes(4))


def _bytes(value: int | bytes, size: int) -> bytes:
    if isinstance(value, int):
        return (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
    return value
