# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Registering a type: every check, its console line, its errno, and that the first failing one wins."""

from __future__ import annotations

from collections.abc import Callable
from errno import EEXIST, EINVAL, ENOENT, EOPNOTSUPP

import pytest

from bpfvm.btf import Btf
from bpfvm.memory import Memory
from bpfvm.runtime.runtime import Runtime
from bpfvm.struct_ops import Kernel, KernelConfig, StructOpsLink, StructOpsType
from tests.struct_ops.btf_builder import BtfBuilder
from tests.struct_ops.kernel_types import Common, ConfOps, World


class T(StructOpsType):
    """A descriptor whose name and stubs each test sets."""

    answer = 0

    def init(self, btf: Btf) -> int:
        return self.answer

    def reg(self, kdata: int, link: StructOpsLink | None) -> int:
        return 0

    def unreg(self, kdata: int, link: StructOpsLink | None) -> None:
        return


def desc(name: str = "ops", stubs: object = frozenset({"call"}), init: int = 0) -> StructOpsType:
    made: StructOpsType = type("D", (T,), {"name": name, "stubs": stubs, "answer": init})()
    return made


def boot(build: Callable[[BtfBuilder, Common], object], *, module: bool = True, **config: bool) -> Kernel:
    b = BtfBuilder()
    build(b, Common(b, module=module))
    memory, btf = Memory(1 << 20), b.build()
    return Kernel(memory, btf, Runtime(memory, btf), config=KernelConfig(**config))


def simple(b: BtfBuilder, c: Common) -> None:
    c.value_of("ops", b.struct("ops", [("call", b.method(c.int))]))


def nothing(b: BtfBuilder, c: Common) -> None:
    return


def with_members(
    fields: Callable[[BtfBuilder, Common], list[tuple[str, int]]],
) -> Callable[[BtfBuilder, Common], object]:
    return lambda b, c: c.value_of("ops", b.struct("ops", fields(b, c)))


def call_of(
    ret: Callable[[BtfBuilder, Common], int], *params: Callable[[BtfBuilder, Common], int]
) -> Callable[[BtfBuilder, Common], object]:
    def fields(b: BtfBuilder, c: Common) -> list[tuple[str, int]]:
        args = [(f"a{number}", make(b, c)) for number, make in enumerate(params)]
        return [("call", b.method(ret(b, c), args))]

    return with_members(fields)


def void(b: BtfBuilder, c: Common) -> int:
    return 0


def integer(b: BtfBuilder, c: Common) -> int:
    return c.int


def only_struct(b: BtfBuilder, c: Common) -> None:
    b.struct("ops", [("call", b.method(c.int))])


def too_many(b: BtfBuilder, c: Common) -> None:
    b.struct("ops", [(f"m{number}", c.int) for number in range(65)])


def one_member(b: BtfBuilder, c: Common) -> None:
    b.struct("ops", [("call", b.method(c.int))])
    b.struct("bpf_struct_ops_ops", [("common", c.common)])


def wrong_first(b: BtfBuilder, c: Common) -> None:
    ops = b.struct("ops", [("call", b.method(c.int))])
    b.struct("bpf_struct_ops_ops", [("common", c.list_head), ("data", ops, 64)])


def wrong_second(b: BtfBuilder, c: Common) -> None:
    b.struct("ops", [("call", b.method(c.int))])
    b.struct("bpf_struct_ops_ops", [("common", c.common), ("data", c.int, 64)])


def bit_field(b: BtfBuilder, c: Common) -> None:
    c.value_of("ops", b.struct("ops", [("bits", c.int, 0, 3)]))


def annotated(param: str, *, stub_type: str = "task", count: int = 1) -> Callable[[BtfBuilder, Common], None]:
    def build(b: BtfBuilder, c: Common) -> None:
        other = b.ptr(b.struct("other", [("x", c.int)]))
        kinds = {"task": c.task_ptr, "int": c.int, "int *": b.ptr(c.int), "other": other}
        member = c.int if stub_type == "int" else kinds["int *"] if stub_type == "int *" else c.task_ptr
        c.value_of("ops", b.struct("ops", [("call", b.method(c.int, [("p", member)]))]))
        b.func("stub", b.proto(c.int, [(param, kinds[stub_type])] * count))

    return build


