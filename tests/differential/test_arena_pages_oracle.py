# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which pages of an arena are given, freed, reserved, and which user space brings about, here and in the running
kernel, whose arena is mapped into this process."""

from __future__ import annotations

import ctypes
import os
import random
from collections.abc import Iterator
from typing import Final

import pytest

from bpfvm.engine.arena import AREA
from bpfvm.isa.insn import encode
from bpfvm.isa.map_types import BPF_F_MMAPABLE
from bpfvm.isa.word import s32
from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec
from bpfvm.runtime import Runtime
from bpfvm.runtime.maps.arena import ArenaMap
from tests import kernel_oracle
from tests.differential.bpf_maps import create
from tests.differential.verifier_oracle import assemble, unusable

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
PAGES: Final = 24
PAGE: Final = 4096
START: Final = (1 << 44) | 0x1230_0000
SLEEPABLE: Final = 16
PROT_READ_WRITE, MAP_SHARED, MAP_FIXED_NOREPLACE = 3, 1, 0x10_0000
CALLS: Final = {
    "alloc": "r4 = {node} / r5 = 0 / kcall bpf_arena_alloc_pages",
    "free": "kcall bpf_arena_free_pages / r0 = 0",
    "reserve": "kcall bpf_arena_reserve_pages",
}


class KernelArena:
    """A private arena, mapped where it says."""

    def __init__(self) -> None:
        self.fd, error = create("arena", 0, 0, PAGES, BPF_F_MMAPABLE, extra=START)
        assert not error
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.mmap.restype = ctypes.c_void_p
        self._libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
        flags = MAP_SHARED | MAP_FIXED_NOREPLACE
        at = self._libc.mmap(START, PAGES * PAGE, PROT_READ_WRITE, flags, self.fd, 0)
        assert at == START, os.strerror(ctypes.get_errno())

    def close(self) -> None:
        self._libc.munmap(ctypes.c_void_p(START), ctypes.c_size_t(PAGES * PAGE))
        os.close(self.fd)

    def call(self, name: str, address: int, count: int, node: int) -> int:
        source = f"r6 = r1 / r1 = map[id:0] / r2 = {address:#x} ll / r3 = {count} / " + CALLS[name].format(node=node)
        insns = encode(assemble(source + " / *(u64 *)(r6 +0) = r0 / r0 = 0 / exit"))
        done = kernel_oracle.test_run(insns, "syscall", ctx=bytes(8), maps=[self.fd], flags=SLEEPABLE, log_level=1)
        assert done.ok, done.log[-500:]
        result = int.from_bytes(done.ctx_out, "little")
        return s32(result) if name == "reserve" else result

    @staticmethod
    def read(address: int, size: int) -> bytes:
        return ctypes.string_at(address, size)

    @staticmethod
    def write(address: int, data: bytes) -> None:
        ctypes.memmove(address, data, len(data))


@pytest.fixture
def theirs() -> Iterator[KernelArena]:
    made = KernelArena()
    yield made
    made.close()


def our_call(found: ArenaMap, name: str, address: int, count: int, node: int) -> int:
    if name == "alloc":
        return found.alloc_pages(address, count, node)
    if name == "free":
        found.free_pages(address, count)
        return 0
    return found.reserve_pages(address, count)


@pytest.mark.parametrize("seed", range(6))
def test_random_use(seed: int, theirs: KernelArena) -> None:
    dice = random.Random(seed)
    ours = Runtime(Memory(AREA + (16 << 20)), None).create_map(
        MapSpec("oracle", "arena", 0, 0, PAGES, BPF_F_MMAPABLE, map_extra=START)
    )
    assert isinstance(ours, ArenaMap)
    for _ in range(90):
        page, count = dice.randrange(PAGES), dice.choice((1, 1, 1, 2, 3, 5))
        address = START + page * PAGE
        match dice.randrange(9):
            case 0 | 1 | 2:
                where = dice.choice((0, 0, 0, address, address + 8))
                args = ("alloc", where, count, dice.choice((-1, -1, 0)))
            case 3 | 4:
                args = ("free", address + dice.choice((0, 0, 100)), count, 0)
            case 5:
                args = ("reserve", address, count, 0)
            case 6:
                held = dice.randbytes(8)
                ours.write(address + 16, held)
                theirs.write(address + 16, held)
                continue
            case _:
                size = min(count * 1000 + 100, PAGES * PAGE - page * PAGE)
                assert ours.read(address, size) == theirs.read(address, size)
                continue
        assert our_call(ours, *args) == theirs.call(*args), args
