# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
from __future__ import annotations

import ctypes

import pytest

from bpfvm.errors import KernelReport, SyscallError, UsageError
from bpfvm.memory import Memory, MemoryFault
from bpfvm.memory.lists import LIST_POISON1


def test_addresses_are_the_same_on_every_run() -> None:
    first, second = ([memory.alloc(n) for n in (8, 100, 5000, 8, 20_000)] for memory in (Memory(), Memory()))
    assert first == second
    assert first[0] == Memory.BASE + 4096


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_stores_wrap_and_loads_are_unsigned_little_endian(size: int) -> None:
    memory = Memory()
    addr = memory.alloc(16)
    memory.store(addr + 3, size, -2)
    assert memory.load(addr + 3, size) == (1 << 8 * size) - 2
    assert memory.read(addr + 3, size) == b"\xfe" + b"\xff" * (size - 1)
    assert memory.load(addr + 3 + size, 1) == 0


@pytest.mark.parametrize(
    ("addr", "reason", "line"),
    [
        (0, "null", "BUG: kernel NULL pointer dereference, address: 0000000000000000"),
        (0xFF8, "null", "BUG: kernel NULL pointer dereference, address: 0000000000000ff8"),
        (LIST_POISON1 + 8, "non-canonical",
         "Oops: general protection fault, probably for non-canonical address 0xdead000000000108"),
        (0x7000_0000, "user address", "BUG: unable to handle page fault for address: 0000000070000000"),
        (Memory.BASE, "not mapped", "BUG: unable to handle page fault for address: ffff888000000000"),
        (Memory.BASE + (1 << 27), "not mapped", "BUG: unable to handle page fault for address: ffff888008000000"),
    ],
)  # fmt: skip
def test_bad_addresses_fault_with_the_kernels_line(addr: int, reason: str, line: str) -> None:
    memory = Memory()
    with pytest.raises(MemoryFault) as fault:
        memory.load(addr, 8)
    assert (fault.value.reason, str(fault.value), fault.value.write) == (reason, line, False)
    with pytest.raises(MemoryFault) as fault:
        memory.store(addr, 4, 1)
    assert fault.value.write
    for access in (lambda: memory.read(addr, 3), lambda: memory.write(addr, b"abc")):
        with pytest.raises(MemoryFault):
            access()
    assert not memory.valid(addr, 1)
    assert memory.read_nofault(addr, 8) is None
    assert memory.load_nofault(addr, 8) == 0


def test_an_access_that_runs_off_the_end_faults_there_and_writes_nothing() -> None:
    memory = Memory()
    addr = memory.alloc(4096)
    last = memory.end - 4
    with pytest.raises(MemoryFault) as fault:
        memory.write(last, b"12345678")
    assert fault.value.addr == memory.end
    assert memory.read(last, 4) == bytes(4)
    assert memory.valid(addr, 4096)


def test_freed_memory_stays_readable_until_it_is_handed_out_again_zeroed() -> None:
    memory = Memory()
    addr = memory.alloc(40, what="mm_struct")
    memory.store(addr, 8, 0x1234)
    memory.free(addr)
    assert memory.load(addr, 8) == 0x1234
    block = memory.block_at(addr + 39)
    assert block is not None
    assert (block.what, block.live) == ("mm_struct", False)
    assert memory.alloc(64) == addr
    assert memory.load(addr, 8) == 0


def test_a_double_free_goes_unnoticed_without_kasan_and_one_object_gets_two_owners() -> None:
    memory = Memory()
    addr = memory.alloc(40)
    memory.free(addr)
    memory.free(addr)
    assert memory.alloc(40) == memory.alloc(40) == addr


def test_freeing_what_is_no_object_is_reported_at_every_level() -> None:
    for checker, kind in (("off", "slab"), ("kasan", "kasan")):
        memory = Memory(checker=checker)
        addr = memory.alloc(40)
        with pytest.raises(KernelReport) as report:
            memory.free(addr + 8)
        assert report.value.kind == kind
    memory.free(0)


def test_memory_runs_out_with_enomem_and_large_blocks_come_back_zeroed() -> None:
    memory = Memory(1 << 20)
    addr = memory.alloc(600_000)
    memory.write(addr, b"\xff" * 600_000)
    with pytest.raises(SyscallError) as error:
        memory.alloc(600_000)
    assert error.value.errno == 12
    memory.free(addr)
    assert memory.alloc(600_000) == addr
    assert not any(memory.read(addr, 600_000))


@pytest.mark.parametrize("align", [1, 8, 64, 256, 4096])
def test_alignment_is_kept(align: int) -> None:
    memory = Memory()
    for size in (1, 24, 96, 100, 5000, 9000):
        memory.alloc(8)
        assert memory.alloc(size, align=align) % align == 0


def test_nonsense_is_refused() -> None:
    memory = Memory()
    for size, align in ((0, 8), (-1, 8), (8, 3), (8, 8192)):
        with pytest.raises(UsageError):
            memory.alloc(size, align=align)
    with pytest.raises(UsageError):
        Memory(100)
    with pytest.raises(UsageError, match="choose one of off, list, kasan"):
        Memory(checker="asan")


def test_live_blocks_and_cstring() -> None:
    memory = Memory()
    one, two = memory.alloc(8, what="one"), memory.alloc(8, what="two")
    memory.free(one)
    assert [block.what for block in memory.live_blocks()] == ["two"]
    memory.write(two, b"abc\0")
    assert (memory.cstring(two, 8), memory.cstring(two, 2)) == (b"abc", b"ab")


def test_compiled_code_sees_the_same_bytes() -> None:
    memory = Memory()
    addr = memory.alloc(8)
    memory.set_u64(addr, 0x1122334455667788)
    assert ctypes.c_uint64.from_address(memory.host_address + addr - Memory.BASE).value == memory.u64(addr)
