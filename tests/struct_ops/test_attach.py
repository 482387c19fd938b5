# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""libbpf's handles: attaching with and without a link, updating, letting go."""

from __future__ import annotations

from collections.abc import Callable
from errno import EBADF, EBUSY, EINVAL, EOPNOTSUPP

import pytest

from bpfvm.errors import SyscallError
from bpfvm.obj.model import ObjectSpec
from bpfvm.struct_ops.attach import BpfMap, attach_struct_ops
from bpfvm.struct_ops.load import plan_struct_ops
from bpfvm.struct_ops.shadow import shadows
from tests.struct_ops.btf_builder import BtfBuilder
from tests.struct_ops.kernel_types import Common, World
from tests.struct_ops.objects import ObjectMaker, load


def fields(b: BtfBuilder, c: Common) -> list[tuple[str, int]]:
    return [("test_1", b.method(c.int)), ("data", c.int)]


def two_policies(*, link: bool = True) -> ObjectSpec:
    maker = ObjectMaker().struct("conf_ops", fields).prog("always", "never")
    maker.var("first", "conf_ops", {"test_1": "always"}, link=link)
    return maker.var("second", "conf_ops", {"test_1": "never"}, link=link).build()


def errno_of(call: Callable[[], object]) -> int:
    with pytest.raises(SyscallError) as failure:
        call()
    return failure.value.errno


def test_attach_call_update_destroy(world: World) -> None:
    obj = two_policies()
    edited = shadows(obj)
    edited["first"].set("data", 5)
    _, maps = load(world, obj, edited, {"always": 9, "never": 0})
    link = maps["first"].attach()
    made = maps["first"].kernel_map
    assert world.kernel.trampolines.call(world.slot(made, "test_1"), []) == 9
    assert world.slot(made, "data") & 0xFFFFFFFF == 5
    link.update_map(maps["second"])
    assert world.conf.calls[-1] == "update"
    assert world.kernel.trampolines.call(world.slot(maps["second"].kernel_map, "test_1"), []) == 0
    link.destroy()
    assert world.conf.calls[-1] == "unreg"


def test_a_link_map_may_be_attached_again(world: World) -> None:
    _, maps = load(world, two_policies())
    links = [maps["first"].attach() for _ in range(2)]
    assert maps["first"].kernel_map.refcnt == 3
    links[0].update_map(maps["second"])
    links[1].update_map(maps["second"])
    assert maps["second"].kernel_map.refcnt == 3


def test_a_map_without_link_may_not(world: World) -> None:
    _, maps = load(world, two_policies(link=False))
    link = maps["first"].attach()
    assert not link.is_link
    assert errno_of(maps["first"].attach) == EBUSY
    assert errno_of(lambda: link.update_map(maps["second"])) == EINVAL
    link.detach()
    assert world.conf.calls[-1] == "unreg"
    assert errno_of(maps["first"].attach) == EBUSY


@pytest.mark.parametrize("disconnected", [False, True])
def test_destroying_a_link_less_link_unregisters_unless_disconnected(world: World, disconnected: bool) -> None:
    _, maps = load(world, two_policies(link=False))
    link = maps["first"].attach()
    if disconnected:
        link.disconnect()
    link.destroy()
    assert (world.conf.calls[-1] == "unreg") is not disconnected
    assert maps["first"].fd >= 0


def test_detach_of_a_link(world: World) -> None:
    _, maps = load(world, two_policies())
    link = maps["first"].attach()
    link.detach()
    link.detach()
    link.destroy()
    assert world.conf.calls.count("unreg") == 1


def test_refused_registration_reaches_the_caller(world: World) -> None:
    _, maps = load(world, two_policies())
    world.conf.answers["reg"] = -EOPNOTSUPP
    assert errno_of(maps["first"].attach) == EOPNOTSUPP
    assert maps["first"].kernel_map.refcnt == 1


def test_not_created_and_not_struct_ops(world: World) -> None:
    plan = plan_struct_ops(two_policies(), world.kernel)
    maps = {name: BpfMap(each, world.sys) for name, each in plan.maps.items()}
    with pytest.raises(SyscallError, match="map 'first': can't attach BPF map without FD"):
        attach_struct_ops(maps, "first")
    with pytest.raises(SyscallError, match="map 'counters': can't attach non-struct_ops map"):
        attach_struct_ops(maps, "counters")


def test_a_slot_whose_program_was_not_loaded_is_a_bad_descriptor(world: World) -> None:
    _, maps = load(world, two_policies())
    maps["first"].set_programs({})
    assert errno_of(maps["first"].attach) == EBADF


def test_pinned_link_outlives_its_descriptor(world: World) -> None:
    _, maps = load(world, two_policies())
    link = maps["first"].attach()
    link.pin("/sys/fs/bpf/first")
    link.destroy()
    for each in maps.values():
        each.close()
    assert world.conf.calls[-1] != "unreg"
    world.sys.unlink("/sys/fs/bpf/first")
    assert world.conf.calls[-1] == "unreg"


def test_a_map_of_a_modules_type(world: World) -> None:
    b = BtfBuilder(world.btf)
    inner = b.struct("mod_ops", [("call", b.method(world.btf.find("int")))])
    common = world.btf.find("bpf_struct_ops_common_value")
    b.struct("bpf_struct_ops_mod_ops", [("common", common, 0), ("data", inner, 64)], 128)
    module = world.kernel.add_module("mod", b.build("mod"))
    desc = type("ModOps", (type(world.plain),), {"name": "mod_ops"})()
    assert world.kernel.registry.register(desc, module=module) == 0
    maker = ObjectMaker().struct("mod_ops", lambda b, c: [("call", b.method(c.int))]).prog("p")
    _, maps = load(world, maker.var("ops", "mod_ops", {"call": "p"}).build(), returns={"p": 3})
    maps["ops"].attach()
    made = maps["ops"].kernel_map
    assert world.kernel.trampolines.call(world.slot(made, "call"), []) == 3
    assert module.refcnt == 1
