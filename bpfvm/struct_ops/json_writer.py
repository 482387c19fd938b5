# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""JSON text in the shape bpftool prints it: objects of an array share a line's end, names get a line each."""

from __future__ import annotations

import json


class JsonWriter:
    """Calls in document order; ``text()`` is the result. ``pretty`` breaks lines before names, four blanks per
    level."""

    def __init__(self, *, pretty: bool) -> None:
        self._pretty = pretty
        self._parts: list[str] = []
        self._depth = 0
        self._comma = False

    def _separate(self) -> None:
        if self._comma:
            self._parts.append(",")
        self._comma = True

    def _break(self) -> None:
        if self._pretty:
            self._parts.append("\n" + "    " * self._depth)

    def _open(self, bracket: str) -> None:
        self._separate()
        self._parts.append(bracket)
        self._depth += 1
        self._comma = False

    def _close(self, bracket: str) -> None:
        self._depth -= 1
        if self._comma:
            self._break()
        self._parts.append(bracket)
        self._comma = True

    def start_array(self) -> None:
        self._open("[")

    def end_array(self) -> None:
        self._close("]")

    def start_object(self) -> None:
        self._open("{")

    def end_object(self) -> None:
        self._close("}")

    def name(self, name: str) -> None:
        """The name of the value that follows."""
        self._separate()
        self._break()
        self._comma = False
        self._parts.append(json.dumps(name) + (": " if self._pretty else ":"))

    def raw(self, text: str) -> None:
        """A value as is (bpftool's plain output has some that aren't JSON)."""
        self._separate()
        self._parts.append(text)

    def value(self, value: int | str | bool) -> None:
        """A number, string or truth value."""
        self.raw(json.dumps(value))

    def text(self) -> str:
        """Everything written so far."""
        return "".join(self._parts)
