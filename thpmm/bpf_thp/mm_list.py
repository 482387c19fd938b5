# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The two structs of BPF-THP in emulated memory: an instance's kdata, and an address space's ``bpf_mm``.

Everything works on addresses, so that a stale or copied one does what it would do in the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator

from bpfvm.errors import KernelReport
from bpfvm.struct_ops.kernel import Kernel
from thpmm.kobject import Layouts


class Layout:
    """Offsets inside of struct bpf_thp_ops and mm_struct."""

    __slots__ = ("bpf_thp", "mm_list", "node", "pid", "thp_get_order", "vm_mm")

    def __init__(self, layouts: Layouts) -> None:
        ops, mm = layouts["bpf_thp_ops"], layouts["mm_struct"]
        self.pid = ops.offset("pid")
        self.thp_get_order = ops.offset("thp_get_order")
        self.mm_list = ops.offset("mm_list")
        self.bpf_thp = mm.offset("bpf_mm.bpf_thp")
        self.node = mm.offset("bpf_mm.bpf_thp_list")
        self.vm_mm = layouts["vm_area_struct"].offset("vm_mm")


def nodes(kernel: Kernel, head: int) -> Iterator[int]:
    """list_for_each_safe(): a list that never leads back to its head is a lockup, as the lock is held meanwhile."""
    memory = kernel.memory
    seen: set[int] = set()
    node = memory.u64(head)
    while node != head:
        if node in seen:
            kernel.report(
                KernelReport("soft_lockup", f"watchdog: BUG: soft lockup - the list at {head:016x} has no end")
            )
        seen.add(node)
        following = memory.u64(node)
        yield node
        node = following
