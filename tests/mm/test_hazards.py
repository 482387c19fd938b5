# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The hazards of BPF-THP v11: each happens there, by itself, and is gone with its remedy."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from bpfvm.errors import KernelOops, KernelReport, SyscallError
from tests.mm.world import World

CHECKERS = ("off", "list", "kasan")
LEAVING = ("detach", "close")


def managed_world(profile: str, checker: str = "off", **options: Any) -> tuple[World, int]:
    world = World(profile, checker, **options)
    world.thp.spawn("a")
    return world, world.attach("pol", "a")


def failed_fork(world: World) -> None:
    with pytest.raises(SyscallError):
        world.thp.fork("a", "c", fail_at=1)


@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize("profile", ["v12", "fixed"])
def test_h1_is_gone(profile: str, checker: str) -> None:
    world = World(profile, checker)
    with pytest.raises(SyscallError) as error:
        world.attach("pol", 2)
    assert error.value.name == "EINVAL"
    assert not world.kernel.update_mutex.stuck


@pytest.mark.parametrize("checker", CHECKERS)
def test_h1_null_mm(checker: str) -> None:
    world = World("v11", checker)
    with pytest.raises(KernelOops, match="address: 0000000000000084"):
        world.attach("pol", 2)
    assert world.kernel.update_mutex.stuck


def test_h2_off_parent_drops_off_the_list() -> None:
    world, link = managed_world("v11")
    failed_fork(world)
    assert world.thp.lists() == {"pol": []}
    world.sys.link_detach(link)
    assert world.thp.managed("a") == "?"
    with pytest.raises(KernelOops, match="unable to handle page fault"):
        world.thp.fresh_fault("a")


def test_h2_list_corruption_is_seen() -> None:
    world, _ = managed_world("v11", "list")
    with pytest.raises(KernelReport, match=r"list_del corruption\. prev->next should be") as report:
        world.thp.fork("a", "c", fail_at=1)
    assert report.value.kind == "list"
    assert "bpf_thp_exit_mm" in report.value.trace


def test_h2_kasan_sees_the_list_first() -> None:
    world, _ = managed_world("v11", "kasan")
    with pytest.raises(KernelReport, match=r"list_del corruption\. prev->next should be"):
        world.thp.fork("a", "c", fail_at=1)


@pytest.mark.parametrize("checker", CHECKERS)
def test_h2_fixed(checker: str) -> None:
    world, link = managed_world("fixed", checker)
    failed_fork(world)
    assert world.thp.lists() == {"pol": ["a"]}
    world.sys.link_detach(link)
    assert world.manager("a") is None


def test_h3_single_fix() -> None:
    world, link = managed_world("v11", fixes=("H3",))
    world.thp.posix_spawn("a", "s")
    assert (world.manager("a"), world.manager("s")) == ("pol", "pol")
    assert set(world.thp.lists()["pol"]) == {"a", "s"}
    world.sys.link_detach(link)
    assert (world.manager("a"), world.manager("s")) == (None, None)


def test_h3_kept_in_fixed() -> None:
    world, _ = managed_world("fixed", hazards=("H3",))
    world.thp.posix_spawn("a", "s")
    assert (world.manager("a"), world.manager("s")) == (None, "pol")


@pytest.mark.parametrize("checker", CHECKERS)
def test_exec_alone_keeps_one_node(checker: str) -> None:
    for profile in ("v11", "fixed"):
        world, link = managed_world(profile, checker)
        world.thp.fork("a", "b")
        world.thp.exec("a")
        assert world.thp.lists() == {"pol": ["a", "b"]}
        world.sys.link_detach(link)
        assert world.thp.lists().get("pol", []) == []


def paused_fork(world: World, link: int, point: str = "after_mm_copy") -> None:
    strand = world.thp.start("fork", lambda: world.thp.fork("a", "c"), pause_at=point)
    assert strand.is_("paused")
    world.sys.link_detach(link)
    world.sys.close(link)
    strand.resume()
    assert strand.is_("done")


def test_h4_child_keeps_a_dangling_pointer() -> None:
    world, link = managed_world("v11")
    paused_fork(world, link, "before_fork_hook")
    assert (world.thp.managed("a"), world.thp.managed("c")) == (None, "?")
    with pytest.raises(KernelOops, match="unable to handle page fault"):
        world.thp.fresh_fault("c")


def test_h4_child_dies_with_stale_links() -> None:
    world, link = managed_world("v11", "list")
    paused_fork(world, link)
    with pytest.raises(KernelReport, match="list_del corruption"):
        world.thp.exit("c")


def test_h4_kasan() -> None:
    world, link = managed_world("v11", "kasan")
    paused_fork(world, link)
    with pytest.raises(KernelReport, match="KASAN: slab-use-after-free in bpf_hook_thp_get_orders"):
        world.thp.fresh_fault("c")


def test_h4_fixed() -> None:
    world, link = managed_world("fixed", "kasan")
    paused_fork(world, link)
    assert world.manager("c") is None
    world.thp.exit("c")


