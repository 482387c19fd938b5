# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A story after parsing: what to do and what to expect, each step with its place in the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Step:
    """One step. ``line`` is 1-based; ``expect`` is None when the file says nothing (the step must then succeed)."""

    word: str
    args: Mapping[str, Any]
    expect: Mapping[str, Any] | None = None
    line: int = 0

    def text(self) -> str:
        """The step as one short line for people."""
        shown = []
        for name, value in self.args.items():
            shown.append(f"{name} {_plain(value)}")
        return f"{self.word} " + ", ".join(shown) if shown else self.word


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_plain(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_plain(item) for item in value) + "]"
    return str(value)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One story. ``objects`` maps a short name to an object file's path as written."""

    name: str
    path: str
    steps: tuple[Step, ...]
    about: str = ""
    profile: str = "v11"
    checker: str = "off"
    kernel: str = "6.18"
    sysfs: Mapping[str, str] = field(default_factory=dict)
    objects: Mapping[str, str] = field(default_factory=dict)
