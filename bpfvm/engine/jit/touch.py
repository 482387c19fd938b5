# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A memory access that compiled code didn't dare, made again by Python: the memory then says what is wrong with it."""

from __future__ import annotations

from bpfvm.engine.image import Image
from bpfvm.isa.table import op_of
from bpfvm.memory import Memory

KEY_SIZE = 4
"""bytes of an array map's key, which compiled lookups read"""


def touch(memory: Memory, image: Image, slot: int, addr: int) -> None:
    """Access what the instruction at `slot` would; nothing changes. Raises MemoryFault or KernelReport, or returns when
    the access is allowed or the checker has only noted it."""
    op = op_of(image.insns[slot])
    if op is None or op.name == "call":
        memory.read(addr, KEY_SIZE)
        return
    if op.name not in ("st", "stx", "store_release"):
        memory.load(addr, op.size)
    if op.cls in ("st", "stx") and op.name != "load_acquire":
        memory.store(addr, op.size, memory.load_nofault(addr, op.size))
