# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The framework over BTF and programs that a compiler made: a type declared in C, a policy that really runs."""

from __future__ import annotations

from errno import EINVAL
from pathlib import Path
from typing import ClassVar

import pytest

from bpf_progs.compiler import CompilerMissing, find_compiler
from bpfvm.btf import Btf
from bpfvm.elf import read_elf
from bpfvm.engine.image import link_image
from bpfvm.engine.interp import Interpreter
from bpfvm.memory import Memory, view
from bpfvm.obj.link import link_program
from bpfvm.obj.model import ObjectSpec, VerifiedProgram
from bpfvm.obj.open import open_object
from bpfvm.runtime.runtime import Runtime
from bpfvm.struct_ops import Kernel, StructOpsLink, StructOpsMap, StructOpsType, Syscalls
from bpfvm.struct_ops.attach import BpfMap
from bpfvm.struct_ops.load import LoadPlan, plan_struct_ops

SOURCES = Path(__file__).parent / "c"
IMPLEMENTABLE = ("sum", "notify", "mask", "pick", "maybe", "take", "by_value")


class ConfOps(StructOpsType):
    """Copies name and data, wants ``mask``, keeps what is registered."""

    name: ClassVar[str] = "conf_ops"
    stubs: ClassVar[dict[str, str]] = {member: f"conf_{member}" for member in IMPLEMENTABLE}

    def __init__(self) -> None:
        self.active: list[int] = []

    def init_member(self, member: int, kdata: int, udata: bytes) -> int:
        registered = self.kernel.registry.by_name(self.name)
        assert registered is not None
        info = registered.members[member]
        if info.name not in ("name", "data"):
            return 0
        self.kernel.memory.write(kdata + info.offset, udata[info.offset : info.offset + info.size])
        return 1

    def validate(self, kdata: int) -> int:
        ops = view(self.kernel.memory, self.kernel.btf, self.name, kdata)
        return 0 if ops.mask else -EINVAL

    def reg(self, kdata: int, link: StructOpsLink | None) -> int:
        self.active.append(kdata)
        return 0

    def unreg(self, kdata: int, link: StructOpsLink | None) -> None:
        self.active.remove(kdata)


@pytest.fixture(scope="module")
def kernel_btf() -> bytes:
    return bytes(_compiled("conf_kernel.c", ".BTF"))


@pytest.fixture(scope="module")
def policy() -> ObjectSpec:
    return open_object(_compiled("conf_policy.bpf.c"), name="conf_policy")


def _compiled(source: str, section: str = "") -> bytes:
    try:
        data = find_compiler().compile(source, SOURCES)
    except CompilerMissing as missing:
        pytest.skip(str(missing))
    if not section:
        return data
    found = read_elf(data, source).section(section)
    assert found is not None
    return bytes(found.data)


class Loaded:
    """A kernel with the type, and the policy loaded into it by hand: no verifier."""

    def __init__(self, btf_data: bytes, obj: ObjectSpec) -> None:
        self.memory = Memory(16 << 20)
        btf = Btf.parse(btf_data, name="vmlinux")
        self.runtime = Runtime(self.memory, btf)
        self.kernel = Kernel(self.memory, btf, self.runtime)
        self.type = ConfOps()
        assert self.kernel.registry.register(self.type) == 0, self.runtime.console
        self.sys = Syscalls(self.kernel, self.kernel.fds)
        self.engine = Interpreter(self.memory, self.runtime)
        self.obj = obj
        self.plan: LoadPlan = plan_struct_ops(obj, self.kernel)
        self.maps = {name: BpfMap(each, self.sys) for name, each in self.plan.maps.items()}
        fds = {name: self._load(name) for name in self.plan.autoload}
        for each in self.maps.values():
            each.create()
            each.set_programs(fds)

    def _load(self, name: str) -> int:
        point = self.plan.attach[name]
        program = link_program(
            self.obj,
            name,
            self.kernel.btf,
            attach_btf_id=point.attach_btf_id,
            expected_attach_type=point.expected_attach_type,
        )
        image = link_image(VerifiedProgram(program, program.insns), (), (), lambda type_id: 0)
        prog = self.kernel.progs.load(
            name,
            lambda ctx: self.engine.run(image, ctx),
            attach_btf_id=program.attach_btf_id,
            expected_attach_type=program.expected_attach_type,
            image=image,
        )
        return self.kernel.fds.install(prog)

    def call(self, made: StructOpsMap, member: str, *args: int | bytes) -> int:
        info = made.type.member(member)
        assert info is not None
        return self.kernel.trampolines.call(self.memory.load(made.kdata + info.offset, 8), args)


@pytest.fixture
def loaded(kernel_btf: bytes, policy: ObjectSpec) -> Loaded:
    return Loaded(kernel_btf, policy)


def test_annotations_come_from_the_stub_functions(loaded: Loaded) -> None:
    found = loaded.kernel.registry.by_name("conf_ops")
    assert found is not None
    index = {member.name: number for number, member in enumerate(found.members)}
    assert found.arg_info(index["maybe"]) == {1: "nullable"}
    assert found.arg_info(index["take"]) == {0: "ref"}
    assert [name for name in index if found.has_stub(index[name])] == list(IMPLEMENTABLE)
    assert (found.data_offset, found.value_size) == (64, 192)


def test_the_policy_runs(loaded: Loaded) -> None:
    link = loaded.maps["policy"].attach()
    made = loaded.maps["policy"].kernel_map
    task = loaded.memory.alloc(64, what="task_struct")
    loaded.memory.store(task, 4, 77)
    assert loaded.call(made, "sum", -5, 2, 255, -1) == 251
    assert loaded.call(made, "mask", 0xF) == 0xFFFFFFF0
    assert loaded.call(made, "pick", task) == task
    assert loaded.call(made, "maybe", 0, task) == 77
    assert loaded.call(made, "maybe", 0, 0) == -1
    pair = (40).to_bytes(8, "little") + (1).to_bytes(8, "little")
    assert loaded.call(made, "by_value", pair, 1) == 42
    assert loaded.type.active == [made.kdata]
    link.destroy()
    assert loaded.type.active == []


def test_layout_follows_the_kernel(loaded: Loaded) -> None:
    loaded.maps["policy"].attach()
    ops = view(loaded.memory, loaded.kernel.btf, "conf_ops", loaded.maps["policy"].kernel_map.kdata)
    assert (ops.data, ops.name.raw()) == (-7, b"policy".ljust(16, b"\0"))
    assert (ops.notify, ops.take, ops.unsupported) == (0, 0, 0)


def test_plan(loaded: Loaded) -> None:
    assert list(loaded.plan.maps) == ["policy"]
    assert loaded.plan.autoload == {"sum", "mask", "pick", "maybe", "by_value"}
    assert loaded.plan.log == ["struct_ops policy: member gone not found in kernel, skipping it as it's set to zero"]
