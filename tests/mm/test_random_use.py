# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Whatever programs do with their memory, the machine's books stay in order, and nothing is left when they are gone."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bpfvm.errors import SyscallError
from tests.mm.invariants import check_machine
from tests.mm.world import World

BASE = 0x1000_0000
MB = 1 << 20
OPERATIONS = (
    "mmap",
    "munmap",
    "write",
    "read",
    "hugepage",
    "nohugepage",
    "dontneed",
    "fork",
    "exit",
    "swap",
    "collapse",
    "protect",
    "khugepaged",
)
steps = st.lists(
    st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 2047), st.integers(1, 1100), st.integers(0, 3)), max_size=25
)


def do(world: World, names: list[str], operation: str, page: int, pages: int, who: int) -> None:
    thp, at, length = world.thp, BASE + (page << 12), pages << 12
    task = names[who % len(names)]
    if operation == "mmap":
        thp.mmap(task, length, at=at)
    elif operation == "munmap":
        thp.munmap(task, at, length)
    elif operation in ("read", "write"):
        thp.fault(task, at, operation)
    elif operation in ("hugepage", "nohugepage", "dontneed"):
        thp.madvise(task, at, length, operation)
    elif operation == "protect":
        thp.mprotect(task, at, length, "r" if pages & 1 else "rw")
    elif operation == "swap":
        thp.swap_out(task, at, length)
    elif operation == "collapse":
        thp.collapse(task, at & ~0x1FFFFF)
    elif operation == "khugepaged":
        thp.khugepaged(1)
    elif operation == "fork" and len(names) < 4:
        thp.fork(task, f"t{len(thp.tasks)}_{page}_{pages}")
        names.append(thp.tasks[-1].name)
    elif operation == "exit" and len(names) > 1:
        thp.exit_group(task)
        names.remove(task)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(steps)
def test_books_stay_in_order(story: list[tuple[str, int, int, int]]) -> None:
    world = World(sysfs={"enabled": "always", "hugepages-64kB": "always", "hugepages-16kB": "madvise"})
    world.thp.spawn("a")
    free = world.thp.machine.zone.free_pages
    world.thp.exit("a")
    world.thp.reap("a")
    world.thp.spawn("a")
    names = ["a"]
    for operation, page, pages, who in story:
        try:
            do(world, names, operation, page, pages, who)
        except SyscallError as error:
            assert error.name in ("EINVAL", "ENOMEM", "EBUSY", "EAGAIN"), error
        check_machine(world.thp)
    for name in names:
        world.thp.exit_group(name)
    machine = world.thp.machine
    assert [mm.owner for mm in machine.mms.values()] == [machine.init]
    zero = 512 if machine.huge_zero.pfn is not None else 0
    assert machine.zone.free_pages == free + 1 - zero
    assert machine.swap.free_slots == machine.swap.slots
    assert machine.khugepaged.mm_slots == {}
