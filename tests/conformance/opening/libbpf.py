# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The system's libbpf, asked whether it opens an object. Opening reads a file; nothing gets into the kernel."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

SONAME = "libbpf.so.1"
_OWN_ERRNOS = (
    *("LIBELF", "FORMAT", "KVERSION", "ENDIAN", "INTERNAL", "RELOC", "LOAD", "VERIFY", "PROG2BIG", "KVER"),
    *("PROGTYPE", "WRNGPID", "INVSEQ", "NLPARSE"),
)
"""enum libbpf_errno, from 4000 on"""


def refusals() -> Callable[[Path], str] | None:
    """What asks libbpf for one object ("" when it opens, else the errno's name); None where there is no libbpf."""
    try:
        library = ctypes.CDLL(SONAME, use_errno=True)
    except OSError:
        return None
    library.bpf_object__open.restype = ctypes.c_void_p
    library.bpf_object__close.argtypes = [ctypes.c_void_p]
    library.libbpf_set_print(None)

    def ask(path: Path) -> str:
        opened = library.bpf_object__open(os.fsencode(path))
        if opened:
            library.bpf_object__close(opened)
            return ""
        number = ctypes.get_errno()
        own = number - 4000
        return f"LIBBPF_ERRNO__{_OWN_ERRNOS[own]}" if 0 <= own < len(_OWN_ERRNOS) else os.strerror(number)

    return ask
