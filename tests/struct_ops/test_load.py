# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""libbpf's matching of struct_ops variables with the kernel's types: outcomes, errnos, texts."""

from __future__ import annotations

from collections.abc import Callable
from errno import EINVAL, ENOENT, ENOTSUP, ESRCH

import pytest

from bpfvm.errors import SyscallError, UsageError
from bpfvm.memory import Memory
from bpfvm.obj.model import ObjectSpec
from bpfvm.runtime.runtime import Runtime
from bpfvm.struct_ops import Kernel, KernelConfig
from bpfvm.struct_ops.load import load_struct_ops, plan_struct_ops
from bpfvm.struct_ops.shadow import Shadow, shadows
from tests.struct_ops.btf_builder import BtfBuilder
from tests.struct_ops.kernel_types import Common, World
from tests.struct_ops.objects import Fields, ObjectMaker


def plain(b: BtfBuilder, c: Common) -> list[tuple[str, int]]:
    return [("call", b.method(c.int)), ("value", c.int)]


def reordered(b: BtfBuilder, c: Common) -> list[tuple[str, int]]:
    return [("value", c.int), ("unknown", c.u64), ("call", b.method(c.int))]


def one_of(
    fields: Fields, name: str = "plain_ops", funcs: dict[str, str] | None = None, initial: bytes = b""
) -> ObjectSpec:
    return ObjectMaker().struct(name, fields).prog("p").var("ops", name, funcs, initial=initial).build()


def refused(world: World, obj: ObjectSpec) -> tuple[int, str]:
    with pytest.raises(SyscallError) as failure:
        plan_struct_ops(obj, world.kernel)
    return failure.value.errno, failure.value.message


# what works


def test_members_are_matched_by_name(world: World) -> None:
    plan = plan_struct_ops(one_of(reordered, funcs={"call": "p"}, initial=b"\x2a"), world.kernel)
    ops, point = plan.maps["ops"], plan.attach["p"]
    assert (point.attach_btf_id, point.expected_attach_type, point.member) == (world.type_id("plain_ops"), 0, "call")
    assert ops.slots == {64: "p"}
    assert bytes(ops.value) == bytes(72) + b"\x2a" + bytes(55)
    assert plan.autoload == {"p"}
    assert plan.log == ["struct_ops ops: member unknown not found in kernel, skipping it as it's set to zero"]


def test_value_with_descriptors(world: World) -> None:
    ops = plan_struct_ops(one_of(plain, funcs={"call": "p"}), world.kernel).maps["ops"]
    assert ops.value_with({"p": 7})[64:72] == b"\7" + bytes(7)
    assert ops.value_with({})[64:72] == b"\xfe" + b"\xff" * 7


@pytest.mark.parametrize("name", ["plain_ops", "plain_ops___v2", "plain_ops___very_old"])
def test_flavours(world: World, name: str) -> None:
    plan = plan_struct_ops(one_of(plain, name), world.kernel)
    assert plan.maps["ops"].types.struct.name == "plain_ops"


def test_map_attributes(world: World) -> None:
    maker = ObjectMaker().struct("plain_ops", plain)
    obj = maker.var("a_very_long_variable_name", "plain_ops").var("plain", "plain_ops", link=False).build()
    plan = plan_struct_ops(obj, world.kernel)
    attrs = [each.attr() for each in plan.maps.values()]
    assert [(each.name, each.map_flags, each.value_size) for each in attrs] == [
        ("a_very_long_var", 0x2000, 128), ("plain", 0, 128),
    ]  # fmt: skip


def test_only_the_named_variable(world: World) -> None:
    maker = ObjectMaker().struct("plain_ops", plain).struct("missing_ops", plain)
    obj = maker.var("bad", "missing_ops").var("good", "plain_ops").build()
    assert list(load_struct_ops(obj, world.kernel, "good").maps) == ["good"]
    with pytest.raises(UsageError, match="it has: bad, good"):
        load_struct_ops(obj, world.kernel, "ugly")


def test_a_module_is_looked_at_after_the_kernel(world: World) -> None:
    b = BtfBuilder(world.btf)
    inner = b.struct("mod_ops", [("call", b.method(0))])
    b.struct(
        "bpf_struct_ops_mod_ops",
        [("common", world.btf.find("bpf_struct_ops_common_value"), 0), ("data", inner, 64)],
        128,
    )
    module = world.kernel.add_module("mod", b.build("mod"))
    obj = one_of(lambda b, c: [("call", b.method())], "mod_ops", {"call": "p"})
    plan = plan_struct_ops(obj, world.kernel)
    assert plan.maps["ops"].module is module
    assert plan.attach["p"].btf is module.btf
    assert plan.maps["ops"].attr(module_btf_fd=9).map_flags == 0xA000


