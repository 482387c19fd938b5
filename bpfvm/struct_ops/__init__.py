# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The generic struct_ops framework: kernel structs full of function pointers, implemented by BPF programs.

A subsystem describes its type with a ``StructOpsType`` and registers it; user space creates a map holding one
instance of the struct, populates it with programs and connects it with a link. Source: kernel/bpf/bpf_struct_ops.c,
6.12 to 6.18.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bpfvm.struct_ops.kernel import Kernel, KernelConfig
    from bpfvm.struct_ops.link import StructOpsLink
    from bpfvm.struct_ops.map import StructOpsMap
    from bpfvm.struct_ops.syscall import Syscalls
    from bpfvm.struct_ops.type_desc import StructOpsType

__all__ = ["Kernel", "KernelConfig", "StructOpsLink", "StructOpsMap", "StructOpsType", "Syscalls"]

_HOME = {
    "Kernel": "kernel",
    "KernelConfig": "kernel",
    "StructOpsLink": "link",
    "StructOpsMap": "map",
    "StructOpsType": "type_desc",
    "Syscalls": "syscall",
}


def __getattr__(name: str) -> Any:
    """Import a part when it is first used: printing a struct_ops value needs no kernel."""
    if name not in _HOME:
        raise AttributeError(f"module 'bpfvm.struct_ops' has no attribute {name!r}")
    return getattr(import_module(f"bpfvm.struct_ops.{_HOME[name]}"), name)
