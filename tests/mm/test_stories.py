# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What was seen on Linux 6.12.117 with the v11 patch, driven by libbpf from real processes: profile v11, checker
off."""

from __future__ import annotations

import pytest

from bpfvm.errors import KernelOops, KernelReport, SyscallError
from bpfvm.struct_ops.map import MapAttr
from tests.mm.world import World


def errno_of(error: pytest.ExceptionInfo[SyscallError]) -> str:
    return error.value.name


@pytest.fixture
def world() -> World:
    made = World("v11")
    made.thp.spawn("a")
    return made


def test_only_the_target_is_managed(world: World) -> None:
    world.thp.fork("a", "earlier")
    world.thp.spawn("other")
    world.attach("pol", "a")
    assert world.manager("a") == "pol"
    assert world.manager("other") is None
    assert world.manager("earlier") is None


@pytest.mark.parametrize("pid", [30_000, 0, -1])
def test_attach_to_nobody(world: World, pid: int) -> None:
    with pytest.raises(SyscallError) as error:
        world.attach("pol", pid)
    assert errno_of(error) == "ESRCH"


def test_attach_to_a_zombie(world: World) -> None:
    world.thp.fork("a", "z")
    world.thp.exit("z")
    with pytest.raises(SyscallError) as error:
        world.attach("pol", "z")
    assert errno_of(error) == "ESRCH"


def test_attach_to_a_kernel_thread_oopses(world: World) -> None:
    with pytest.raises(KernelOops) as oops:
        world.attach("pol", 2)
    assert str(oops.value).startswith("BUG: kernel NULL pointer dereference, address: 0000000000000084")
    assert oops.value.trace[:2] == ("mmput", "bpf_thp_reg")
    with pytest.raises(KernelReport) as hung:
        world.attach("again", "a")
    assert hung.value.kind == "hung_task"


def test_second_instance_is_refused(world: World) -> None:
    world.attach("pol", "a")
    with pytest.raises(SyscallError) as error:
        world.attach("second", "a")
    assert errno_of(error) == "EBUSY"


def test_descendants_inherit(world: World) -> None:
    world.attach("pol", "a")
    world.thp.fork("a", "b")
    world.thp.fork("b", "c")
    assert [world.manager(name) for name in "abc"] == ["pol"] * 3
    assert world.thp.lists() == {"pol": ["a", "b", "c"]}


def test_exec_keeps_the_policy(world: World) -> None:
    world.attach("pol", "a")
    with pytest.raises(SyscallError) as error:
        world.thp.exec("a", fail_at="open")
    assert errno_of(error) == "ENOENT"
    assert world.manager("a") == "pol"
    world.thp.exec("a", "/bin/next")
    assert world.manager("a") == "pol"
    assert world.thp.task("a").comm == "next"
    world.thp.fork("a", "b")
    assert world.manager("b") == "pol"


def test_vfork_child_without_exec(world: World) -> None:
    world.attach("pol", "a")
    world.thp.vfork("a", "v")
    assert world.manager("v") == "pol"
    world.thp.exit("v")
    assert world.manager("a") == "pol"


def test_posix_spawn_takes_the_policy_away(world: World) -> None:
    world.attach("pol", "a")
    world.thp.posix_spawn("a", "s")
    assert world.manager("s") == "pol"
    assert world.manager("a") is None
    world.attach("again", "a")
    assert world.manager("a") == "again"
    with pytest.raises(SyscallError) as error:
        world.attach("third", "s")
    assert errno_of(error) == "EBUSY"


def test_update_moves_everybody(world: World) -> None:
    world.thp.spawn("other")
    link = world.attach("pol_a", "a")
    world.thp.fork("a", "b")
    new = world.policy("pol_b", pid=world.thp.task("a").pid)
    world.sys.link_update(link, new)
    world.thp.fork("b", "c")
    assert [world.manager(name) for name in "abc"] == ["pol_b"] * 3
    assert world.manager("other") is None


def test_detach_twice_then_update(world: World) -> None:
    link = world.attach("pol", "a")
    new = world.policy("new", pid=world.thp.task("a").pid)
    world.sys.link_detach(link)
    world.sys.link_detach(link)
    with pytest.raises(SyscallError) as error:
        world.sys.link_update(link, new)
    assert errno_of(error) == "ENOLINK"
    assert world.manager("a") is None


@pytest.mark.parametrize(
    ("answer", "order"), [(9, 9), (0, 0), (-1, 0), (1, 0), (4, 0), (8, 0), (10, 0), (63, 0), (64, 0), (73, 9), (-55, 9)]
)
def test_answers_on_a_pmd_fault(world: World, answer: int, order: int) -> None:
    world.attach("pol", "a", lambda vma, tva, orders: answer)
    assert world.thp.fresh_fault("a").order == order


def test_mode_never_still_runs_the_program(world: World) -> None:
    world.attach("pol", "a")
    world.thp.sysfs_write("enabled", "never")
    result = world.thp.fresh_fault("a")
    assert result.managed_by == "pol"
    assert [(call.type_name, call.orders) for call in result.calls] == [
        ("TVA_PAGEFAULT", 1 << 9),
        ("TVA_PAGEFAULT", 0x1FF),
    ]
    assert result.order == 0


def test_map_without_callback(world: World) -> None:
    fd = world.sys.map_create(MapAttr("empty", world.type.value_id, world.type.value_size))
    with pytest.raises(SyscallError) as error:
        world.populate(fd, 0, 1)
    assert errno_of(error) == "EINVAL"
    assert world.kernel.runtime.console[-1] == "bpf_thp: required ops isn't implemented"


def test_failed_fork_loses_the_parent(world: World) -> None:
    link = world.attach("pol_a", "a")
    with pytest.raises(SyscallError) as error:
        world.thp.fork("a", "c", fail_at="dup_mmap")
    assert errno_of(error) == "ENOMEM"
    assert world.thp.lists() == {"pol_a": []}
    assert world.manager("a") == "pol_a"
    old = world.link(link).map
    assert old is not None
    world.kernel.fds.open(old)
    new = world.policy("pol_b", pid=world.thp.task("a").pid)
    world.sys.link_update(link, new)
    assert world.manager("a") == "pol_a"
    assert world.thp.lists()["pol_b"] == []


def test_thread_ids_and_dead_leaders(world: World) -> None:
    world.thp.thread("a", "t")
    link = world.attach("pol", "t")
    assert world.manager("a") == world.manager("t") == "pol"
    world.sys.link_detach(link)
    world.thp.exit("a")
    assert world.thp.task("a").zombie
    with pytest.raises(SyscallError) as error:
        world.attach("again", "a")
    assert errno_of(error) == "ESRCH"
    assert world.manager("t") is None
