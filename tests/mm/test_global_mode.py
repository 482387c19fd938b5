# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Patch 06 of the series: an instance with pid 0 decides for everybody."""

from __future__ import annotations

import pytest

from bpfvm.errors import SyscallError
from tests.mm.world import World


@pytest.fixture
def world() -> World:
    made = World(patches=(6,))
    made.thp.spawn("a")
    made.thp.spawn("b")
    return made


def refused(world: World, name: str, task: str | int) -> str:
    with pytest.raises(SyscallError) as error:
        world.attach(name, task)
    return error.value.name


def test_everybody_is_managed(world: World) -> None:
    link = world.attach("all", 0)
    assert (world.manager("a"), world.manager("b")) == ("all", "all")
    assert refused(world, "second", 0) == "EBUSY"
    assert refused(world, "one", "a") == "EBUSY"
    world.sys.link_detach(link)
    assert world.manager("a") is None


def test_older_instances_are_silent_meanwhile(world: World) -> None:
    world.attach("one", "a")
    link = world.attach("all", 0)
    assert world.manager("a") == "all"
    world.sys.link_detach(link)
    assert world.manager("a") == "one"


def test_update_rules(world: World) -> None:
    everybody = world.attach("all", 0)
    one = world.policy("one", pid=world.thp.task("a").pid)
    with pytest.raises(SyscallError) as error:
        world.sys.link_update(everybody, one)
    assert error.value.name == "EINVAL"
    world.sys.link_update(everybody, world.policy("other"))
    assert world.manager("b") == "other"


def test_without_the_patch_pid_0_is_nobody() -> None:
    assert refused(World(), "all", 0) == "ESRCH"
