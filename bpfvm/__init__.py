# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Load, verify, run and explain compiled BPF objects without a kernel.

import bpfvm
spec = bpfvm.open("policy.bpf.o")
with bpfvm.Session(thp="v11") as session:
    policy = session.load(spec)
    task = session.thp.spawn("a")
"""

from __future__ import annotations

from bpfvm.errors import (
    BadInput,
    BpfvmError,
    ExpectationFailed,
    InternalError,
    KernelOops,
    KernelReport,
    Rejected,
    SyscallError,
    Trap,
    UsageError,
)
from bpfvm.typed import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bpfvm.obj.model import ObjectSpec
    from bpfvm.obj.open import open_object as open
    from bpfvm.session import Session

__version__ = "0.1.0"
__all__ = [
    "BadInput",
    "BpfvmError",
    "ExpectationFailed",
    "InternalError",
    "KernelOops",
    "KernelReport",
    "ObjectSpec",
    "Rejected",
    "Session",
    "SyscallError",
    "Trap",
    "UsageError",
    "open",
]

_LAZY = {
    "open": ("bpfvm.obj.open", "open_object"),
    "Session": ("bpfvm.session", "Session"),
    "ObjectSpec": ("bpfvm.obj.model", "ObjectSpec"),
}


def __getattr__(name: str) -> Any:
    """Import the loader and the session only when they are used, so that ``import bpfvm`` costs nothing."""
    if name not in _LAZY:
        raise AttributeError(f"module 'bpfvm' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _LAZY[name]
    return getattr(import_module(module), attribute)
