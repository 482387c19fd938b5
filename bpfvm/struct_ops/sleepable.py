# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The one thing most types ask of a program before they let it implement a member."""

from __future__ import annotations

from typing import Protocol


class Sleepable(Protocol):
    """A program, seen by ``check_member``: ``bpfvm.obj.model.Program`` and ``LoadedProg`` both fit."""

    @property
    def name(self) -> str: ...

    @property
    def sleepable(self) -> bool: ...