# what doesn't


REFUSED: list[tuple[str, ObjectSpec, int, str]] = [
    (
        "value type missing",
        one_of(plain, "absent_ops"),
        ESRCH,
        "struct_ops init_kern: struct bpf_struct_ops_absent_ops is not found in kernel BTF",
    ),
    (
        "unknown member set",
        one_of(reordered, initial=bytes(8) + b"\1"),
        ENOTSUP,
        "struct_ops init_kern ops: Cannot find member unknown in kernel BTF",
    ),
    (
        "unknown callback set",
        one_of(lambda b, c: [("extra", b.method())], funcs={"extra": "p"}),
        ENOTSUP,
        "struct_ops init_kern ops: Cannot find member extra in kernel BTF",
    ),
    (
        "kind differs",
        one_of(lambda b, c: [("call", c.u64)]),
        ENOTSUP,
        "struct_ops init_kern ops: Unmatched member type call 1 != 2(kernel)",
    ),
    (
        "size differs",
        one_of(lambda b, c: [("value", c.u64)]),
        ENOTSUP,
        "struct_ops init_kern ops: Error in size of member value: 8 != 4(kernel)",
    ),
    (
        "bit-field",
        one_of(lambda b, c: [("value", c.int, 0, 3)]),
        ENOTSUP,
        "struct_ops init_kern ops: bitfield value is not supported",
    ),
    (
        "not a struct_ops program",
        ObjectMaker()
        .struct("plain_ops", plain)
        .prog("k", prog_type="kprobe")
        .var("ops", "plain_ops", {"call": "k"})
        .build(),
        ENOTSUP,
        "struct_ops init_kern ops: member call is not a struct_ops program",
    ),
    (
        "no such program",
        one_of(plain, funcs={"call": "nobody"}),
        ENOTSUP,
        "struct_ops init_kern ops: member call is not a struct_ops program",
    ),
    (
        "pointer that isn't a program",
        one_of(plain, initial=b"\1"),
        ENOTSUP,
        "struct_ops init_kern ops: member call is not a struct_ops program",
    ),
    (
        "kernel member no function",
        one_of(lambda b, c: [("owner", b.method())], "conf_ops", {"owner": "p"}),
        ENOTSUP,
        "struct_ops init_kern ops: kernel member owner is not a func ptr",
    ),
]


