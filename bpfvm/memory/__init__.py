# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The emulated kernel's address space, its allocator and checkers, and typed views of what lies in it."""

from bpfvm.memory.fault import MemoryFault
from bpfvm.memory.layout import layout, offset_of, sizeof
from bpfvm.memory.memory import CHECKER_LEVELS, Memory
from bpfvm.memory.views import ArrayView, View, container_of, view

__all__ = [
    "CHECKER_LEVELS",
    "ArrayView",
    "Memory",
    "MemoryFault",
    "View",
    "container_of",
    "layout",
    "offset_of",
    "sizeof",
    "view",
]
