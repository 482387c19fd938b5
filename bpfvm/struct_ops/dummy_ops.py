# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""bpf_dummy_ops, a struct_ops type for tests: programs load and run by themselves, but nothing ever registers
(net/bpf/bpf_dummy_struct_ops.c; 6.12, 6.18)."""

from __future__ import annotations

from errno import EACCES, EINVAL, EOPNOTSUPP
from typing import ClassVar

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.struct_ops.link import StructOpsLink
from bpfvm.struct_ops.sleepable import Sleepable
from bpfvm.struct_ops.type_desc import StructOpsType


class DummyOps(StructOpsType):
    """Three functions of a struct bpf_dummy_ops_state; only one may sleep."""

    name: ClassVar[str] = "bpf_dummy_ops"
    stubs = frozenset(("test_1", "test_2", "test_sleepable"))

    def init(self, btf: Btf) -> int:
        struct = btf.type(btf.find(self.name, t.Struct))
        assert isinstance(struct, t.Struct)
        self.sleepable_member = [member.name for member in struct.members].index("test_sleepable")
        self.state_size = btf.size_of(btf.find("bpf_dummy_ops_state", t.Struct))
        self.btf_struct_access = self.may_store
        return 0

    def check_member(self, member: int, prog: Sleepable) -> int:
        return -EINVAL if prog.sleepable and member != self.sleepable_member else 0

    def may_store(self, struct: str, offset: int, size: int) -> tuple[int, str] | None:
        """Stores are for the whole of the state."""
        if struct != "bpf_dummy_ops_state":
            return EACCES, "only access to bpf_dummy_ops_state is supported"
        if offset + size > self.state_size:
            return EACCES, f"write access at off {offset} with size {size}"
        return None

    def reg(self, kdata: int, link: StructOpsLink | None) -> int:
        return -EOPNOTSUPP

    def unreg(self, kdata: int, link: StructOpsLink | None) -> None:
        """Never registered, so never called."""
