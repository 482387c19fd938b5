# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A large zeroed range of host memory that costs nothing until it is touched."""

from __future__ import annotations

import errno
import mmap
import sys

from bpfvm.errors import SyscallError

_LINUX_MAP_NORESERVE = 0x4000
"""include/uapi/asm-generic/mman-common.h; Python's mmap module names it from 3.13 on"""


def reserve(size: int) -> mmap.mmap:
    """An anonymous private mapping of ``size`` bytes, all zero; pages are committed when first written.

    Raises SyscallError(ENOMEM) when the host has no such range.
    """
    try:
        if sys.platform == "win32":
            return mmap.mmap(-1, size)
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        if sys.platform == "linux":
            flags |= _LINUX_MAP_NORESERVE
        return mmap.mmap(-1, size, flags=flags)
    except OSError as error:
        raise SyscallError(errno.ENOMEM, f"the host gives no range of {size} bytes") from error


def zero(mapping: mmap.mmap, start: int, size: int) -> None:
    """Fill ``size`` bytes with zeros; whole pages of a large range are given back to the host instead."""
    page = mmap.PAGESIZE
    if sys.platform == "linux" and size >= 16 * page and start % page == 0 and size % page == 0:
        mapping.madvise(mmap.MADV_DONTNEED, start, size)
    else:
        mapping[start : start + size] = bytes(size)


def host_address(mapping: mmap.mmap) -> int:
    """Where the mapping lies in this process (for compiled code). Valid while the mapping is referenced."""
    import ctypes  # here, because only engines that generate code need it, and the others start sooner without

    return ctypes.addressof(ctypes.c_char.from_buffer(mapping))
