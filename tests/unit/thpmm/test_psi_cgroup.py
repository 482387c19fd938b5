# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Control groups and their pressure, as programs and files show them."""

from __future__ import annotations

import pytest

from bpfvm.errors import SyscallError
from bpfvm.memory import view
from tests.mm.world import World
from thpmm.psi import calc_load


@pytest.fixture
def world() -> World:
    return World()


def test_tree(world: World) -> None:
    inner = world.thp.cgroup_create("/web/api")
    assert (inner.path, inner.level, inner.kernfs.id) == ("/web/api", 2, 3)
    seen = view(world.memory, world.kernel.btf, "cgroup", inner.addr)
    assert world.memory.cstring(inner.kernfs.name, 16) == b"api"
    assert seen["kn"] == inner.kernfs.addr
    css = view(world.memory, world.kernel.btf, "cgroup_subsys_state", seen["subsys"][4])
    assert css["cgroup"] == inner.addr
    with pytest.raises(SyscallError) as error:
        world.thp.machine.cgroups.find("/nowhere")
    assert error.value.name == "ENOENT"
    with pytest.raises(SyscallError):
        world.thp.cgroup_create("/")


def test_what_kfuncs_are_told(world: World) -> None:
    outer = world.thp.cgroup_create("/web")
    inner = world.thp.cgroup_create("/web/api")
    task = world.thp.spawn("a", cgroup="/web/api")
    tasks = world.kernel.runtime.tasks
    assert tasks is not None
    assert tasks.by_pid(task.pid) == tasks.by_vpid(task.pid) == task.addr
    assert tasks.by_pid(99) == 0
    assert tasks.cgroup_of(task.addr) == inner.addr
    assert tasks.cgroup_by_id(2) == outer.addr
    assert tasks.cgroup_id_of(inner.addr) == 3
    assert tasks.cgroup_ancestor(inner.addr, 1) == outer.addr
    assert tasks.cgroup_ancestor(inner.addr, 3) == 0
    assert tasks.under_cgroup(task.addr, outer.addr)
    assert not tasks.under_cgroup(world.thp.task(1).addr, outer.addr)
    assert tasks.acquire(task.addr) == task.addr
    assert world.thp.tasks_face.refs == {task.addr: 1}
    tasks.release(task.addr)
    assert world.thp.tasks_face.refs == {}
    with world.thp.machine.as_current(task):
        assert world.kernel.runtime.cgroup_id() == 3
        assert world.kernel.runtime.current() == task.addr
    assert world.kernel.runtime.cgroup_id() == 1


def test_charges_go_up_the_tree(world: World) -> None:
    world.thp.cgroup_create("/web/api", high=1 << 20)
    world.thp.spawn("a", cgroup="/web/api")
    world.thp.fresh_fault("a")
    usage = [world.thp.machine.cgroups.find(path).usage for path in ("/web/api", "/web")]
    assert usage == [512, 512]
    stat = world.thp.machine.cgroups.find("/web").stat()
    assert stat == {"anon": 2 << 20, "file": 0, "shmem": 0, "anon_thp": 2 << 20}
    assert world.thp.machine.cgroups.find("/web/api").events["high"] == 1
    world.thp.exit("a")
    assert world.thp.machine.cgroups.find("/web").usage == 0


def test_forced_pressure(world: World) -> None:
    group = world.thp.cgroup_create("/web")
    text = world.thp.pressure("/web", some=12.5, full=1)
    assert text == (
        "some avg10=12.50 avg60=12.50 avg300=12.50 total=0\nfull avg10=1.00 avg60=1.00 avg300=1.00 total=0\n"
    )
    seen = view(world.memory, world.kernel.btf, "psi_group", group.psi)
    assert seen["avg"][2 * 3] == 12 * 2048 + 1024
    assert world.thp.pressure("system").startswith("some avg10=0.00")


def test_averages_rise_and_fall(world: World) -> None:
    group = world.thp.cgroup_create("/web").psi_group
    group.stall(1_000_000_000, full=False)
    world.thp.sleep(2)
    assert group.text().splitlines()[0] == "some avg10=9.05 avg60=1.63 avg300=0.34 total=1000000"
    assert group.text().splitlines()[1] == "full avg10=0.00 avg60=0.00 avg300=0.00 total=0"
    world.thp.sleep(600)
    assert group.text().startswith("some avg10=0.00 avg60=0.00")
    assert world.thp.machine.cgroups.root.psi_group.total(2) == 1_000_000_000


def test_decay() -> None:
    assert calc_load(0, 1677, 100 << 11) == ((100 << 11) * (2048 - 1677) + 2047) >> 11
    assert calc_load(100 << 11, 1677, 0) == (100 << 11) * 1677 >> 11
