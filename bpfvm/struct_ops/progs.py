# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs the kernel has loaded: ids, references, and how to run them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bpfvm.struct_ops.constants import BPF_OBJ_NAME_LEN
from bpfvm.struct_ops.objects import IdTable, KernelObject

if TYPE_CHECKING:
    from bpfvm.btf import Btf
    from bpfvm.struct_ops.kernel import Kernel

Run = Callable[[int], int]
"""context address → R0 as u64"""


class LoadedProg(KernelObject):
    """A verified program with an id. ``full_name`` is the function's name in BTF, ``name`` what the 15-character field
    keeps; ``run`` executes it; ``image`` is whatever its loader wants to find again."""

    kind = "prog"

    def __init__(
        self,
        kernel: Kernel,
        name: str,
        run: Run,
        *,
        prog_type: str,
        attach_btf: Btf,
        attach_btf_id: int,
        expected_attach_type: int,
        sleepable: bool,
        image: object,
    ) -> None:
        super().__init__()
        self.kernel = kernel
        self.full_name = name
        self.name = name[: BPF_OBJ_NAME_LEN - 1]
        self.run = run
        self.prog_type = prog_type
        self.attach_btf = attach_btf
        self.attach_btf_id = attach_btf_id
        self.expected_attach_type = expected_attach_type
        self.sleepable = sleepable
        self.image = image
        self.freed = False
        self.id = 0

    def __repr__(self) -> str:
        return f"<prog {self.id} {self.full_name}>"

    def release(self) -> None:
        """The id is gone at once; the program itself is freed after a grace period."""
        self.kernel.progs.ids.remove(self.id)
        self.kernel.rcu.call(self._free)

    def _free(self) -> None:
        self.freed = True


class ProgTable:
    """All loaded programs by id."""

    __slots__ = ("_kernel", "ids")

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.ids: IdTable[LoadedProg] = IdTable()

    def load(
        self,
        name: str,
        run: Run,
        *,
        prog_type: str = "struct_ops",
        attach_btf: Btf | None = None,
        attach_btf_id: int = 0,
        expected_attach_type: int = 0,
        sleepable: bool = False,
        image: object = None,
    ) -> LoadedProg:
        """Give an accepted program an id. Its one reference is the caller's (hand it to ``FdTable.install``).

        ``attach_btf`` is the BTF that ``attach_btf_id`` belongs to: the kernel's, unless a module's is given.
        """
        prog = LoadedProg(
            self._kernel,
            name,
            run,
            prog_type=prog_type,
            attach_btf=attach_btf or self._kernel.btf,
            attach_btf_id=attach_btf_id,
            expected_attach_type=expected_attach_type,
            sleepable=sleepable,
            image=image,
        )
        prog.id = self.ids.add(prog)
        return prog

    def by_id(self, prog_id: int) -> LoadedProg:
        """The program with this id. Raises SyscallError ENOENT."""
        return self.ids.get(prog_id)
