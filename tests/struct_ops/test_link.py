# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Links: creating, updating, detaching, releasing, and the order in which a type's callbacks run."""

from __future__ import annotations

from collections.abc import Callable
from errno import EBADF, EBUSY, EEXIST, EINVAL, ENOENT, ENOLINK, EOPNOTSUPP, EPERM, ESRCH

import pytest

from bpfvm.errors import KernelOops, KernelReport, SyscallError, UsageError
from bpfvm.struct_ops import Syscalls
from bpfvm.struct_ops.constants import BPF_F_REPLACE, EPOLLHUP
from bpfvm.struct_ops.link import LinkChanged
from tests.struct_ops.kernel_types import ConfOps, World


def errno_of(call: Callable[[], object]) -> int:
    with pytest.raises(SyscallError) as failure:
        call()
    return failure.value.errno


def test_callbacks_over_a_life(world: World) -> None:
    conf = world.kernel.registry.by_name("conf_ops")
    assert conf is not None
    prog_fd, prog = world.prog("test_1")
    conf.check_member(0, prog)
    fd, _ = world.map()
    world.sys.map_update_elem(fd, 0, world.value(test_1=prog_fd))
    other, _ = world.ready("other")
    del world.conf.calls[len(world.conf.calls) - len(conf.members) :]
    link = world.sys.link_create(fd)
    world.sys.link_update(link, other)
    world.sys.link_update(link, fd)
    world.sys.link_detach(link)
    world.sys.close(link)
    members = [f"init_member {member.name}" for member in conf.members if not member.is_module]
    assert [call for call in world.conf.calls if call not in members] == [
        "init", "check_member 0", "validate", "reg", "update", "update", "unreg",
    ]  # fmt: skip
    assert world.conf.calls[2 : 2 + len(members)] == members


def test_release_unregisters_only_what_is_attached(world: World) -> None:
    fd, _ = world.ready()
    world.sys.close(world.sys.link_create(fd))
    assert world.conf.calls[-2:] == ["reg", "unreg"]
    assert len(world.kernel.links) == 0


def test_a_failed_reg_leaves_no_link_but_uses_up_the_id(world: World) -> None:
    fd, made = world.ready()
    world.conf.answers["reg"] = -ESRCH
    assert errno_of(lambda: world.sys.link_create(fd)) == ESRCH
    assert (made.refcnt, len(world.kernel.links), world.kernel.update_mutex.holder) == (1, 0, "")
    assert errno_of(lambda: world.sys.link_get_fd_by_id(1)) == ENOENT
    world.conf.answers.clear()
    link = world.sys.link(world.sys.link_create(fd))
    assert link.id == 2
    assert world.conf.seen_links[-1] is link


def test_one_map_behind_several_links(world: World) -> None:
    fd, made = world.ready()
    links = [world.sys.link_create(fd) for _ in range(3)]
    assert made.refcnt == 4
    assert world.conf.calls.count("reg") == 3
    for link in links:
        world.sys.close(link)
    assert world.conf.calls.count("unreg") == 3
    assert made.refcnt == 1


@pytest.mark.parametrize(("fd", "errno"), [(99, EBADF), (-1, EBADF)])
def test_create_with_a_bad_descriptor(world: World, fd: int, errno: int) -> None:
    assert errno_of(lambda: world.sys.link_create(fd)) == errno


def test_create_with_a_program_or_another_attach_type(world: World) -> None:
    prog_fd, _ = world.prog("test_1")
    assert errno_of(lambda: world.sys.link_create(prog_fd)) == EINVAL
    fd, _ = world.ready()
    assert errno_of(lambda: world.sys.link_create(fd, 43)) == EINVAL


# update


class Many:
    """A link on map a; other maps to update it to."""

    def __init__(self) -> None:
        self.world = World()
        self.a, self.map_a = self.world.ready("a")
        self.b, self.map_b = self.world.ready("b")
        self.init, _ = self.world.map("empty")
        self.plain, _ = self.world.ready("plain", "plain_ops")
        self.link = self.world.sys.link_create(self.a)
        self.calls = self.world.conf.calls
        self.calls.clear()


def test_update_moves_the_reference() -> None:
    m = Many()
    m.world.sys.link_update(m.link, m.b)
    assert (m.map_a.refcnt, m.map_b.refcnt, m.calls) == (1, 2, ["update"])
    assert m.world.sys.link(m.link).map is m.map_b
    m.world.sys.link_update(m.link, m.b, BPF_F_REPLACE, m.b)
    assert (m.map_b.refcnt, m.calls) == (2, ["update", "update"])


def test_update_does_not_validate_again() -> None:
    m = Many()
    m.world.conf.answers["validate"] = -EINVAL
    m.world.sys.link_update(m.link, m.b)
    assert m.calls == ["update"]


def test_a_refused_update_changes_nothing() -> None:
    m = Many()
    m.world.conf.answers["update"] = -EBUSY
    assert errno_of(lambda: m.world.sys.link_update(m.link, m.b)) == EBUSY
    assert (m.map_a.refcnt, m.map_b.refcnt) == (2, 1)
    assert m.world.sys.link(m.link).map is m.map_a


