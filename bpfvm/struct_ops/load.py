# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What libbpf does with struct_ops variables at load: match them to the kernel's types (tools/lib/bpf/libbpf.c,
6.12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bpfvm.btf import Btf
from bpfvm.obj.model import ObjectSpec
from bpfvm.struct_ops.constants import BPF_F_LINK, BPF_F_VTYPE_BTF_OBJ_FD, BPF_OBJ_NAME_LEN
from bpfvm.struct_ops.kernel import Kernel
from bpfvm.struct_ops.load_match import Matcher
from bpfvm.struct_ops.load_types import AttachPoint, KernelTypes, find_kernel_types
from bpfvm.struct_ops.map import MapAttr
from bpfvm.struct_ops.module import KernelModule
from bpfvm.struct_ops.shadow import Shadow, shadows


@dataclass(slots=True)
class MapPlan:
    """How one variable becomes a map: ``value`` has the kernel's layout, ``slots`` says which program goes where in
    it."""

    name: str
    shadow: Shadow
    types: KernelTypes
    value: bytearray
    slots: dict[int, str]
    """byte offset in ``value`` → program name"""

    @property
    def is_link_map(self) -> bool:
        return self.shadow.spec.link

    @property
    def module(self) -> KernelModule | None:
        return self.types.module

    def attr(self, *, module_btf_fd: int = 0) -> MapAttr:
        """What BPF_MAP_CREATE is asked for; a type of a module needs a descriptor of its BTF."""
        flags = BPF_F_LINK if self.is_link_map else 0
        return MapAttr(
            name=self.name[: BPF_OBJ_NAME_LEN - 1],
            btf_vmlinux_value_type_id=self.types.value_id,
            value_size=self.types.value_size,
            map_flags=flags | (BPF_F_VTYPE_BTF_OBJ_FD if self.module else 0),
            value_type_btf_obj_fd=module_btf_fd,
        )

    def value_with(self, prog_fds: Mapping[str, int]) -> bytes:
        """The value for BPF_MAP_UPDATE_ELEM: each slot the descriptor of its program (-ENOENT when it wasn't
        loaded)."""
        value = bytearray(self.value)
        for offset, program in self.slots.items():
            value[offset : offset + 8] = (prog_fds.get(program, NOT_LOADED) & (1 << 64) - 1).to_bytes(8, "little")
        return bytes(value)


NOT_LOADED = -2
"""what bpf_program__fd yields for a program without descriptor"""


@dataclass(slots=True)
class LoadPlan:
    """Everything libbpf decided about struct_ops before it asks the kernel for anything.

    ``attach`` has an entry for each program that a created map uses: programs without one go to the kernel with
    attach_btf_id 0 and fail there. ``autoload`` names the struct_ops programs that will be loaded. ``log`` are
    libbpf's lines.
    """

    maps: dict[str, MapPlan] = field(default_factory=dict)
    attach: dict[str, AttachPoint] = field(default_factory=dict)
    autoload: frozenset[str] = frozenset()
    log: list[str] = field(default_factory=list)


def plan_struct_ops(
    obj: ObjectSpec, kernel: Kernel, edited: Mapping[str, Shadow] | None = None, *, btf: Btf | None = None
) -> LoadPlan:
    """Match every struct_ops variable that is to be created. ``edited``: the variables after the caller changed them.

    Raises SyscallError with libbpf's text: ESRCH, ENOENT, EINVAL, ENOTSUP. ``btf`` stands in for the kernel's own.
    """
    variables = edited if edited is not None else shadows(obj)
    plan = LoadPlan()
    switched_off: set[str] = set()
    in_use: dict[str, dict[str, str]] = {}
    for name, shadow in variables.items():
        if not shadow.autocreate:
            in_use[name] = dict(shadow.spec.funcs)
            continue
        types = find_kernel_types(kernel, shadow.spec.type_name, btf)
        matcher = Matcher(obj, shadow, types, plan.attach, plan.log)
        matcher.run()
        plan.maps[name] = MapPlan(name, shadow, types, matcher.value, matcher.slots)
        switched_off |= matcher.switched_off
        in_use[name] = matcher.in_use
    plan.autoload = _autoload(obj, variables, in_use, switched_off)
    return plan


def load_struct_ops(obj: ObjectSpec, kernel: Kernel, name: str) -> LoadPlan:
    """The plan for one variable of an object, as if only it were created. Raises UsageError, and as plan_struct_ops."""
    return plan_struct_ops(obj, kernel, {name: Shadow(obj, name)})


def _autoload(
    obj: ObjectSpec,
    variables: Mapping[str, Shadow],
    in_use: Mapping[str, Mapping[str, str]],
    switched_off: set[str],
) -> frozenset[str]:
    """bpf_object_adjust_struct_ops_autoload: a program that maps refer to is loaded iff one of those maps is
    created."""
    loaded: set[str] = set()
    for name, program in obj.programs.items():
        if program.prog_type != "struct_ops":
            continue
        users = [variables[each].autocreate for each, funcs in in_use.items() if name in funcs.values()]
        wanted = any(users) if users else program.autoload and name not in switched_off
        if wanted:
            loaded.add(name)
    return frozenset(loaded)
