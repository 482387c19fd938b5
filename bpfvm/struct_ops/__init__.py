# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The generic struct_ops framework: kernel structs full of function pointers, implemented by BPF programs.

A subsystem describes its type with a ``StructOpsType`` and registers it; user space creates a map holding one
instance of the struct, populates it with programs and connects it with a link. Source: kernel/bpf/bpf_struct_ops.c,
6.12 to 6.18.
"""

from bpfvm.struct_ops.kernel import Kernel, KernelConfig
from bpfvm.struct_ops.link import StructOpsLink
from bpfvm.struct_ops.map import StructOpsMap
from bpfvm.struct_ops.syscall import Syscalls
from bpfvm.struct_ops.type_desc import StructOpsType

__all__ = ["Kernel", "KernelConfig", "StructOpsLink", "StructOpsMap", "StructOpsType", "Syscalls"]
