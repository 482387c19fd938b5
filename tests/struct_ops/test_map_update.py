# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Populating a map: the order of its checks, member by member, and undoing it."""

from __future__ import annotations

from collections.abc import Callable
from errno import E2BIG, EACCES, EBADF, EBUSY, EINVAL, ENOENT, EPERM
from typing import ClassVar

import pytest

from bpfvm.errors import ENOTSUPP, KernelReport, SyscallError, UsageError
from bpfvm.struct_ops import StructOpsMap, Syscalls
from bpfvm.struct_ops.constants import BPF_F_LINK, BPF_F_VTYPE_BTF_OBJ_FD, BPF_MODULE_OWNER, STATE_INIT, STATE_READY
from bpfvm.struct_ops.map import MapAttr
from bpfvm.struct_ops.module import BtfObject
from tests.struct_ops.btf_builder import BtfBuilder
from tests.struct_ops.kernel_types import PlainOps, World


def errno_of(call: Callable[[], object]) -> int:
    with pytest.raises(SyscallError) as failure:
        call()
    return failure.value.errno


# creation


@pytest.mark.parametrize(
    ("field", "value", "errno"),
    [
        ("key_size", 8, EINVAL),
        ("max_entries", 2, EINVAL),
        ("map_flags", 1, EINVAL),
        ("map_extra", 1, EINVAL),
        ("btf_vmlinux_value_type_id", 0, EINVAL),
        ("btf_key_type_id", 1, EINVAL),
        ("btf_value_type_id", 1, EINVAL),
        ("value_type_btf_obj_fd", 3, EINVAL),
        ("name", "no blanks", EINVAL),
        ("name", "sixteen_letters_", EINVAL),
        ("btf_vmlinux_value_type_id", 1, ENOTSUPP),
        ("value_size", 64, EINVAL),
        ("btf_fd", 77, EBADF),
    ],
)
def test_create_refuses(world: World, field: str, value: object, errno: int) -> None:
    good = world.attr()
    wanted = {name: getattr(good, name) for name in MapAttr.__slots__} | {field: value}
    assert errno_of(lambda: world.sys.map_create(MapAttr(**wanted))) == errno
    assert len(world.kernel.maps) == 0


def test_create_needs_cap_bpf(world: World) -> None:
    user = Syscalls(world.kernel, capable=False)
    assert errno_of(lambda: user.map_create(world.attr())) == EPERM


def test_create_refuses_kernel_btf_as_the_maps_own(world: World) -> None:
    fd = world.sys.btf_open(BtfObject(world.btf, kernel=True))
    attr = MapAttr("m", world.attr().btf_vmlinux_value_type_id, world.attr().value_size, btf_fd=fd)
    assert errno_of(lambda: world.sys.map_create(attr)) == EACCES


def test_a_new_map(world: World) -> None:
    _, made = world.map()
    assert (made.state, made.refcnt, made.usercnt, made.id) == (STATE_INIT, 1, 1, 1)
    assert made.kdata == made.value_addr + 64
    assert made.value_addr & 63 == 0


class ModOps(PlainOps):
    """A type of a module."""

    name: ClassVar[str] = "mod_ops"


def test_map_of_a_module_holds_the_module(world: World) -> None:
    b = BtfBuilder(world.btf)
    ops = b.struct("mod_ops", [("call", b.method(0)), ("value", world.btf.find("int"))])
    value = b.struct(
        "bpf_struct_ops_mod_ops",
        [("common", world.btf.find("bpf_struct_ops_common_value"), 0), ("data", ops, 64)],
        128,
    )
    module = world.kernel.add_module("mod", b.build("mod"))
    assert world.kernel.registry.register(ModOps(), module=module) == 0
    btf_fd = world.sys.btf_open(BtfObject(module.btf, module=module))
    flags = BPF_F_LINK | BPF_F_VTYPE_BTF_OBJ_FD
    attr = MapAttr("m", value, 128, map_flags=flags, value_type_btf_obj_fd=btf_fd)
    fd = world.sys.map_create(attr)
    assert module.refcnt == 1
    world.sys.close(fd)
    assert module.refcnt == 0
    wrong_size = MapAttr("m", value, 64, map_flags=flags, value_type_btf_obj_fd=btf_fd)
    assert errno_of(lambda: world.sys.map_create(wrong_size)) == EINVAL
    unknown = MapAttr("m", ops, 128, map_flags=flags, value_type_btf_obj_fd=btf_fd)
    assert errno_of(lambda: world.sys.map_create(unknown)) == ENOTSUPP
    assert module.refcnt == 0
    module.live = False
    assert errno_of(lambda: world.sys.map_create(attr)) == EINVAL
    plain_btf = world.sys.btf_open(BtfObject(world.btf, kernel=True))
    not_module = MapAttr("m", value, 128, map_flags=flags, value_type_btf_obj_fd=plain_btf)
    assert errno_of(lambda: world.sys.map_create(not_module)) == EINVAL