def update_to_itself(world: World, link: int) -> None:
    same = world.link(link).map
    assert same is not None
    world.link(link).update(same)


def test_h5_update_to_the_same_map() -> None:
    world, link = managed_world("v11")
    update_to_itself(world, link)
    assert world.thp.lists() == {"pol": []}
    assert world.manager("a") == "pol"
    world.sys.link_detach(link)
    assert world.thp.managed("a") == "?"


def test_h5_list_corruption_at_exit() -> None:
    world, link = managed_world("v11", "list")
    update_to_itself(world, link)
    with pytest.raises(KernelReport, match="list_del corruption"):
        world.thp.exit("a")
    assert world.thp.task("a").zombie


def test_h5_kasan_use_after_free() -> None:
    world, link = managed_world("v11", "kasan")
    update_to_itself(world, link)
    world.sys.link_detach(link)
    with pytest.raises(KernelReport, match="KASAN: slab-use-after-free in bpf_hook_thp_get_orders"):
        world.thp.fresh_fault("a")


@pytest.mark.parametrize("checker", CHECKERS)
def test_h5_fixed(checker: str) -> None:
    world, link = managed_world("fixed", checker)
    with pytest.raises(SyscallError) as error:
        update_to_itself(world, link)
    assert error.value.name == "EINVAL"
    assert world.thp.lists() == {"pol": ["a"]}


def second_link(world: World, link: int) -> int:
    """The target has lost its policy to a spawned program; the same map is attached to it once more."""
    world.thp.posix_spawn("a", "s")
    same = world.link(link).map
    assert same is not None
    return world.sys.fds.install(world.kernel.links.create(same))


def test_h6_second_link_orphans_descendants() -> None:
    world, link = managed_world("v11")
    second = second_link(world, link)
    assert world.thp.lists() == {"pol": ["a"]}
    assert world.manager("s") == "pol"
    world.sys.link_detach(link)
    world.sys.link_detach(second)
    assert (world.thp.managed("a"), world.thp.managed("s")) == (None, "?")


def test_h6_kasan() -> None:
    world, link = managed_world("v11", "kasan")
    second = second_link(world, link)
    world.sys.link_detach(link)
    world.sys.link_detach(second)
    with pytest.raises(KernelReport, match="slab-use-after-free"):
        world.thp.fresh_fault("s")


@pytest.mark.parametrize("checker", CHECKERS)
def test_h6_fixed_list_is_appended(checker: str) -> None:
    world, link = managed_world("v11", checker, fixes=("H6",))
    second = second_link(world, link)
    assert world.thp.lists() == {"pol": ["s", "a"]}
    world.sys.link_detach(link)
    world.sys.link_detach(second)
    assert (world.manager("a"), world.manager("s")) == (None, None)


def two_links(profile: str, checker: str = "off") -> tuple[World, int, int, int]:
    world = World(profile, checker)
    world.thp.spawn("a")
    world.thp.spawn("b")
    first = world.attach("map1", "a")
    map2 = world.policy("map2", pid=world.thp.task("b" if profile == "v11" else "a").pid)
    second = -1
    if profile == "v11":
        second = world.sys.link_create(map2)
    return world, first, second, map2


def test_h7_update_onto_a_live_map() -> None:
    world, first, second, map2 = two_links("v11")
    world.sys.link_update(first, map2)
    assert world.thp.lists()["map2"] == ["a"]
    assert world.manager("b") == "map2"
    world.sys.link_detach(first)
    assert (world.manager("a"), world.manager("b")) == (None, "map2")
    world.sys.link_detach(second)
    world.sys.close(map2)
    assert world.thp.managed("b") == "?"


def test_h7_list_checks() -> None:
    world, first, _, map2 = two_links("v11", "list")
    world.sys.link_update(first, map2)
    with pytest.raises(KernelReport, match="list_del corruption"):
        world.thp.exit("b")


@pytest.mark.parametrize("checker", CHECKERS)
def test_h7_fixed(checker: str) -> None:
    world = World("v11", checker, fixes=("H7",))
    world.thp.spawn("a")
    world.thp.spawn("b")
    first = world.attach("map1", "a")
    map2 = world.policy("map2", pid=world.thp.task("b").pid)
    world.sys.link_create(map2)
    with pytest.raises(SyscallError) as error:
        world.sys.link_update(first, map2)
    assert error.value.name == "EBUSY"
    assert world.thp.lists() == {"map1": ["a"], "map2": ["b"]}


def paused_unreg(world: World, link: int) -> Callable[[], None]:
    strand = world.thp.start("detach", lambda: world.sys.link_detach(link), pause_at="unreg_between_clear_and_unlink")
    assert strand.is_("paused")

    def go_on() -> None:
        strand.resume()

    return go_on


def test_h8_exit_during_unreg() -> None:
    world, link = managed_world("v11", "kasan")
    go_on = paused_unreg(world, link)
    world.thp.exit("a")
    with pytest.raises(KernelReport, match="slab-use-after-free"):
        go_on()


