# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Bytes for people: offset, sixteen bytes in hex, the same as text."""

from __future__ import annotations

from typing import Final

WIDTH: Final = 16


def hexdump(data: bytes) -> str:
    """Lines as ``hexdump -C`` prints them, without the last offset; none for no bytes."""
    return "\n".join(_line(at, data[at : at + WIDTH]) for at in range(0, len(data), WIDTH))


def _line(at: int, row: bytes) -> str:
    halves = "  ".join(row[start : start + 8].hex(" ") for start in (0, 8))
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
    return f"{at:08x}  {halves:<48}  |{text}|"
