# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Arenas: pages by user address, the window in kernel memory, what the first pages begin with."""

from __future__ import annotations

import errno

import pytest

from bpfvm.engine.arena import ArenaAccess
from bpfvm.errors import SyscallError
from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec
from bpfvm.runtime import Runtime
from bpfvm.runtime.maps.arena import USER_START, WINDOW, ArenaMap, arena_of

PAGE = 4096


def make(pages: int = 8, start: int = 0, initial: bytes | None = None) -> ArenaMap:
    runtime = Runtime(Memory(2 * WINDOW, "kasan"), None)
    made = runtime.create_map(MapSpec("a", "arena", 0, 0, pages, 1 << 10, start, initial=initial))
    assert isinstance(made, ArenaMap)
    return made


def test_pages_are_found_by_the_lower_half_of_their_user_address() -> None:
    start = (1 << 44) + (7 << 20)
    made = make(start=start)
    page = made.alloc_pages(0, 1, -1)
    assert page == start
    made.memory.store(made.window + (page & 0xFFFF_FFFF), 8, 42)
    assert made.read(page, 8) == (42).to_bytes(8, "little")
    assert arena_of([made]) == (made.window, start)


def test_pages_are_given_once_and_again_when_they_were_freed() -> None:
    made = make()
    pages = [made.alloc_pages(0, 2, -1) for _ in range(5)]
    assert pages == [USER_START + n * 2 * PAGE for n in range(4)] + [0]
    made.memory.write(made.kernel_address(2), b"old")
    made.free_pages(pages[1], 2)
    assert made.alloc_pages(0, 1, -1) == pages[1]
    assert made.read(pages[1], 3) == bytes(3)
    assert made.alloc_pages(pages[1], 1, -1) == 0
    assert made.alloc_pages(pages[1] + PAGE, 1, 0) == pages[1] + PAGE


@pytest.mark.parametrize(
    ("address", "count", "node"), [(0, 0, -1), (0, 9, -1), (1, 1, -1), (USER_START + 8 * PAGE, 1, -1), (0, 1, 5)]
)
def test_pages_that_cannot_be_had(address: int, count: int, node: int) -> None:
    assert make().alloc_pages(address, count, node) == 0


def test_reserved_pages_are_not_given() -> None:
    made = make()
    assert made.reserve_pages(USER_START, 7) == 0
    assert made.reserve_pages(USER_START, 1) == -errno.EBUSY
    assert made.reserve_pages(USER_START + 7 * PAGE, 2) == -errno.EINVAL
    assert (made.alloc_pages(0, 1, -1), made.alloc_pages(0, 1, -1)) == (USER_START + 7 * PAGE, 0)


def test_global_variables_lie_in_the_first_pages() -> None:
    made = make(initial=b"x" * 5000)
    assert made.read(made.user_start, 5000) == b"x" * 5000
    assert made.alloc_pages(0, 1, -1) == USER_START + 2 * PAGE


def test_user_space_reads_what_it_mapped() -> None:
    made = make()
    for address in (USER_START - 1, USER_START + 8 * PAGE - 1):
        with pytest.raises(SyscallError, match="EFAULT"):
            made.read(address, 2)


def test_only_allocated_pages_are_there() -> None:
    made = make(start=(1 << 44) + (7 << 20))
    access = ArenaAccess(made.memory, made.window)
    low = 7 << 20
    assert made.reserve_pages(made.user_start + PAGE, 1) == 0
    for page in (0, 1, 2):
        access.store(low + page * PAGE, 8, 1)
        assert access.load(low + page * PAGE, 8) == 0
    page = made.alloc_pages(made.user_start, 1, -1)
    access.store(low, 8, 5)
    assert (access.load(low, 8), made.read(page, 8)) == (5, (5).to_bytes(8, "little"))
    made.free_pages(page, 1)
    access.store(low, 8, 6)
    assert (access.load(low, 8), made.read(page, 8)) == (0, bytes(8))