def test_h8_fixed_exit_waits_for_the_lock() -> None:
    world, link = managed_world("fixed", "kasan")
    go_on = paused_unreg(world, link)
    leaving = world.thp.start("exit", lambda: world.thp.exit("a"))
    assert leaving.is_("blocked")
    go_on()
    assert leaving.is_("done")
    leaving.join()
    assert world.thp.task("a").zombie


def attach_during_exec(world: World) -> tuple[int, str]:
    pid = world.thp.task("a").pid
    map_fd = world.policy("pol", pid=pid)
    strand = world.thp.start("attach", lambda: world.sys.link_create(map_fd), pause_at="reg_after_get_mm")
    world.thp.exec("a")
    try:
        return strand.resume(), "0"
    except SyscallError as error:
        return -1, error.name


def test_h9_attach_to_an_mm_that_is_left() -> None:
    world = World("v11", "kasan")
    world.thp.spawn("a")
    link, errno = attach_during_exec(world)
    assert errno == "0"
    assert link >= 0
    assert world.manager("a") is None
    assert world.thp.lists() == {"pol": []}


def test_h9_the_target_is_gone_meanwhile() -> None:
    for profile, expected in (("v11", "0"), ("fixed", "ESRCH")):
        world = World(profile, "kasan")
        world.thp.spawn("a")
        map_fd = world.policy("pol", pid=world.thp.task("a").pid)
        strand = world.thp.start(
            "attach", functools.partial(world.sys.link_create, map_fd), pause_at="reg_after_get_mm"
        )
        world.thp.exit("a")
        world.thp.reap("a")
        try:
            strand.resume()
            seen = "0"
        except SyscallError as error:
            seen = error.name
        assert seen == expected
        assert world.thp.lists().get("pol", []) == []


def test_h9_fixed() -> None:
    world = World("fixed", "kasan")
    world.thp.spawn("a")
    assert attach_during_exec(world) == (-1, "ESRCH")


@pytest.mark.parametrize(("profile", "answer", "order"), [
    ("v11", -1, 0), ("v12", -1, 9), ("fixed", -1, 9), ("v11", 73, 9), ("v12", 73, 9), ("fixed", 73, 0),
])  # fmt: skip
def test_h10_answers_out_of_range(profile: str, answer: int, order: int) -> None:
    world = World(profile)
    world.thp.spawn("a")
    world.attach("pol", "a", lambda vma, tva, orders: answer)
    assert world.thp.fresh_fault("a").order == order


@pytest.mark.parametrize(
    ("answer", "text"), [(-1, "shift exponent -1 is negative"), (73, "shift exponent 73 is too large")]
)
def test_h10_kasan_reports_the_shift(answer: int, text: str) -> None:
    world = World("v11", "kasan")
    world.thp.spawn("a")
    world.attach("pol", "a", lambda vma, tva, orders: answer)
    with pytest.raises(KernelReport, match=text):
        world.thp.fresh_fault("a")


def masks_seen(profile: str) -> list[int]:
    seen: list[int] = []
    world = World(profile, sysfs={"enabled": "always", "hugepages-64kB": "always", "hugepages-2048kB": "never"})
    world.thp.spawn("a")

    def policy(vma: int, tva: int, orders: int) -> int:
        seen.append(orders)
        return orders.bit_length() - 1

    world.attach("pol", "a", policy)
    order = world.thp.fresh_fault("a").order
    return [*seen, order]


def test_h12_mask_is_not_what_is_available() -> None:
    assert masks_seen("v11") == [1 << 9, 0x1FF, 0]
    assert masks_seen("fixed") == [1 << 4, 4]


def test_h13_program_runs_where_thp_is_disabled() -> None:
    for profile, runs in (("v11", "pol"), ("fixed", None)):
        world, _ = managed_world(profile)
        world.thp.prctl_thp_disable("a", 1)
        result = world.thp.fresh_fault("a")
        assert (result.managed_by, result.order) == (runs, 0)


def test_h14_update_ignores_the_pid() -> None:
    world, link = managed_world("v11")
    world.thp.spawn("b")
    world.sys.link_update(link, world.policy("new", pid=world.thp.task("b").pid))
    assert (world.manager("a"), world.manager("b")) == ("new", None)
    world, link = managed_world("fixed")
    world.thp.spawn("b")
    with pytest.raises(SyscallError) as error:
        world.sys.link_update(link, world.policy("new", pid=world.thp.task("b").pid))
    assert error.value.name == "EINVAL"


def test_h16_exited_leader() -> None:
    for profile in ("v11", "fixed"):
        world = World(profile)
        world.thp.spawn("a")
        world.thp.thread("a", "t")
        world.thp.exit("a")
        if profile == "v11":
            with pytest.raises(SyscallError) as error:
                world.attach("pol", "a")
            assert error.value.name == "ESRCH"
        else:
            world.attach("pol", "a")
            assert world.manager("t") == "pol"


def test_h19_init_is_everybody_from_now_on() -> None:
    world = World("v11")
    world.thp.spawn("old")
    world.attach("pol", 1)
    world.thp.spawn("new")
    assert (world.manager("old"), world.manager("new")) == (None, "pol")
