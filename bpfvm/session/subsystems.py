# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Finding what plugs into the emulated kernel: entry points of the group ``bpfvm.subsystems``."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType

from bpfvm.errors import UsageError

GROUP = "bpfvm.subsystems"


def find_subsystem(name: str) -> ModuleType:
    """The module that provides a subsystem. Raises UsageError when it isn't installed."""
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            return import_module(entry.value)
    raise UsageError(f"subsystem `{name}` is not installed: pip install bpfvm (in a checkout: pip install -e .)")
