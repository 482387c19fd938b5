# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The struct_ops types of the kernel tree's module bpf_testmod
(tools/testing/selftests/bpf/bpf_testmod/bpf_testmod.c, 6.12)."""

from __future__ import annotations

from typing import ClassVar

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.errors import InternalError
from bpfvm.struct_ops.kernel import Kernel
from bpfvm.struct_ops.link import StructOpsLink
from bpfvm.struct_ops.type_desc import StructOpsType

EACCES = 13


class ModuleOps(StructOpsType):
    """bpf_testmod_ops."""

    name: ClassVar[str] = "bpf_testmod_ops"
    stubs = frozenset(("test_1", "test_2", "test_maybe_null"))

    def reg(self, kdata: int, link: StructOpsLink | None) -> int:
        return 0

    def unreg(self, kdata: int, link: StructOpsLink | None) -> None:
        """Nothing to forget."""


class ModuleOps2(ModuleOps):
    """bpf_testmod_ops2."""

    name: ClassVar[str] = "bpf_testmod_ops2"
    stubs = frozenset(("test_1",))


class ModuleStOps(ModuleOps):
    """bpf_testmod_st_ops, without its prologue and epilogue."""

    name: ClassVar[str] = "bpf_testmod_st_ops"
    stubs = frozenset(("test_prologue", "test_epilogue", "test_pro_epilogue"))

    def init(self, btf: Btf) -> int:
        self.args_size = btf.size_of(btf.find("st_ops_args", t.Struct))
        self.btf_struct_access = self.may_store
        return 0

    def may_store(self, struct: str, offset: int, size: int) -> tuple[int, str] | None:
        """Stores are for the whole of the arguments."""
        return (EACCES, "") if offset < 0 or offset + size > self.args_size else None


def register_module_types(kernel: Kernel) -> None:
    """All of them."""
    for desc in (ModuleOps(), ModuleOps2(), ModuleStOps()):
        code = kernel.registry.register(desc)
        if code:
            raise InternalError(f"struct_ops type {desc.name}: {code}: {kernel.runtime.console}")
