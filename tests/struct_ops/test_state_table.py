# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Map states × operations, cell by cell (kernel/bpf/bpf_struct_ops.c)."""

from __future__ import annotations

from collections.abc import Callable
from errno import EBUSY, EINPROGRESS, EINVAL, ENOENT, EOPNOTSUPP

import pytest

from bpfvm.errors import ENOTSUPP, SyscallError
from bpfvm.struct_ops import StructOpsMap
from bpfvm.struct_ops.constants import BPF_F_LINK, STATE_INIT, STATE_INUSE, STATE_READY, STATE_TOBEFREE
from tests.struct_ops.kernel_types import World

LINK, PLAIN = BPF_F_LINK, 0


def bring(world: World, state: int, flags: int) -> tuple[int, StructOpsMap]:
    """A map in this state: descriptor and object."""
    fd, made = world.map(flags=flags)
    if state != STATE_INIT:
        world.sys.map_update_elem(fd, 0, world.value())
    if state == STATE_TOBEFREE:
        world.sys.map_delete_elem(fd, 0)
    assert made.state == state
    world.conf.calls.clear()
    return fd, made


def populate(world: World, fd: int) -> None:
    world.sys.map_update_elem(fd, 0, world.value())


def delete(world: World, fd: int) -> None:
    world.sys.map_delete_elem(fd, 0)


def link_create(world: World, fd: int) -> None:
    world.sys.link_create(fd)


def link_update_to(world: World, fd: int) -> None:
    other, _ = world.ready("other")
    link = world.sys.link_create(other)
    world.conf.calls.clear()
    world.sys.link_update(link, fd)


INIT, INUSE, TOBEFREE, READY = STATE_INIT, STATE_INUSE, STATE_TOBEFREE, STATE_READY
TABLE = [
    (INIT, LINK, populate, 0, READY, "validate"),
    (INIT, PLAIN, populate, 0, INUSE, "reg"),
    (INIT, PLAIN, delete, ENOENT, INIT, ""),
    (INIT, LINK, delete, EOPNOTSUPP, INIT, ""),
    (INIT, LINK, link_create, EINVAL, INIT, ""),
    (INIT, PLAIN, link_create, EINVAL, INIT, ""),
    (INIT, LINK, link_update_to, EINVAL, INIT, ""),
    (READY, LINK, populate, EBUSY, READY, ""),
    (READY, LINK, delete, EOPNOTSUPP, READY, ""),
    (READY, LINK, link_create, 0, READY, "reg"),
    (READY, LINK, link_update_to, 0, READY, "update"),
    (INUSE, PLAIN, populate, EBUSY, INUSE, ""),
    (INUSE, PLAIN, delete, 0, TOBEFREE, "unreg"),
    (INUSE, PLAIN, link_create, EINVAL, INUSE, ""),
    (INUSE, PLAIN, link_update_to, EINVAL, INUSE, ""),
    (TOBEFREE, PLAIN, populate, EBUSY, TOBEFREE, ""),
    (TOBEFREE, PLAIN, delete, EINPROGRESS, TOBEFREE, ""),
    (TOBEFREE, PLAIN, link_create, EINVAL, TOBEFREE, ""),
    (TOBEFREE, PLAIN, link_update_to, EINVAL, TOBEFREE, ""),
]
NAMES = ("INIT", "INUSE", "TOBEFREE", "READY")


@pytest.mark.parametrize(
    ("state", "flags", "operation", "errno", "after", "callback"),
    TABLE,
    ids=[f"{NAMES[row[0]]}-{'link' if row[1] else 'plain'}-{row[2].__name__}" for row in TABLE],
)
def test_cell(
    world: World, state: int, flags: int, operation: Callable[[World, int], None], errno: int, after: int, callback: str
) -> None:
    fd, made = bring(world, state, flags)
    if errno:
        with pytest.raises(SyscallError) as failure:
            operation(world, fd)
        assert failure.value.errno == errno
    else:
        operation(world, fd)
    assert made.state == after
    assert world.conf.calls[-1:] == ([callback] if callback else [])


@pytest.mark.parametrize(("state", "flags"), [(INIT, LINK), (READY, LINK), (INUSE, PLAIN), (TOBEFREE, PLAIN)])
def test_lookup_shows_the_state(world: World, state: int, flags: int) -> None:
    fd, made = bring(world, state, flags)
    seen = world.sys.map_lookup_elem(fd, 0)
    assert int.from_bytes(seen[4:8], "little") == state
    assert int.from_bytes(seen[:4], "little") == made.refcnt - made.usercnt == (1 if state == INUSE else 0)
    if state == INIT:
        assert not any(seen)


@pytest.mark.parametrize(("state", "flags"), [(INIT, LINK), (READY, LINK), (INUSE, PLAIN), (TOBEFREE, PLAIN)])
def test_what_never_works(world: World, state: int, flags: int) -> None:
    fd, made = bring(world, state, flags)
    refused: list[tuple[Callable[[], object], int]] = [
        (lambda: world.sys.map_lookup_elem(fd, 1), ENOENT),
        (lambda: world.sys.map_get_next_key(fd, 0), ENOENT),
        (lambda: world.sys.map_freeze(fd), ENOTSUPP),
        (made.mmap, ENOTSUPP),
        (lambda: made.batch("lookup"), ENOTSUPP),
        (lambda: made.lookup_in_prog(0), EINVAL),
    ]
    for call, errno in refused:
        with pytest.raises(SyscallError) as failure:
            call()
        assert failure.value.errno == errno
    assert world.sys.map_get_next_key(fd, None) == 0
    assert world.sys.map_get_next_key(fd, 5) == 0
    assert made.state == state