UPDATE_ERRORS = [
    ("unknown flag", lambda m: (m.link, m.b, 1, 0), EINVAL),
    ("old without flag", lambda m: (m.link, m.b, 0, m.a), EINVAL),
    ("bad link", lambda m: (99, m.b, 0, 0), EBADF),
    ("not a link", lambda m: (m.a, m.b, 0, 0), EINVAL),
    ("bad new map", lambda m: (m.link, 99, 0, 0), EBADF),
    ("bad old map", lambda m: (m.link, m.b, BPF_F_REPLACE, 99), EBADF),
    ("new map empty", lambda m: (m.link, m.init, 0, 0), EINVAL),
    ("new map not ready before old map wrong", lambda m: (m.link, m.init, BPF_F_REPLACE, m.b), EINVAL),
    ("type can't", lambda m: (m.link, m.plain, 0, 0), EOPNOTSUPP),
    ("wrong old map", lambda m: (m.link, m.b, BPF_F_REPLACE, m.b), EPERM),
]


@pytest.mark.parametrize(("args", "errno"), [row[1:] for row in UPDATE_ERRORS], ids=[row[0] for row in UPDATE_ERRORS])
def test_update_errors(args: Callable[[Many], tuple[int, int, int, int]], errno: int) -> None:
    m = Many()
    assert errno_of(lambda: m.world.sys.link_update(*args(m))) == errno
    assert m.calls == []


def test_update_of_a_detached_link_comes_before_the_old_map() -> None:
    m = Many()
    m.world.sys.link_detach(m.link)
    assert errno_of(lambda: m.world.sys.link_update(m.link, m.b)) == ENOLINK
    assert errno_of(lambda: m.world.sys.link_update(m.link, m.b, BPF_F_REPLACE, m.b)) == ENOLINK
    assert errno_of(lambda: m.world.sys.link_update(m.link, m.init)) == EINVAL
    assert errno_of(lambda: m.world.sys.link_update(m.link, m.plain)) == EOPNOTSUPP


def test_update_to_another_type() -> None:
    """A second descriptor for the same struct counts as another type; the old map's check comes first."""
    m = Many()
    second = ConfOps()
    assert m.world.kernel.registry.register(second) == 0
    link = m.world.sys.link(m.link)
    registered = [each for each in m.world.kernel.registry if each.desc is second]
    m.map_b.type = registered[0]
    assert errno_of(lambda: link.update(m.map_b, m.map_b)) == EPERM
    assert errno_of(lambda: link.update(m.map_b)) == EINVAL


# detach, poll, info


def test_detach_wakes_pollers_and_is_idempotent(world: World) -> None:
    fd, made = world.ready()
    link_fd = world.sys.link_create(fd)
    link = world.sys.link(link_fd)
    woken: list[int] = []
    link.on_hup.append(lambda: woken.append(link.poll()))
    assert link.poll() == 0
    assert link.fdinfo() == f"link_type:\tstruct_ops\nlink_id:\t{link.id}\nmap_id:\t{made.id}\n"
    assert link.info() == {"type": 9, "id": link.id, "prog_id": 0, "struct_ops.map_id": made.id}
    world.sys.link_detach(link_fd)
    world.sys.link_detach(link_fd)
    assert woken == [EPOLLHUP]
    assert link.poll() == EPOLLHUP
    assert link.fdinfo() == f"link_type:\tstruct_ops\nlink_id:\t{link.id}\n"
    assert link.info()["struct_ops.map_id"] == 0
    assert (world.conf.calls.count("unreg"), made.refcnt) == (1, 1)
    world.sys.close(link_fd)
    assert world.conf.calls.count("unreg") == 1


def test_events(world: World) -> None:
    fd, made = world.ready()
    other, other_map = world.ready("other")
    world.watch()
    link = world.sys.link_create(fd)
    world.sys.link_update(link, other)
    world.sys.link_detach(link)
    world.sys.close(link)
    changes = [event for event in world.events if isinstance(event, LinkChanged)]
    assert [(each.what, each.map_id) for each in changes] == [
        ("create", made.id), ("update", other_map.id), ("detach", 0), ("release", 0),
    ]  # fmt: skip


# who keeps what alive


def test_a_pin_keeps_the_link_after_the_loader_is_gone(world: World) -> None:
    loader = Syscalls(world.kernel)
    fd = loader.map_create(world.attr())
    loader.map_update_elem(fd, 0, world.value())
    link = loader.link_create(fd)
    loader.obj_pin("/sys/fs/bpf/policy", link)
    assert errno_of(lambda: loader.obj_pin("/sys/fs/bpf/policy", link)) == EEXIST
    assert errno_of(lambda: loader.obj_pin("/tmp/policy", link)) == EPERM
    loader.exit()
    assert "unreg" not in world.conf.calls
    again = world.sys.obj_get("/sys/fs/bpf/policy")
    world.sys.unlink("/sys/fs/bpf/policy")
    assert "unreg" not in world.conf.calls
    world.sys.close(again)
    assert world.conf.calls[-1] == "unreg"
    assert len(world.kernel.maps) == 0
    assert errno_of(lambda: world.sys.obj_get("/sys/fs/bpf/policy")) == ENOENT


