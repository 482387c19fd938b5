# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The running kernel's maps through bpf(2), as an oracle: private descriptors only, nothing pinned or attached."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from pathlib import Path
from typing import NamedTuple

from bpfvm.isa.map_types import MAP_TYPES

_NR = {"x86_64": 321, "aarch64": 280, "riscv64": 280}.get(platform.machine())
CREATE, LOOKUP, UPDATE, DELETE, NEXT_KEY = range(5)
BTF_LOAD, LOOKUP_AND_DELETE, FREEZE = 18, 21, 22
LOOKUP_BATCH, LOOKUP_AND_DELETE_BATCH, UPDATE_BATCH, DELETE_BATCH = range(24, 28)
UNWRITTEN = b"\xa5"
"""what buffers hold before the kernel writes to them"""
_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command: int, attr: bytes) -> tuple[int, int]:
    return _bpf_attr(command, attr)[:2]


def _bpf_attr(command: int, attr: bytes) -> tuple[int, int, bytes]:
    """Result, errno, and what the kernel wrote into the attributes."""
    buffer = ctypes.create_string_buffer(attr, 144)
    result = _libc.syscall(_NR, command, buffer, len(buffer))
    return result, ctypes.get_errno() if result < 0 else 0, buffer.raw


def create(
    kind: str,
    key: int,
    value: int,
    entries: int,
    flags: int = 0,
    *,
    inner: int = 0,
    extra: int = 0,
    btf: tuple[int, int, int] = (0, 0, 0),
) -> tuple[int, int]:
    """(fd, 0) or (-1, errno). inner: descriptor of an inner map; btf: descriptor, key type, value type."""
    sizes = struct.pack("<IIIIIII16s", MAP_TYPES[kind], key, value, entries, flags, inner, 0, b"oracle")
    return _bpf(CREATE, sizes + struct.pack("<IIIIIQ", 0, *btf, 0, extra))


def load_btf(raw: bytes) -> int:
    """Descriptor of a private BTF object."""
    held = ctypes.create_string_buffer(raw, len(raw))
    fd, error = _bpf(BTF_LOAD, struct.pack("<QQIIII", ctypes.addressof(held), 0, len(raw), 0, 0, 0))
    if fd < 0:
        raise OSError(error, os.strerror(error))
    return fd


def fill(fd: int, value: bytes, *, freeze: bool) -> None:
    """Give a data section's map its contents; `freeze`: for good. Raises OSError."""
    key, held = ctypes.create_string_buffer(4), ctypes.create_string_buffer(value, max(len(value), 1))
    attr = struct.pack("<IIQQQ", fd, 0, ctypes.addressof(key), ctypes.addressof(held), 0)
    for command, given in [(UPDATE, attr), *([(FREEZE, struct.pack("<I", fd))] if freeze else [])]:
        result, error = _bpf(command, given)
        if result < 0:
            raise OSError(error, os.strerror(error))


def possible_cpus() -> int:
    """How many values a per-CPU map has."""
    return int(Path("/sys/devices/system/cpu/possible").read_text().strip().split("-")[-1]) + 1


def unusable() -> str:
    """Why the kernel can't be asked here, "" if it can."""
    if _NR is None:
        return f"no bpf(2) number known for {platform.machine()}"
    fd, error = create("array", 4, 8, 1)
    if fd < 0:
        return f"BPF_MAP_CREATE: {os.strerror(error)}"
    os.close(fd)
    return ""


class BatchAnswer(NamedTuple):
    """What a command on many elements gave, and its buffers: what was written and what wasn't."""

    errno: int
    count: int
    next: bytes
    keys: bytes
    values: bytes


