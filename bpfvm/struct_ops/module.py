# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A loadable module: split BTF of its own, and a reference count that struct_ops maps hold."""

from __future__ import annotations

from bpfvm.btf import Btf
from bpfvm.struct_ops.objects import KernelObject


class KernelModule:
    """``live`` turns False when the module is being unloaded: then nobody can take references any more."""

    __slots__ = ("btf", "live", "name", "refcnt")

    def __init__(self, name: str, btf: Btf) -> None:
        self.name = name
        self.btf = btf
        self.refcnt = 0
        self.live = True

    def try_get(self) -> bool:
        """try_module_get: False when the module is going away."""
        if self.live:
            self.refcnt += 1
        return self.live

    def put(self) -> None:
        """module_put."""
        self.refcnt -= 1


class BtfObject(KernelObject):
    """A BTF behind a file descriptor: a program's own, the kernel's (``kernel``), or a module's."""

    kind = "btf"

    def __init__(self, btf: Btf, *, kernel: bool = False, module: KernelModule | None = None) -> None:
        super().__init__()
        self.btf = btf
        self.module = module
        self.kernel = kernel or module is not None

    def release(self) -> None:
        """Nothing to do: the BTF is a plain value."""
