# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The reports of the ``kasan`` level, in the kernel's words (mm/kasan/report.c, report_generic.c, 6.18)."""

from __future__ import annotations

from bpfvm.errors import KernelReport
from bpfvm.memory.allocator import Block
from bpfvm.memory.shadow import SLAB_FREE
from bpfvm.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from bpfvm.memory.memory import Memory


def access_report(memory: Memory, addr: int, size: int, write: bool) -> KernelReport:
    """The report of a load or store of ``size`` bytes at ``addr`` that the shadow memory forbids."""
    assert memory.shadow is not None
    bad, code = memory.shadow.first_bad(addr - memory.BASE, size)
    bug = "slab-use-after-free" if code == SLAB_FREE else "slab-out-of-bounds"
    lines = [
        f"BUG: KASAN: {bug} in {memory.where()}",
        f"{'Write' if write else 'Read'} of size {size} at addr {addr:016x} by task {_task(memory)}",
    ]
    return KernelReport("kasan", "\n".join(lines + _object_lines(memory, memory.BASE + bad)))


def free_report(memory: Memory, addr: int, block: Block | None) -> KernelReport:
    """The report of a free that hits no live object's start. Without kasan it is SLUB's own complaint."""
    if memory.checker != "kasan":
        return KernelReport("slab", f"kernel BUG: kfree() of {addr:016x}, which is no object, in {memory.where()}")
    bug = "double-free" if block is not None else "invalid-free"
    lines = [f"BUG: KASAN: {bug} in {memory.where()}", f"Free of addr {addr:016x} by task {_task(memory)}"]
    return KernelReport("kasan", "\n".join(lines + _object_lines(memory, addr)))


def _task(memory: Memory) -> str:
    comm, pid = memory.task()
    return f"{comm}/{pid}"


def _object_lines(memory: Memory, addr: int) -> list[str]:
    block = memory.block_at(addr)
    if block is None:
        return []
    start = memory.BASE + block.start
    end = start + block.size
    if addr < end:
        place = f"{addr - start} bytes inside of"
    else:
        place = f"{addr - end} bytes to the right of"
    state = "allocated" if block.live else "freed"
    return [
        f"The buggy address belongs to the object at {start:016x}",
        f" which belongs to the cache {block.what or f'kmalloc-{block.room}'} of size {block.room}",
        f"The buggy address is located {place}",
        f" {state} {block.size}-byte region [{start:016x}, {end:016x})",
    ]