UNSUPPORTED = "Error in parsing func ptr call in struct ops"
CASES = [
    ("name too long", simple, desc("x" * 113), EINVAL, [f"struct_ops name {'x' * 113} is too long"]),
    ("no stubs", simple, desc(stubs=None), EINVAL, ["struct_ops for ops has no cfi_stubs"]),
    ("long name before stubs", nothing, desc("x" * 120, None), EINVAL, [f"struct_ops name {'x' * 120} is too long"]),
    ("stubs before struct", nothing, desc(stubs=None), EINVAL, ["struct_ops for ops has no cfi_stubs"]),
    ("no struct", nothing, desc(), EINVAL, ["Cannot find struct ops in vmlinux"]),
    ("65 members", too_many, desc(), EINVAL, ["Cannot support #65 members in struct ops"]),
    ("no value type", only_struct, desc(), EINVAL, ["Cannot find struct bpf_struct_ops_ops in vmlinux"]),
    (
        "value type of one",
        one_member,
        desc(),
        EINVAL,
        ["The number of bpf_struct_ops_ops's members should be 2, but we get 1"],
    ),
    (
        "common value",
        wrong_first,
        desc(),
        EINVAL,
        ["The first member of bpf_struct_ops_ops should be bpf_struct_ops_common_value"],
    ),
    ("data", wrong_second, desc(), EINVAL, ["The second member of bpf_struct_ops_ops should be ops"]),
    (
        "anonymous member",
        with_members(lambda b, c: [("", b.struct("", [("x", c.int)], union=True))]),
        desc(),
        EOPNOTSUPP,
        ["anon member in struct ops is not supported"],
    ),
    ("bit-field", bit_field, desc(), EOPNOTSUPP, ["bit field member bits in struct ops is not supported"]),
    (
        "return type",
        call_of(lambda b, c: c.list_head),
        desc(),
        EINVAL,
        ["BPF: The function call return type STRUCT is unsupported.", UNSUPPORTED],
    ),
    (
        "float return",
        call_of(lambda b, c: b.float("double", 8)),
        desc(),
        EINVAL,
        ["BPF: The function call return type FLOAT is unsupported.", UNSUPPORTED],
    ),
    (
        "13 arguments",
        call_of(integer, *[integer] * 13),
        desc(),
        EINVAL,
        ["BPF: The function call has 13 arguments. Too many.", UNSUPPORTED],
    ),
    (
        "variadic",
        call_of(integer, integer, void),
        desc(),
        EINVAL,
        ["BPF: The function call with variable args is unsupported.", UNSUPPORTED],
    ),
    (
        "void argument",
        call_of(integer, void, integer),
        desc(),
        EINVAL,
        ["BPF: The function call has malformed void argument.", UNSUPPORTED],
    ),
    (
        "float argument",
        call_of(integer, integer, lambda b, c: b.float("float", 4)),
        desc(),
        EINVAL,
        ["BPF: The function call arg1 type FLOAT is unsupported.", UNSUPPORTED],
    ),
    (
        "large struct argument",
        call_of(integer, lambda b, c: b.struct("big", [("a", c.u64), ("b", c.u64), ("d", c.char)])),
        desc(),
        EINVAL,
        ["BPF: The function call arg0 type STRUCT is unsupported.", UNSUPPORTED],
    ),
    (
        "wide return",
        call_of(lambda b, c: b.int("__int128", 16)),
        desc(),
        EOPNOTSUPP,
        ["func ptr call in struct ops has a >8 byte return value, which is not supported"],
    ),
    (
        "stub without symbol",
        simple,
        desc(stubs={"call": ""}),
        ENOENT,
        ["Cannot find the stub function name for the call in struct ops"],
    ),
    ("stub not in BTF", simple, desc(stubs={"call": "gone"}), ENOENT, ["Cannot find the stub function gone in btf"]),
    (
        "stub's argument count",
        annotated("p__nullable", count=2),
        desc(stubs={"call": "stub"}),
        EINVAL,
        [
            "the number of arguments of the stub function stub does not match the number of arguments "
            "of the member call of struct ops"
        ],
    ),
    (
        "nullable int",
        annotated("p__nullable", stub_type="int"),
        desc(stubs={"call": "stub"}),
        EINVAL,
        ["stub function stub has __nullable tagging to an unsupported type"],
    ),
    (
        "ref to int pointer",
        annotated("p__ref", stub_type="int *"),
        desc(stubs={"call": "stub"}),
        EINVAL,
        ["stub function stub has __ref tagging to an unsupported type"],
    ),
    (
        "nullable of another struct",
        annotated("p__nullable", stub_type="other"),
        desc(stubs={"call": "stub"}),
        EINVAL,
        ["arg#0 type in stub function stub does not match with its original func_proto"],
    ),
    ("init fails", simple, desc(init=-5), EINVAL, ["Error in init bpf_struct_ops ops"]),
]


