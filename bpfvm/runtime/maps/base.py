# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What all maps have in common: the program's side (addresses, negative errnos) and user space's (bytes,
SyscallError)."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, NoReturn

from bpfvm.btf import types as t
from bpfvm.errors import ENOTSUPP, SyscallError, UsageError
from bpfvm.isa import map_types as mt
from bpfvm.memory.views import View
from bpfvm.obj.model import MapSpec
from bpfvm.runtime.maps import batch
from bpfvm.runtime.maps.special import fields_of

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

MAP_OBJECT_SIZE = 296
"""sizeof(struct bpf_map), 6.18"""
F_NO_COMMON_LRU = 1 << 1
F_NUMA_NODE = 1 << 2
F_ZERO_SEED = 1 << 6
F_INNER_MAP = mt.BPF_F_INNER_MAP
ACCESS_MASK = mt.BPF_F_RDONLY | mt.BPF_F_WRONLY | mt.BPF_F_RDONLY_PROG | mt.BPF_F_WRONLY_PROG
KMALLOC_MAX_SIZE = 4 << 20
PCPU_MIN_UNIT_SIZE = 32 << 10


def round8(size: int) -> int:
    """``size`` rounded up to a multiple of 8."""
    return (size + 7) & ~7


def access_ok(flags: int) -> bool:
    """A program may be kept from reading or from writing, not from both (bpf_map_flags_access_ok)."""
    return flags & (mt.BPF_F_RDONLY_PROG | mt.BPF_F_WRONLY_PROG) != mt.BPF_F_RDONLY_PROG | mt.BPF_F_WRONLY_PROG


