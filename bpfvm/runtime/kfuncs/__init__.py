# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Kernel functions by name. Importing this package fills the table."""

from __future__ import annotations

from bpfvm.runtime.kfuncs import (
    absent,
    arenas,
    cpumask,
    crypto,
    dynptrs,
    iterators,
    misc,
    objects,
    sections,
    streams,
    strings,
    tasks,
    work,
)
from bpfvm.runtime.kfuncs.table import KFUNCS, Kfunc, kfunc

__all__ = [
    "KFUNCS",
    "Kfunc",
    "absent",
    "arenas",
    "cpumask",
    "crypto",
    "dynptrs",
    "iterators",
    "kfunc",
    "misc",
    "objects",
    "sections",
    "streams",
    "strings",
    "tasks",
    "work",
]