@pytest.mark.parametrize(("build", "d", "errno", "lines"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_refused(build: Callable[[BtfBuilder, Common], object], d: StructOpsType, errno: int, lines: list[str]) -> None:
    kernel = boot(build)
    assert kernel.registry.register(d) == -errno
    assert kernel.runtime.console == lines
    assert kernel.registry.by_name("ops") is None


def test_module_pointer_without_modules() -> None:
    kernel = boot(with_members(lambda b, c: [("owner", b.ptr(b.fwd("module")))]), module=False)
    assert kernel.registry.register(desc()) == -EOPNOTSUPP
    assert kernel.runtime.console == [
        "'struct module' btf id not found. Is CONFIG_MODULES enabled? bpf_struct_ops 'ops' needs module support."
    ]


def test_twice() -> None:
    kernel = boot(simple)
    one = desc()
    assert [kernel.registry.register(one), kernel.registry.register(one)] == [0, -EEXIST]


@pytest.mark.parametrize("option", ["bpf_jit", "bpf_syscall"])
def test_silently_absent_without_jit_or_syscall(option: str) -> None:
    kernel = boot(nothing, **{option: False})
    assert kernel.registry.register(desc(stubs=None)) == 0
    assert list(kernel.registry) == []


def test_unreadable_kernel_btf() -> None:
    kernel = boot(simple, vmlinux_btf=False)
    assert kernel.registry.register(desc()) == -ENOENT
    assert kernel.runtime.console == ["missing vmlinux BTF, cannot register struct_ops"]


def test_kernel_without_btf_is_silent() -> None:
    kernel = boot(simple, vmlinux_btf=False, debug_info_btf=False)
    assert kernel.registry.register(desc()) == 0
    assert kernel.runtime.console == []


def test_a_null_stub_is_not_looked_at() -> None:
    kernel = boot(call_of(lambda b, c: c.list_head))
    assert kernel.registry.register(desc(stubs=frozenset())) == 0


def test_older_rule_takes_a_missing_stub_as_no_annotation() -> None:
    kernel = boot(simple)
    assert kernel.registry.register(desc()) == 0
    found = kernel.registry.by_name("ops")
    assert found is not None
    assert found.arg_info(0) == {}


def test_name_of_exactly_the_suffix_is_no_annotation() -> None:
    kernel = boot(annotated("__nullable"))
    assert kernel.registry.register(desc(stubs={"call": "stub"})) == 0


def test_what_registration_knows(world: World) -> None:
    found = world.kernel.registry.by_name("conf_ops")
    assert found is not None
    assert world.kernel.registry.by_id(found.type_id) is found
    assert world.kernel.registry.by_value_id(found.value_id) is found
    assert world.kernel.registry.by_id(found.value_id) is None
    assert found.data_offset == 64
    assert found.value_size % 64 == 0
    index = {member.name: number for number, member in enumerate(found.members)}
    assert [name for name in index if found.has_stub(index[name])] == [
        "test_1", "test_2", "maybe_null", "flags_of", "pick", "take", "by_value",
    ]  # fmt: skip
    assert found.arg_info(index["maybe_null"]) == {1: "nullable"}
    assert found.arg_info(index["take"]) == {0: "ref"}
    assert found.btf_struct_access is None
    assert isinstance(found.desc, ConfOps)


def test_check_member_answers_for_the_type(world: World) -> None:
    conf, plain, dummy = (world.kernel.registry.by_name(name) for name in ("conf_ops", "plain_ops", "bpf_dummy_ops"))
    assert conf is not None and plain is not None and dummy is not None
    _, prog = world.prog("test_1")
    prog.sleepable = True
    assert conf.check_member(0, prog) == -EINVAL
    assert plain.check_member(0, prog) == 0
    assert [dummy.check_member(index, prog) for index in range(3)] == [-EINVAL, -EINVAL, 0]


def test_types_of_a_module_are_found_in_its_btf() -> None:
    kernel = boot(simple)
    b = BtfBuilder(kernel.btf)
    ops = b.struct("mod_ops", [("call", b.method(0))])
    common = kernel.btf.find("bpf_struct_ops_common_value")
    b.struct("bpf_struct_ops_mod_ops", [("common", common, 0), ("data", ops, 64)], 128)
    module = kernel.add_module("mod", b.build("mod"))
    assert kernel.registry.register(desc("mod_ops"), module=module) == 0
    assert kernel.registry.by_id(ops) is None
    found = kernel.registry.by_id(ops, module.btf)
    assert found is not None
    assert found.module is module


def test_missing_struct_names_the_module() -> None:
    kernel = boot(simple)
    module = kernel.add_module("mod", BtfBuilder(kernel.btf).build("mod"))
    assert kernel.registry.register(desc("mod_ops"), module=module) == -EINVAL
    assert kernel.runtime.console == ["Cannot find struct mod_ops in mod"]
