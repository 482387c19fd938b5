# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The emulated kernel's address space, its allocator and checkers, and typed views of what lies in it."""

from __future__ import annotations

from bpfvm.memory.fault import MemoryFault
from bpfvm.memory.memory import CHECKER_LEVELS, Memory
from bpfvm.typed import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bpfvm.memory.layouts import layout, offset_of, sizeof
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

_TYPED = {
    **dict.fromkeys(("layout", "offset_of", "sizeof"), "bpfvm.memory.layouts"),
    **dict.fromkeys(("ArrayView", "View", "container_of", "view"), "bpfvm.memory.views"),
}


def __getattr__(name: str) -> Any:
    """Import what needs BTF only when it is used: an engine does without it and starts sooner."""
    if name not in _TYPED:
        raise AttributeError(f"module 'bpfvm.memory' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_TYPED[name]), name)