# the order of checks


def poke(value: bytes, offset: int) -> bytes:
    return value[:offset] + b"\1" + value[offset + 1 :]


def hole_offsets(made: StructOpsMap) -> list[int]:
    """One byte in each kind of padding: after common, between members, behind the last member, behind the struct."""
    onebyte, tail = made.type.member("onebyte"), made.type.member("tail")
    assert onebyte is not None
    assert tail is not None
    return [
        8,
        63,
        64 + onebyte.offset + 1,
        64 + tail.offset + 4,
        made.type.value_size - 1,
    ]


def test_checks_come_in_the_kernels_order(world: World) -> None:
    """Every value below fails all later checks as well."""
    fd, made = world.map()
    world.conf.answers["init_member test_1"] = -5
    everything = poke(poke(poke(world.value(test_1=77), 8), 0), 4)
    no_hole = poke(world.value(test_1=77), 4)
    assert errno_of(lambda: world.sys.map_update_elem(fd, 1, everything, 1)) == EINVAL
    assert errno_of(lambda: world.sys.map_update_elem(fd, 1, everything)) == E2BIG
    assert errno_of(lambda: world.sys.map_update_elem(fd, 0, everything)) == EINVAL
    assert errno_of(lambda: world.sys.map_update_elem(fd, 0, no_hole)) == EINVAL
    assert world.conf.calls == ["init"]
    assert errno_of(lambda: world.sys.map_update_elem(fd, 0, world.value(test_1=77))) == 5
    world.conf.answers.clear()
    world.sys.map_update_elem(fd, 0, world.value())
    assert made.state == STATE_READY
    assert errno_of(lambda: world.sys.map_update_elem(fd, 0, world.value(test_1=77))) == EBUSY
    assert errno_of(lambda: world.sys.map_update_elem(fd, 0, no_hole)) == EINVAL


@pytest.mark.parametrize("which", range(5))
def test_padding_must_be_zero(world: World, which: int) -> None:
    fd, made = world.map()
    value = poke(world.value(), hole_offsets(made)[which])
    assert errno_of(lambda: world.sys.map_update_elem(fd, 0, value)) == EINVAL
    assert world.conf.calls == ["init"]


@pytest.mark.parametrize("offset", [0, 3, 4, 7])
def test_state_and_refcnt_must_be_zero(world: World, offset: int) -> None:
    fd, _ = world.map()
    assert errno_of(lambda: world.sys.map_update_elem(fd, 0, poke(world.value(), offset))) == EINVAL


def test_value_of_the_wrong_size(world: World) -> None:
    fd, _ = world.map()
    with pytest.raises(UsageError, match="192 bytes"):
        world.sys.map_update_elem(fd, 0, b"")


# members


@pytest.mark.parametrize("member", ["onebyte", "pair", "list", "tail"])
def test_a_data_member_nobody_handles_must_be_zero(world: World, member: str) -> None:
    fd, made = world.map()
    assert errno_of(lambda: world.sys.map_update_elem(fd, 0, world.value(**{member: 1}))) == EINVAL
    assert made.state == STATE_INIT


def test_init_member_copies_data(world: World) -> None:
    fd, made = world.map()
    world.sys.map_update_elem(fd, 0, world.value(data=-2))
    info = made.type.member("data")
    assert info is not None
    assert world.memory.read(made.kdata + info.offset, 4) == b"\xfe\xff\xff\xff"


def test_owner_gets_the_module_marker(world: World) -> None:
    fd, made = world.map()
    world.sys.map_update_elem(fd, 0, world.value())
    assert world.slot(made, "owner") == BPF_MODULE_OWNER
    assert not any(name.endswith("owner") for name in world.conf.calls)


@pytest.mark.parametrize(("last", "returned"), [(0, 0), (1, 1)])
def test_owner_set_by_the_user_undoes_silently(
    world: World, monkeypatch: pytest.MonkeyPatch, last: int, returned: int
) -> None:
    """6.12's quirk: the result is whatever init_member said about the member before."""
    if last:
        take = 9
        monkeypatch.setattr(world.conf, "init_member", lambda member, kdata, udata: int(member == take))
    fd, made = world.map()
    assert world.sys.map_update_elem(fd, 0, world.value(owner=1)) == returned
    assert made.state == STATE_INIT
    assert made.area.items == []


def test_owner_set_by_the_user_is_an_error_when_fixed() -> None:
    world = World(fixes=frozenset({"module_member"}))
    fd, _ = world.map()
    assert errno_of(lambda: world.sys.map_update_elem(fd, 0, world.value(owner=1))) == EINVAL


def test_function_slots(world: World) -> None:
    fd, made = world.map()
    prog_fd, prog = world.prog("test_1")
    world.sys.map_update_elem(fd, 0, world.value(test_1=prog_fd))
    assert world.slot(made, "test_2") == 0
    assert prog.refcnt == 2
    assert made.udata[64:72] == prog.id.to_bytes(8, "little")


