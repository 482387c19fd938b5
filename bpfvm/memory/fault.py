# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""An access to an address where no memory is: what the processor would raise as an exception."""

from __future__ import annotations

from bpfvm.errors import BpfvmError

PAGE_SIZE = 4096
CANONICAL_HIGH = 0xFFFF_8000_0000_0000
CANONICAL_LOW = 0x0000_7FFF_FFFF_FFFF


class MemoryFault(BpfvmError):
    """A load or store of ``size`` bytes at ``addr`` (u64) that the machine can't carry out.

    ``str()`` is the first line the kernel would print: arch/x86/mm/fault.c show_fault_oops for NULL and for unmapped
    addresses, arch/x86/kernel/traps.c for non-canonical ones such as the list poisons. ``reason`` is a word or two.
    """

    exit_code = 4

    def __init__(self, addr: int, size: int, write: bool, reason: str = "") -> None:
        super().__init__(oops_line(addr))
        self.addr = addr
        self.size = size
        self.write = write
        self.reason = reason or fault_reason(addr)


def fault_reason(addr: int) -> str:
    """``"null"`` (first page), ``"non-canonical"``, ``"user address"`` or ``"not mapped"``."""
    if 0 <= addr < PAGE_SIZE:
        return "null"
    if not 0 <= addr < 1 << 64 or CANONICAL_LOW < addr < CANONICAL_HIGH:
        return "non-canonical"
    return "user address" if addr <= CANONICAL_LOW else "not mapped"


def oops_line(addr: int) -> str:
    """The kernel's first line about a fault at ``addr`` (6.18 wording)."""
    reason = fault_reason(addr)
    if reason == "null":
        return f"BUG: kernel NULL pointer dereference, address: {addr:016x}"
    if reason == "non-canonical":
        return f"Oops: general protection fault, probably for non-canonical address {addr:#x}"
    return f"BUG: unable to handle page fault for address: {addr:016x}"
