# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Deterministic kernel services for running programs: maps, helpers, kfuncs, time, randomness."""

from bpfvm.runtime.maps import KINDS, Map
from bpfvm.runtime.runtime import Runtime
from bpfvm.runtime.subsystem import Tasks
from bpfvm.runtime.trace import TraceLine

__all__ = ["KINDS", "Map", "Runtime", "Tasks", "TraceLine"]