class KernelMap:
    """One private map. Methods return (errno, bytes)."""

    def __init__(
        self, kind: str, key: int, value: int, entries: int, flags: int = 0, *, inner: int = 0, extra: int = 0
    ) -> None:
        self.key_size = key
        self.value_size = value
        self.fd, error = create(kind, key, value, entries, flags, inner=inner, extra=extra)
        if self.fd < 0:
            raise OSError(error, os.strerror(error))

    @classmethod
    def of(cls, fd: int, key: int, value: int) -> KernelMap:
        """A map that is there already; it closes the descriptor."""
        made = cls.__new__(cls)
        made.fd, made.key_size, made.value_size = fd, key, value
        return made

    def close(self) -> None:
        os.close(self.fd)

    def _elem(self, command: int, key: bytes | None, value: ctypes.Array[ctypes.c_char] | None, flags: int = 0) -> int:
        held = ctypes.create_string_buffer(key, max(len(key), 1)) if key is not None else None
        addresses = [ctypes.addressof(each) if each is not None else 0 for each in (held, value)]
        return _bpf(command, struct.pack("<IIQQQ", self.fd, 0, *addresses, flags))[1]

    def get(self, key: bytes, flags: int = 0) -> tuple[int, bytes]:
        out = ctypes.create_string_buffer(max(self.value_size, 1))
        error = self._elem(LOOKUP, key or None, out, flags)
        return error, b"" if error else out.raw

    def update(self, key: bytes, value: bytes, flags: int = 0) -> tuple[int, bytes]:
        held = ctypes.create_string_buffer(value, max(len(value), 1))
        return self._elem(UPDATE, key or None, held, flags), b""

    def delete(self, key: bytes) -> tuple[int, bytes]:
        return self._elem(DELETE, key or None, None), b""

    def next_key(self, key: bytes | None) -> tuple[int, bytes]:
        out = ctypes.create_string_buffer(max(self.key_size, 1))
        error = self._elem(NEXT_KEY, key, out)
        return error, b"" if error else out.raw

    def contains(self, value: bytes) -> tuple[int, bytes]:
        """A lookup that takes the value (bloom filter); no bytes."""
        held = ctypes.create_string_buffer(value, max(len(value), 1))
        return self._elem(LOOKUP, None, held), b""

    def pop(self, key: bytes = b"") -> tuple[int, bytes]:
        out = ctypes.create_string_buffer(max(self.value_size, 1))
        error = self._elem(LOOKUP_AND_DELETE, key or None, out)
        return error, b"" if error else out.raw

    def _batch(
        self, command: int, count: int, keys: bytes, values: bytes, token: bytes | None, flags: int
    ) -> BatchAnswer:
        out = UNWRITTEN * max(self.key_size, 4)
        held = [ctypes.create_string_buffer(each, max(len(each), 1)) for each in (out, keys, values)]
        start = ctypes.create_string_buffer(token) if token is not None else None
        addresses = [ctypes.addressof(each) for each in held]
        attr = struct.pack("<4QIIQQ", ctypes.addressof(start) if start else 0, *addresses, count, self.fd, flags, 0)
        _, error, written = _bpf_attr(command, attr)
        next_, keys, values = (
            each.raw[:size] for each, size in zip(held, (len(out), len(keys), len(values)), strict=True)
        )
        return BatchAnswer(error, int.from_bytes(written[32:36], "little"), next_, keys, values)

    def lookup_batch(self, token: bytes | None, count: int, flags: int = 0, *, delete: bool = False) -> BatchAnswer:
        """Up to ``count`` elements from ``token`` on."""
        command = LOOKUP_AND_DELETE_BATCH if delete else LOOKUP_BATCH
        keys, values = UNWRITTEN * (self.key_size * count), UNWRITTEN * (self.value_size * count)
        return self._batch(command, count, keys, values, token, flags)

    def update_batch(self, items: list[tuple[bytes, bytes]], flags: int = 0) -> tuple[int, int]:
        """(errno, count)"""
        keys, values = (b"".join(each) for each in zip(*items, strict=True)) if items else (b"", b"")
        return self._batch(UPDATE_BATCH, len(items), keys, values, None, flags)[:2]

    def delete_batch(self, keys: list[bytes], flags: int = 0) -> tuple[int, int]:
        """(errno, count)"""
        return self._batch(DELETE_BATCH, len(keys), b"".join(keys), b"", None, flags)[:2]