def test_only_the_low_half_of_a_slot_is_the_descriptor(world: World) -> None:
    fd, _ = world.map()
    prog_fd, prog = world.prog("test_1")
    world.sys.map_update_elem(fd, 0, world.value(test_1=prog_fd | 5 << 32))
    assert prog.refcnt == 2


def slot_case(world: World, case: str) -> dict[str, int]:
    """A value with one wrong function slot."""
    if case == "bad fd":
        return {"test_1": 99}
    if case == "negative fd":
        return {"test_1": -2}
    if case == "not a program":
        return {"test_1": world.map("other")[0]}
    if case == "other member":
        return {"test_1": world.prog("test_2")[0]}
    if case == "other type":
        return {"test_1": world.prog("call", type_="plain_ops")[0]}
    fd, prog = world.prog("test_1")
    prog.prog_type = "kprobe"
    return {"test_1": fd}


@pytest.mark.parametrize(
    ("case", "errno"),
    [
        ("bad fd", EBADF),
        ("negative fd", EBADF),
        ("not a program", EINVAL),
        ("other member", EINVAL),
        ("other type", EINVAL),
        ("other program type", EINVAL),
    ],
)
def test_wrong_programs(world: World, case: str, errno: int) -> None:
    fd, made = world.map()
    assert errno_of(lambda: world.sys.map_update_elem(fd, 0, world.value(**slot_case(world, case)))) == errno
    assert made.state == STATE_INIT


def test_an_unsupported_member_can_not_be_filled(world: World) -> None:
    fd, _ = world.map()
    prog_fd, _ = world.prog("unsupported")
    assert errno_of(lambda: world.sys.map_update_elem(fd, 0, world.value(unsupported=prog_fd))) == EINVAL


# undo


def test_a_report_in_reg_leaves_a_link_less_map_empty(world: World) -> None:
    fd, made = world.map(flags=0)
    prog_fd, prog = world.prog("test_1")
    world.conf.during["reg"] = lambda: world.kernel.report(KernelReport("kasan", "BUG: KASAN: something"))
    with pytest.raises(KernelReport):
        world.sys.map_update_elem(fd, 0, world.value(test_1=prog_fd))
    assert (made.state, prog.refcnt) == (STATE_INIT, 1)
    world.conf.during.clear()
    assert world.sys.map_update_elem(fd, 0, world.value(test_1=prog_fd)) == 0


@pytest.mark.parametrize("key", ["validate", "init_member tail"])
def test_undo_leaves_nothing_and_can_be_retried(world: World, key: str) -> None:
    fd, made = world.map()
    prog_fd, prog = world.prog("test_1")
    world.conf.answers[key] = -ENOENT
    value = world.value(test_1=prog_fd, data=5)
    assert errno_of(lambda: world.sys.map_update_elem(fd, 0, value)) == ENOENT
    assert made.state == STATE_INIT
    assert prog.refcnt == 1
    assert world.memory.read(made.value_addr, made.type.value_size) == bytes(made.type.value_size)
    assert world.sys.map_lookup_elem(fd, 0) == bytes(made.type.value_size)
    assert list(world.kernel.trampolines.symbols()) == []
    world.conf.answers.clear()
    assert world.sys.map_update_elem(fd, 0, value) == 0
    assert made.state == STATE_READY


def test_reg_failing_without_a_link_undoes(world: World) -> None:
    fd, made = world.map(type_="plain_ops", flags=0)
    other_fd, _ = world.map("other", "plain_ops", 0)
    world.sys.map_update_elem(other_fd, 0, world.value("plain_ops"))
    assert errno_of(lambda: world.sys.map_update_elem(fd, 0, world.value("plain_ops"))) == EBUSY
    assert (made.state, made.refcnt) == (STATE_INIT, 1)


def test_lookup_hides_private_members_and_counts_users(world: World) -> None:
    fd, made = world.ready()
    info = made.type.member("list")
    assert info is not None
    world.memory.store(made.kdata + info.offset, 8, made.kdata)
    links = [world.sys.link_create(fd) for _ in range(2)]
    extra = world.sys.map_get_fd_by_id(made.id)
    seen = world.sys.map_lookup_elem(fd, 0)
    assert seen[:8] == (2).to_bytes(4, "little") + (3).to_bytes(4, "little")
    assert not any(seen[8:])
    assert (made.refcnt, made.usercnt) == (4, 2)
    for each in (*links, extra):
        world.sys.close(each)
    assert (made.refcnt, made.usercnt) == (1, 1)


def test_kdata_references(world: World) -> None:
    fd, made = world.ready()
    maps = world.kernel.maps
    assert maps.by_kdata(made.kdata) is made
    assert maps.get_kdata(made.kdata)
    world.sys.close(fd)
    assert not made.freed
    maps.put_kdata(made.kdata)
    assert made.freed
    assert not maps.get_kdata(made.kdata)
    with pytest.raises(UsageError):
        maps.put_kdata(made.kdata)