def test_an_unpinned_link_dies_with_the_loader(world: World) -> None:
    loader = Syscalls(world.kernel)
    fd = loader.map_create(world.attr())
    loader.map_update_elem(fd, 0, world.value())
    loader.link_create(fd)
    loader.exit()
    assert world.conf.calls[-1] == "unreg"
    assert len(world.kernel.maps) == len(world.kernel.links) == 0


def test_a_link_less_map_survives_the_loader_and_goes_by_id(world: World) -> None:
    loader = Syscalls(world.kernel)
    fd = loader.map_create(world.attr(flags=0))
    loader.map_update_elem(fd, 0, world.value())
    made = loader.map(fd)
    loader.exit()
    assert not made.freed
    again = world.sys.map_get_fd_by_id(made.id)
    world.sys.map_delete_elem(again, 0)
    assert world.conf.seen_links == [None, None]
    assert not made.freed
    world.sys.close(again)
    assert made.freed
    assert errno_of(lambda: world.sys.map_get_fd_by_id(made.id)) == ENOENT


def test_a_paused_reader_delays_freeing_not_unregistering(world: World) -> None:
    fd, made = world.ready()
    link = world.sys.link_create(fd)
    world.kernel.rcu.read_lock()
    world.sys.close(fd)
    world.sys.close(link)
    assert world.conf.calls[-1] == "unreg"
    assert not made.freed
    assert not world.kernel.synchronize_rcu()
    world.kernel.rcu.read_unlock()
    assert made.freed
    assert world.kernel.synchronize_rcu()


# update_mutex


def oops_in(world: World) -> Callable[[], None]:
    def die() -> None:
        with world.kernel.in_function("conf_reg"):
            world.memory.load(0x48, 8)

    return die


def test_an_oops_in_reg_keeps_update_mutex_for_ever(world: World) -> None:
    fd, _ = world.ready()
    good = world.sys.link_create(fd)
    world.conf.during["reg"] = oops_in(world)
    with pytest.raises(KernelOops) as oops:
        world.sys.link_create(fd)
    assert str(oops.value).splitlines()[0] == "BUG: kernel NULL pointer dereference, address: 0000000000000048"
    assert oops.value.trace == ("conf_reg", "bpf_struct_ops_link_create")
    assert world.console()[-6:] == [
        "RIP: 0010:conf_reg", "Call Trace:", " <TASK>", " conf_reg", " bpf_struct_ops_link_create", " </TASK>",
    ]  # fmt: skip
    hung: list[Callable[[], object]] = [
        lambda: world.sys.link_create(fd),
        lambda: world.sys.link_update(good, fd),
        lambda: world.sys.link_detach(good),
    ]
    for call in hung:
        with pytest.raises(KernelReport, match="task hung: waiting for update_mutex") as report:
            call()
        assert report.value.kind == "hung_task"
    world.sys.close(good)
    assert world.conf.calls[-1] == "unreg"


def test_an_oops_without_a_link_keeps_the_maps_own_lock(world: World) -> None:
    fd, _ = world.map(flags=0)
    world.conf.during["reg"] = oops_in(world)
    with pytest.raises(KernelOops):
        world.sys.map_update_elem(fd, 0, world.value())
    with pytest.raises(KernelReport, match="st_map->lock"):
        world.sys.map_update_elem(fd, 0, world.value())
    assert not world.kernel.update_mutex.stuck


def test_a_report_that_is_no_oops_lets_go_of_update_mutex(world: World) -> None:
    fd, _ = world.ready()
    world.conf.during["reg"] = lambda: world.kernel.report(KernelReport("kasan", "BUG: KASAN: something"))
    with pytest.raises(KernelReport):
        world.sys.link_create(fd)
    world.conf.during.clear()
    world.sys.link_create(fd)


def test_taking_update_mutex_inside_a_callback_can_not_work(world: World) -> None:
    fd, _ = world.ready()
    first = world.sys.link_create(fd)
    world.conf.during["reg"] = lambda: world.sys.link_detach(first)
    with pytest.raises(UsageError, match="update_mutex, held by bpf_struct_ops_link_create"):
        world.sys.link_create(fd)


def test_release_does_not_take_update_mutex(world: World) -> None:
    fd, _ = world.ready()
    first = world.sys.link_create(fd)
    world.conf.during["reg"] = lambda: world.sys.close(first)
    world.sys.link_create(fd)
    assert world.conf.calls[-2:] == ["reg", "unreg"]


def test_a_blocker_lets_others_finish_first(world: World) -> None:
    mutex, reasons = world.kernel.update_mutex, list[str]()

    def blocker(reason: str, ready: Callable[[], bool]) -> None:
        reasons.append(reason)
        mutex.holder = ""
        assert ready()

    world.kernel.blocker = blocker
    fd, _ = world.ready()
    mutex.holder = "somebody"
    world.sys.link_create(fd)
    assert reasons == ["update_mutex held by somebody"]
