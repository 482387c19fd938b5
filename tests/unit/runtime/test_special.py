# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
from __future__ import annotations

import errno

import pytest

from bpfvm.errors import SyscallError
from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec
from bpfvm.runtime import Map, Runtime
from bpfvm.runtime.maps.special import SpecialField, special_fields
from tests.unit.memory.btf_bytes import BtfBytes

KEY = bytes(4)


def make(kind: str) -> Map:
    """Value: struct { u64 count; struct bpf_spin_lock lock; u32 more; struct task_struct __kptr *task; }"""
    btf = BtfBytes()
    u32, u64 = btf.int("u32", 4), btf.int("u64", 8)
    lock = btf.struct("bpf_spin_lock", 4, ("val", u32, 0))
    kptr = btf.ptr(btf.type_tag("kptr", btf.struct("task_struct", 8, ("pid", u64, 0))))
    value = btf.struct("value", 24, ("count", u64, 0), ("lock", lock, 64), ("more", u32, 96), ("task", kptr, 128))
    spec = MapSpec("m", kind, 4, 24, 4, btf=btf.btf(), value_type_id=value)
    return Runtime(Memory(checker="kasan"), None).create_map(spec)


def test_special_fields_are_found() -> None:
    found = make("array").special
    assert found == (SpecialField("bpf_spin_lock", 8, 4), SpecialField("kptr", 16, 8))
    assert special_fields(None, 1) == ()


@pytest.mark.parametrize("kind", ["percpu_array", "percpu_hash"])
def test_copies_of_all_cpus_leave_them_alone(kind: str) -> None:
    """Value: struct { u64 count; struct task_struct __kptr *task; }; locks may not be there."""
    btf = BtfBytes()
    u64 = btf.int("u64", 8)
    kptr = btf.ptr(btf.type_tag("kptr", btf.struct("task_struct", 8, ("pid", u64, 0))))
    value = btf.struct("value", 16, ("count", u64, 0), ("task", kptr, 64))
    spec = MapSpec("m", kind, 4, 16, 4, btf=btf.btf(), value_type_id=value)
    found = Runtime(Memory(checker="kasan"), None).create_map(spec)
    copies = found.user_value_size // 16
    found.update(KEY, b"\xff" * 16 * copies)
    assert found.memory.read(found.lookup_elem(KEY), 16) == b"\xff" * 8 + bytes(8)
    assert found.get(KEY) == (b"\xff" * 8 + bytes(8)) * copies
    with pytest.raises(SyscallError, match="EOPNOTSUPP"):
        make(kind)


@pytest.mark.parametrize("kind", ["array", "hash"])
def test_copies_in_and_out_leave_them_alone(kind: str) -> None:
    found = make(kind)
    copies = found.user_value_size // 24
    found.update(KEY, b"\xff" * 24 * copies)
    addr = found.lookup_elem(KEY)
    assert found.memory.read(addr, 24) == b"\xff" * 8 + bytes(4) + b"\xff" * 4 + bytes(8)
    found.memory.store(addr + 8, 4, 1)
    assert found.get(KEY) == (b"\xff" * 8 + bytes(4) + b"\xff" * 4 + bytes(8)) * copies


def test_locked_updates_write_in_place() -> None:
    found = make("hash")
    found.update(KEY, bytes(24))
    addr = found.lookup_elem(KEY)
    found.update(KEY, b"\1" * 24, 4)
    assert found.lookup_elem(KEY) == addr
    assert found.memory.load(addr, 8) == 0x0101010101010101
    assert found.get(KEY, 4)[:8] == b"\1" * 8
    with pytest.raises(SyscallError) as error:
        found.freeze()
    assert error.value.name == "ENOTSUPP"


def test_locking_needs_a_lock() -> None:
    found = Runtime(Memory(), None).create_map(MapSpec("m", "array", 4, 8, 1))
    for call in (lambda: found.update(KEY, bytes(8), 4), lambda: found.get(KEY, 4), lambda: found.get(KEY, 1)):
        with pytest.raises(SyscallError) as error:
            call()
        assert error.value.errno == errno.EINVAL
