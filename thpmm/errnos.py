# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The errno values that the emulated system calls return (positive)."""

from __future__ import annotations

from errno import E2BIG, EACCES, EAGAIN, EBUSY, ECHILD, EINTR, EINVAL, ENOENT, ENOEXEC, ENOMEM, ENOSPC, ESRCH

__all__ = [
    "E2BIG",
    "EACCES",
    "EAGAIN",
    "EBUSY",
    "ECHILD",
    "EINTR",
    "EINVAL",
    "ENOENT",
    "ENOEXEC",
    "ENOMEM",
    "ENOSPC",
    "ESRCH",
]
