# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Reads at addresses a program made up (kernel/trace/bpf_trace.c, mm/maccess.c, arch/x86/mm/maccess.c; 6.18).

Errnos as on x86-64: a kernel read of a user or non-canonical address fails with ERANGE before it is tried, any other
bad address with EFAULT; the destination is zeroed then.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.isa.word import u32
from bpfvm.memory.fault import CANONICAL_HIGH
from bpfvm.runtime.helpers.table import Args, helper

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

TASK_SIZE: Final = 0x7FFF_FFFF_F000
VSYSCALL_PAGE: Final = 0xFFFF_FFFF_FF60_0000

Reader = Callable[["Runtime", int, int], "bytes | int"]


def read_kernel(rt: Runtime, addr: int, size: int) -> bytes | int:
    """``size`` bytes of kernel memory, or a negative errno (copy_from_kernel_nofault)."""
    if addr < CANONICAL_HIGH or addr & -4096 == VSYSCALL_PAGE:
        return -errno.ERANGE
    found = rt.memory.read_nofault(addr, size)
    return found if found is not None else -errno.EFAULT


def read_user(rt: Runtime, addr: int, size: int) -> bytes | int:
    """``size`` bytes of the current task's memory, or a negative errno (copy_from_user_nofault)."""
    if addr + size > TASK_SIZE:
        return -errno.EFAULT
    found = rt.read_user(addr, size)
    return found if found is not None else -errno.EFAULT


def read_either(rt: Runtime, addr: int, size: int) -> bytes | int:
    """User memory below TASK_SIZE, else kernel memory: the old, ambiguous helpers."""
    return read_user(rt, addr, size) if addr < TASK_SIZE else read_kernel(rt, addr, size)


def read_string(rt: Runtime, read: Reader, addr: int, size: int) -> bytes | int:
    """Bytes up to and with a NUL, or ``size`` bytes of which the last is made NUL; or a negative errno."""
    out = bytearray()
    while len(out) < size:
        byte = read(rt, addr + len(out), 1)
        if isinstance(byte, int):
            return byte
        out += byte
        if byte == b"\0":
            return bytes(out)
    out[-1:] = b"\0"
    return bytes(out)


def _fixed(rt: Runtime, args: Args, read: Reader) -> int:
    to, size, addr = args[0], u32(args[1]), args[2]
    if size == 0:
        return 0
    found = read(rt, addr, size)
    rt.memory.write(to, found if isinstance(found, bytes) else bytes(size))
    return 0 if isinstance(found, bytes) else found


def _string(rt: Runtime, args: Args, read: Reader) -> int:
    to, size, addr = args[0], u32(args[1]), args[2]
    if size == 0:
        return 0
    found = read_string(rt, read, addr, size)
    rt.memory.write(to, found if isinstance(found, bytes) else bytes(size))
    return len(found) if isinstance(found, bytes) else found


@helper("probe_read_kernel")
def probe_read_kernel(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(to, size, address) → 0 or an errno."""
    return _fixed(rt, args, read_kernel)


@helper("probe_read_user")
def probe_read_user(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(to, size, address) → 0 or an errno."""
    return _fixed(rt, args, read_user)


@helper("probe_read")
def probe_read(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(to, size, address) → 0 or an errno."""
    return _fixed(rt, args, read_either)


@helper("probe_read_kernel_str")
def probe_read_kernel_str(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(to, size, address) → length with the NUL, or an errno."""
    return _string(rt, args, read_kernel)


@helper("probe_read_user_str")
def probe_read_user_str(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(to, size, address) → length with the NUL, or an errno."""
    return _string(rt, args, read_user)


@helper("probe_read_str")
def probe_read_str(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(to, size, address) → length with the NUL, or an errno."""
    return _string(rt, args, read_either)
