# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The verifier log's text buffer and its level. Source: kernel/bpf/log.c (6.18).

Level 0 writes nothing but the final statistics, 1 the path that led to a rejection, 2 every path and the state after
each instruction. Checks never format text unless `level` asks for it. Bit 4 of the level asks for the stack depth among
the statistics; alone it leaves only messages.
"""

from __future__ import annotations

from typing import Final, final

LEVELS: Final = 3
STATS: Final = 4


@final
class Log:
    """Text that grows at the end and can be cut back to an earlier length, as the kernel does on success of a path."""

    __slots__ = ("_parts", "enabled", "level", "pos", "stats")

    def __init__(self, level: int) -> None:
        self.level = level & LEVELS
        self.stats = bool(level & STATS)
        self.enabled = level != 0
        self.pos = 0
        self._parts: list[str] = []

    def write(self, text: str) -> None:
        """Append, at any level above 0."""
        if self.enabled:
            self._parts.append(text)
            self.pos += len(text)

    def always(self, text: str) -> None:
        """Append at any level: for what the user gets even when no log was asked for."""
        self._parts.append(text)
        self.pos += len(text)

    def reset(self, pos: int) -> None:
        """Forget everything after the first `pos` characters."""
        while self.pos > pos:
            last = self._parts.pop()
            self.pos -= len(last)
            if self.pos < pos:
                keep = last[: pos - self.pos]
                self._parts.append(keep)
                self.pos = pos

    def text(self) -> str:
        """All of it."""
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""
