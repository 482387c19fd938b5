# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Flavours: ``task_struct___v2`` is a variant of ``task_struct`` (libbpf's bpf_core_essential_name_len, 6.18)."""

from __future__ import annotations


def essential_name(name: str) -> str:
    """The name without its last ``___flavour``; a separator needs a character other than ``_`` on both sides."""
    for at in range(len(name) - 5, -1, -1):
        if name[at + 1 : at + 4] == "___" and name[at] != "_" and name[at + 4] != "_":
            return name[: at + 1]
    return name
