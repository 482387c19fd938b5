# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Objects for loader tests, as the ELF loader would describe them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bpfvm.obj.model import ObjectSpec, ProgramSpec, StructOpsSpec
from bpfvm.struct_ops.attach import BpfMap
from bpfvm.struct_ops.load import LoadPlan, plan_struct_ops
from bpfvm.struct_ops.shadow import Shadow
from tests.struct_ops.btf_builder import BtfBuilder, Field
from tests.struct_ops.kernel_types import Common, World

Fields = Callable[[BtfBuilder, Common], Sequence[Field]]


class ObjectMaker:
    """Struct types of an object, its programs and variables."""

    def __init__(self) -> None:
        self.b = BtfBuilder()
        self.c = Common(self.b)
        self.types: dict[str, int] = {}
        self.programs: dict[str, ProgramSpec] = {}
        self.variables: dict[str, StructOpsSpec] = {}

    def struct(self, name: str, fields: Fields) -> ObjectMaker:
        self.types[name] = self.b.struct(name, fields(self.b, self.c))
        return self

    def prog(
        self, *names: str, section: str = "struct_ops", prog_type: str = "struct_ops", autoload: bool = True
    ) -> ObjectMaker:
        for name in names:
            self.programs[name] = ProgramSpec(name, section, prog_type, (), autoload=autoload)
        return self

    def var(
        self,
        name: str,
        type_: str,
        funcs: Mapping[str, str] | None = None,
        *,
        link: bool = True,
        autocreate: bool = True,
        initial: bytes = b"",
    ) -> ObjectMaker:
        data = initial.ljust(self.b.size(self.types[type_]), b"\0")
        section = ".struct_ops.link" if link else ".struct_ops"
        self.variables[name] = StructOpsSpec(
            name, section, type_, self.types[type_], data, funcs or {}, link, autocreate
        )
        return self

    def build(self) -> ObjectSpec:
        return ObjectSpec(
            "test.bpf.o", "test.bpf.o", "GPL", self.b.build("object"), self.programs, {}, {}, self.variables
        )


def load(
    world: World, obj: ObjectSpec, edited: Mapping[str, Shadow] | None = None, returns: Mapping[str, int] | None = None
) -> tuple[LoadPlan, dict[str, BpfMap]]:
    """What a session does: plan, create maps, load programs, fill the slots."""
    plan = plan_struct_ops(obj, world.kernel, edited)
    maps = {name: BpfMap(each, world.sys) for name, each in plan.maps.items()}
    for each in maps.values():
        each.create()
    fds = {name: _load_program(world, plan, name, (returns or {}).get(name, 0)) for name in sorted(plan.autoload)}
    for each in maps.values():
        each.set_programs(fds)
    return plan, maps


def _load_program(world: World, plan: LoadPlan, name: str, returned: int) -> int:
    point = plan.attach[name]
    prog = world.kernel.progs.load(
        name,
        lambda ctx: returned,
        attach_btf=point.btf,
        attach_btf_id=point.attach_btf_id,
        expected_attach_type=point.expected_attach_type,
    )
    return world.kernel.fds.install(prog)
