# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How much time the compiler may take. A program starts in the quick tier and gets the best code when it is hot.

LLVM's time grows faster than a program does: with 5,000 slots the quick passes take 0.3 s and the best ones 1.2 s,
with 20,000 slots ten times that; without passes it is 0.1 s and 0.4 s.
"""

from __future__ import annotations

from typing import Final, Literal

Tier = Literal["quick", "best"]
TIERS: Final[tuple[Tier, ...]] = ("quick", "best")
Effort = Literal["best", "good", "fair", "least"]
"""best: LLVM's -O2. good: few passes, some care in code generation. fair: few passes. least: none."""

GOOD: Final = 96
FAIR: Final = 256
"""Slots of the largest programs whose quick code is good, or fair."""
BEST: Final = 8000
"""Slots of the largest program that gets the best code."""
HOT_CALLS: Final = 4000
HOT_NS: Final = 15_000_000
"""A small program that was called so often, or any that ran for so long, is worth the best code ..."""
HOT_NS_PER_SLOT: Final = 250_000
"""... if it also ran for as long as that takes."""


def effort(tier: Tier, slots: int) -> Effort:
    """For a program of so many slots."""
    if tier == "best":
        return "best"
    return "good" if slots <= GOOD else "fair" if slots <= FAIR else "least"


def is_hot(slots: int, calls: int, ns: int) -> bool:
    """Is a program worth the best code, after so many calls and so long a time?"""
    if slots > BEST:
        return False
    return ns >= max(HOT_NS, slots * HOT_NS_PER_SLOT) or (calls >= HOT_CALLS and slots <= GOOD)