class Map:
    """A map of one kind. Subclasses override ``check`` and the ``*_elem`` methods, the program's side: keys and
    values are bytes (a value is one CPU's), results are a value's address (0: none) or 0 / a negative errno.

    ``lookup``, ``get``, ``update``, ``delete``, ``next_key``, ``items``, ``*_batch`` are user space's system calls:
    they obey freezing and the read-only and write-only flags, work on all CPUs' values, and raise SyscallError. Kernel
    source: kernel/bpf/syscall.c.
    """

    kind: ClassVar[str] = ""
    batches: ClassVar[frozenset[batch.Command]] = frozenset()
    """what this kind can do with many elements at once"""
    __slots__ = (
        "addr",
        "cpus",
        "frozen",
        "id",
        "key_size",
        "max_entries",
        "memory",
        "rt",
        "spec",
        "special",
        "value_size",
    )

    def __init__(self, rt: Runtime, spec: MapSpec, map_id: int) -> None:
        self.rt = rt
        self.memory = rt.memory
        self.spec = spec
        self.id = map_id
        self.cpus = rt.cpus
        self.key_size = spec.key_size
        self.value_size = spec.value_size
        self.max_entries = spec.max_entries
        self.frozen = False
        self.special = fields_of(spec)
        self.addr = self._make_object()

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        """0, or the negative errno with which the kernel refuses these sizes and flags (map_alloc_check)."""
        raise NotImplementedError

    def _make_object(self) -> int:
        """The struct bpf_map that programs may look into."""
        addr = self.memory.alloc(MAP_OBJECT_SIZE, what="bpf_map")
        type_id = self.rt.btf.find("bpf_map", t.Struct) if self.rt.btf is not None else 0
        if self.rt.btf is not None and type_id:
            spec, seen = self.spec, View(self.memory, self.rt.btf, type_id, addr)
            contents: dict[str, int | bytes] = {
                "map_type": mt.MAP_TYPES[spec.map_type],
                "key_size": self.key_size,
                "value_size": self.value_size,
                "max_entries": self.max_entries,
                "map_extra": spec.map_extra,
                "map_flags": spec.map_flags,
                "id": self.id,
                "name": spec.name.encode()[:15],
            }
            for name, value in contents.items():
                if seen.has(name):
                    seen[name] = value
        return addr

    def destroy(self) -> None:
        """Give the map's memory back."""
        self.memory.free(self.addr)

    def __repr__(self) -> str:
        return f"<{self.spec.map_type} map '{self.spec.name}' id {self.id}>"

    # --- the program's side -----------------------------------------------------------------------------------------
    def lookup_elem(self, key: bytes) -> int:
        """Address of the value (the current CPU's), 0 when there is none."""
        return 0

    def lookup_percpu_elem(self, key: bytes, cpu: int) -> int:
        """Address of a CPU's value, 0 when there is none."""
        return 0

    def update_elem(self, key: bytes, value: bytes, flags: int) -> int:
        """Insert or replace; 0 or a negative errno."""
        return -errno.EOPNOTSUPP

    def delete_elem(self, key: bytes) -> int:
        """Remove; 0 or a negative errno."""
        return -errno.EINVAL

    def push_elem(self, value: bytes, flags: int) -> int:
        """Append (queue, stack); 0 or a negative errno."""
        return -errno.EOPNOTSUPP

    def pop_elem(self) -> bytes | int:
        """Remove the next value (queue, stack): its bytes, or a negative errno."""
        return -errno.EOPNOTSUPP

    def peek_elem(self) -> bytes | int:
        """The next value (queue, stack): its bytes, or a negative errno."""
        return -errno.EOPNOTSUPP

    def elements(self) -> Iterator[tuple[int, int]]:
        """(key address, value address) of every element, for bpf_for_each_map_elem. Elements may be removed
        meanwhile."""
        raise SyscallError(errno.EINVAL, f"{self!r} has no elements to go through")

    def direct_value(self) -> int:
        """What a program's reference to the map's value becomes (map_direct_value_addr); 0 without one."""
        return 0

    def element_around(self, place: int) -> tuple[int, int]:
        """(key address, value address) of the element in whose value ``place`` lies."""
        raise UsageError(f"{self!r} has no elements to look for")

    def free_fields(self, addr: int) -> None:
        """Drop what the kernel's fields of the value at ``addr`` own (bpf_obj_free_fields)."""
        if self.special:
            self.rt.objects.free_fields(self.special, addr)

    # --- what a kind says about user space's side -------------------------------------------------------------------
    def _value(self, key: bytes) -> bytes | int:
        """The value as user space gets it, or a negative errno."""
        addr = self.peek_addr(key)
        return self.memory.read(addr, self.value_size) if addr else -errno.ENOENT

    def seen_value(self, key: bytes) -> bytes | int:
        """The same without what special fields hold."""
        found = self._value(key)
        return self._without_special(found) if isinstance(found, bytes) else found

    def peek_addr(self, key: bytes) -> int:
        """As lookup_elem, but leaves no trace (of use, for LRU maps)."""
        return self.lookup_elem(key)

    def _replace(self, key: bytes, value: bytes, flags: int) -> int:
        """Update from user space, with a value of ``user_value_size`` bytes; 0 or a negative errno."""
        return self.update_elem(key, value, flags)

    def _next_key(self, key: bytes | None) -> bytes | int:
        """The key behind ``key``, the first for None or an unknown one, or a negative errno."""
        return -ENOTSUPP

    def _lookup_batch(self, token: bytes | None, count: int, *, delete: bool) -> batch.Batch:
        """Where the kind's batches begin and end."""
        return batch.by_key(self, token, count)

    @property
    def user_value_size(self) -> int:
        """Bytes of a value as user space sees it."""
        return self.value_size

    # --- user space's side ------------------------------------------------------------------------------------------
    def lookup(self, key: bytes) -> int | None:
        """Address of a value (CPU 0's), None when there is none."""
        self._check_key(key)
        return self.peek_addr(key) or None

    def get(self, key: bytes, flags: int = 0) -> bytes:
        """BPF_MAP_LOOKUP_ELEM: a copy in which special fields are zero. Raises SyscallError (ENOENT, EINVAL, EPERM
        …)."""
        self._allow(read=True)
        if flags & ~mt.BPF_F_LOCK or (flags & mt.BPF_F_LOCK and not self.has_lock):
            self._fail(-errno.EINVAL, "lookup")
        self._check_key(key)
        found = self.seen_value(key)
        return found if isinstance(found, bytes) else self._fail(found, "lookup")

    def update(self, key: bytes, value: bytes, flags: int = 0) -> None:
        """BPF_MAP_UPDATE_ELEM. Raises SyscallError (EEXIST, ENOENT, E2BIG, EINVAL, EPERM …)."""
        self._allow(write=True)
        if flags & mt.BPF_F_LOCK and not self.has_lock:
            self._fail(-errno.EINVAL, "update")
        self._check_key(key)
        self._check_value(value)
        self._done(self._replace(key, value, flags), "update")

    def delete(self, key: bytes) -> None:
        """BPF_MAP_DELETE_ELEM. Raises SyscallError (ENOENT, EINVAL, EPERM …)."""
        self._allow(write=True)
        self._check_key(key)
        self._done(self.delete_elem(key), "delete")

    def next_key(self, key: bytes | None = None) -> bytes:
        """BPF_MAP_GET_NEXT_KEY: the first key for None or for a key that isn't there. Raises SyscallError(ENOENT) at
        the end."""
        self._allow(read=True)
        if key is not None:
            self._check_key(key)
        found = self._next_key(key)
        return found if isinstance(found, bytes) else self._fail(found, "get_next_key")

    def keys(self) -> Iterator[bytes]:
        """All keys in the order of next_key."""
        key = self._next_key(None)
        while isinstance(key, bytes):
            yield key
            key = self._next_key(key)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All (key, value) in the order of next_key, values as get returns them."""
        for key in self.keys():
            value = self.seen_value(key)
            if isinstance(value, bytes):
                yield key, value

    def lookup_batch(self, token: bytes | None, count: int, flags: int = 0, *, delete: bool = False) -> batch.Batch:
        """BPF_MAP_LOOKUP_BATCH, or LOOKUP_AND_DELETE_BATCH: up to ``count`` elements from where ``token`` (the last
        answer's ``next``) says, from the start for None. Raises SyscallError(EPERM, ENOTSUPP, EINVAL)."""
        self._allow(read=True, write=delete)
        batch.check(self, "lookup_and_delete" if delete else "lookup", flags)
        return self._lookup_batch(token, count, delete=delete)

    def update_batch(self, items: Sequence[tuple[bytes, bytes]], flags: int = 0) -> batch.Batch:
        """BPF_MAP_UPDATE_BATCH of (key, value). Raises SyscallError as lookup_batch."""
        self._allow(write=True)
        batch.check(self, "update", flags)
        for key, value in items:
            self._check_key(key)
            self._check_value(value)
        return batch.update(self, items, flags)

    def delete_batch(self, keys: Sequence[bytes], flags: int = 0) -> batch.Batch:
        """BPF_MAP_DELETE_BATCH. Raises SyscallError as lookup_batch."""
        self._allow(write=True)
        batch.check(self, "delete", flags)
        for key in keys:
            self._check_key(key)
        return batch.delete(self, keys)

    def freeze(self) -> None:
        """BPF_MAP_FREEZE: no more writes from user space. Raises SyscallError(EBUSY when frozen already, ENOTSUPP)."""
        if self.spec.map_type == "struct_ops" or self.special:
            self._fail(-ENOTSUPP, "freeze")
        if self.frozen:
            self._fail(-errno.EBUSY, "freeze")
        self.frozen = True

    # --- shared by the kinds ----------------------------------------------------------------------------------------
    @property
    def has_lock(self) -> bool:
        """Does the value hold a struct bpf_spin_lock?"""
        return any(field.name == "bpf_spin_lock" for field in self.special)

    def _allow(self, *, read: bool = False, write: bool = False) -> None:
        flags = self.spec.map_flags
        if (write and (self.frozen or flags & mt.BPF_F_RDONLY)) or (read and flags & mt.BPF_F_WRONLY):
            why = "frozen" if self.frozen and write else "opened " + ("read-only" if write else "write-only")
            raise SyscallError(errno.EPERM, f"{self!r} is {why}")

    def _check_key(self, key: bytes) -> None:
        if len(key) != self.key_size:
            raise UsageError(f"{self!r}: a key has {self.key_size} bytes, not {len(key)}")

    def _check_value(self, value: bytes) -> None:
        if len(value) != self.user_value_size:
            raise UsageError(f"{self!r}: a value has {self.user_value_size} bytes, not {len(value)}")

    def _fail(self, code: int, what: str) -> NoReturn:
        raise SyscallError(-code, f"{what} in {self!r}")

    def _done(self, code: int, what: str) -> None:
        if code:
            self._fail(code, what)

    def _without_special(self, value: bytes) -> bytes:
        if not self.special:
            return value
        copy = bytearray(value)
        for start in range(0, len(value), self.value_size):
            for field in self.special:
                copy[start + field.offset : start + field.offset + field.size] = bytes(field.size)
        return bytes(copy[: len(value)])

    def _store_value(self, addr: int, value: bytes) -> None:
        """Copy a value in around its special fields, which keep what they hold (copy_map_value)."""
        at = 0
        for field in self.special:
            self.memory.write(addr + at, value[at : field.offset])
            at = field.offset + field.size
        self.memory.write(addr + at, value[at:])
