# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The table of kernel functions: ``@kfunc`` puts ``task_acquire`` under "bpf_task_acquire"."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.runtime.helpers.table import Args

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

Kfunc = Callable[["Runtime", Args, CallFrame], int]
"""Returns r0; a negative errno is wrapped to u64 by the caller"""
KFUNCS: Final[dict[str, Kfunc]] = {}


def kfunc(function: Kfunc) -> Kfunc:
    """Register a function under bpf_ and its own name."""
    KFUNCS[f"bpf_{function.__name__}"] = function
    return function