@pytest.mark.parametrize(("obj", "errno", "text"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused(world: World, obj: ObjectSpec, errno: int, text: str) -> None:
    assert refused(world, obj) == (errno, text)


def conf(b: BtfBuilder, c: Common) -> list[tuple[str, int]]:
    return [("test_1", b.method(c.int)), ("test_2", b.method())]


def test_reuse_across_types(world: World) -> None:
    maker = ObjectMaker().struct("conf_ops", conf).struct("plain_ops", plain).prog("p", section="struct_ops/p")
    obj = maker.var("one", "conf_ops", {"test_1": "p"}).var("two", "plain_ops", {"call": "p"}).build()
    first, second = world.type_id("conf_ops"), world.type_id("plain_ops")
    assert refused(world, obj) == (
        EINVAL,
        "struct_ops init_kern two func ptr call: invalid reuse of prog p in sec struct_ops/p with type 27: "
        f"attach_btf_id {first} != kern_type_id {second}",
    )


def test_reuse_across_members(world: World) -> None:
    maker = ObjectMaker().struct("conf_ops", conf).prog("p")
    obj = maker.var("one", "conf_ops", {"test_1": "p", "test_2": "p"}).build()
    assert refused(world, obj) == (
        EINVAL,
        "struct_ops init_kern one func ptr test_2: invalid reuse of prog p in sec struct_ops with type 27: "
        "expected_attach_type 0 != kern_member_idx 1",
    )


def test_reuse_in_the_same_member_of_two_maps(world: World) -> None:
    maker = ObjectMaker().struct("conf_ops", conf).prog("p")
    obj = maker.var("one", "conf_ops", {"test_1": "p"}).var("two", "conf_ops", {"test_1": "p"}).build()
    assert list(plan_struct_ops(obj, world.kernel).attach) == ["p"]


def bare_kernel(build: Callable[[BtfBuilder, Common], object], **config: bool) -> Kernel:
    b = BtfBuilder()
    build(b, Common(b))
    memory, btf = Memory(1 << 20), b.build()
    return Kernel(memory, btf, Runtime(memory, btf), config=KernelConfig(**config))


def only_value(b: BtfBuilder, c: Common) -> None:
    b.struct("bpf_struct_ops_plain_ops", [("common", c.common)])


def foreign_value(b: BtfBuilder, c: Common) -> None:
    b.struct("plain_ops", plain(b, c))
    only_value(b, c)


@pytest.mark.parametrize(
    ("build", "config", "errno", "text"),
    [
        (only_value, {}, ENOENT, "struct plain_ops is not found in kernel BTF"),
        (foreign_value, {}, EINVAL, "struct plain_ops data is not found in struct bpf_struct_ops_plain_ops"),
        (foreign_value, {"vmlinux_btf": False}, ESRCH, "struct bpf_struct_ops_plain_ops is not found in kernel BTF"),
    ],
)
def test_incomplete_kernel(
    build: Callable[[BtfBuilder, Common], object], config: dict[str, bool], errno: int, text: str
) -> None:
    with pytest.raises(SyscallError) as failure:
        plan_struct_ops(one_of(plain), bare_kernel(build, **config))
    assert (failure.value.errno, failure.value.message) == (errno, f"struct_ops init_kern: {text}")


# which programs are loaded


def test_autoload_follows_the_maps(world: World) -> None:
    maker = ObjectMaker().struct("conf_ops", conf).prog("on", "off", "both").prog("alone").prog("asked", autoload=False)
    maker.var("created", "conf_ops", {"test_1": "on", "test_2": "both"})
    obj = maker.var("not_created", "conf_ops", {"test_1": "off", "test_2": "both"}, autocreate=False).build()
    plan = plan_struct_ops(obj, world.kernel)
    assert list(plan.maps) == ["created"]
    assert plan.autoload == {"on", "both", "alone"}
    assert set(plan.attach) == {"on", "both"}


def test_a_created_map_loads_even_a_program_marked_not_to(world: World) -> None:
    maker = ObjectMaker().struct("conf_ops", conf).prog("p", autoload=False, section="?struct_ops/p")
    assert plan_struct_ops(maker.var("ops", "conf_ops", {"test_1": "p"}).build(), world.kernel).autoload == {"p"}


def test_the_shadow_decides_about_creation(world: World) -> None:
    obj = one_of(plain, funcs={"call": "p"})
    edited = shadows(obj)
    edited["ops"].autocreate = False
    plan = plan_struct_ops(obj, world.kernel, edited)
    assert (plan.maps, plan.autoload) == ({}, frozenset())


def test_a_callback_nulled_in_the_shadow_is_not_loaded(world: World) -> None:
    obj = one_of(plain, funcs={"call": "p"})
    edited = shadows(obj)
    edited["ops"].set_prog("call", None)
    plan = plan_struct_ops(obj, world.kernel, edited)
    assert (plan.maps["ops"].slots, plan.autoload, plan.attach) == ({}, frozenset(), {})


def test_a_callback_replaced_in_the_shadow(world: World) -> None:
    obj = ObjectMaker().struct("plain_ops", plain).prog("old", "new").var("ops", "plain_ops", {"call": "old"}).build()
    edited = shadows(obj)
    edited["ops"].set_prog("call", "new")
    plan = plan_struct_ops(obj, world.kernel, edited)
    assert (plan.maps["ops"].slots, plan.autoload) == ({64: "new"}, frozenset({"new"}))


def test_an_unknown_callback_nulled_in_the_shadow_is_skipped(world: World) -> None:
    obj = one_of(lambda b, c: [("extra", b.method())], funcs={"extra": "p"})
    edited = shadows(obj)
    edited["ops"].set_prog("extra", None)
    plan = plan_struct_ops(obj, world.kernel, edited)
    assert plan.autoload == frozenset()
    assert plan.log == ["struct_ops ops: member extra not found in kernel, skipping it as it's set to zero"]


def test_shadow_data(world: World) -> None:
    shadow = Shadow(one_of(plain), "ops")
    shadow.set("value", -2)
    assert bytes(shadow.data[8:12]) == b"\xfe\xff\xff\xff"
    shadow.set("value", b"\1")
    assert bytes(shadow.data[8:12]) == b"\1\0\0\0"
    with pytest.raises(UsageError, match="4 bytes"):
        shadow.set("value", bytes(5))
    with pytest.raises(UsageError, match="has no member nothing"):
        shadow.set("nothing", 1)
