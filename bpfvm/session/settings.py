# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Values a caller gives before loading: struct_ops members and global variables, by name."""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.obj.edit import set_global, with_member
from bpfvm.obj.model import ObjectSpec

Value = int | str | bytes


def apply_settings(spec: ObjectSpec, given: Mapping[str, Value]) -> ObjectSpec:
    """``MAP.MEMBER`` fills a struct_ops variable; ``VARIABLE`` (or ``data.VARIABLE``, ``rodata.…``) a global.

    Raises UsageError for a name that doesn't exist, naming those that do.
    """
    for name, value in given.items():
        first, dot, rest = name.partition(".")
        if dot and first in spec.struct_ops:
            spec = with_member(spec, first, rest, value)
        else:
            spec = set_global(spec, _without_section(name), _plain(value))
    return spec


def _without_section(name: str) -> str:
    section, dot, variable = name.lstrip(".").partition(".")
    return variable if dot and section in ("data", "rodata", "bss") else name


def _plain(value: Value) -> int | bytes:
    return value.encode() if isinstance(value, str) else value
