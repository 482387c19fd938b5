# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The descriptor of a struct_ops type: what a subsystem subclasses to offer one (struct bpf_struct_ops,
include/linux/bpf.h)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

from bpfvm.btf import Btf

if TYPE_CHECKING:
    from bpfvm.struct_ops.kernel import Kernel
    from bpfvm.struct_ops.link import StructOpsLink
    from bpfvm.struct_ops.sleepable import Sleepable

StoreRule = Callable[[str, int, int], tuple[int, str] | None]
"""(struct name, offset, size) of a store through a BTF pointer → (errno, log line) of the refusal, None if allowed"""


class StructOpsType(ABC):
    """Subclass it, set ``name`` and ``stubs``, write ``reg`` and ``unreg``.

    Callbacks return 0 or a negative errno, as in the kernel; ``kdata`` is the address of the kernel's copy of the
    struct in emulated memory. ``check_member``, ``validate`` and ``update`` are optional: leave them None, or
    override them with methods.
    """

    name: ClassVar[str] = ""
    """name of the struct"""

    stubs: ClassVar[frozenset[str] | Mapping[str, str] | None] = None
    """The members a program may implement, i.e. whose slot in cfi_stubs isn't NULL; None: there are no cfi_stubs at
    all.

    A mapping says which kernel function is the stub of each member, and that function's BTF is read for
    ``__nullable`` and ``__ref`` argument annotations ("" stands for a stub without a symbol). With a plain set the
    stub is looked for under the name <type>__<member>, and a missing one means no annotations (how kernels up to
    6.12 found it).
    """

    kernel: Kernel
    """set by registration, before ``init`` runs"""

    check_member: Callable[[int, Sleepable], int] | None = None
    """(member index, program) → 0 or negative errno; asked by the verifier at each program load"""
    validate: Callable[[int], int] | None = None
    """(kdata) → 0 or negative errno; asked once, when the map has been populated"""
    update: Callable[[int, int, StructOpsLink], int] | None = None
    """(new kdata, old kdata, link) → 0 or negative errno; without it links of this type can't be updated"""
    btf_struct_access: StoreRule | None = None
    """the verifier's question about writes through BTF pointers; None: such pointers are read-only"""

    def init(self, btf: Btf) -> int:
        """Called once, last in registration; ``btf`` is the one that has the type."""
        return 0

    def init_member(self, member: int, kdata: int, udata: bytes) -> int:
        """Offered every member when a map is populated: 1 = handled, 0 = let the framework do it, negative errno =
        refuse.

        ``udata`` holds the user's bytes of the whole struct; ``kdata`` is where to write the kernel's.
        """
        return 0

    @abstractmethod
    def reg(self, kdata: int, link: StructOpsLink | None) -> int:
        """Start using the instance; ``link`` is None for a map without BPF_F_LINK. May sleep."""

    @abstractmethod
    def unreg(self, kdata: int, link: StructOpsLink | None) -> None:
        """Stop using the instance; can't fail. May sleep."""
