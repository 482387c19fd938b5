# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Pseudo-random numbers for programs, from the session's seed.

The generator is the one behind bpf_get_prandom_u32 (lib/random32.c): P. L'Ecuyer's combined Tausworthe generator
LFSR113, four 32-bit words of state per CPU. The kernel seeds it with true randomness; here CPU n's words are the
splitmix64 sequence of seed + n, so the same session gives the same numbers.
"""

from __future__ import annotations

from typing import Final

from bpfvm.isa.word import U32_MAX, U64_MAX

_COMPONENTS: Final = (
    (6, 13, 0xFFFF_FFFE, 18),
    (2, 27, 0xFFFF_FFF8, 2),
    (13, 21, 0xFFFF_FFF0, 7),
    (3, 12, 0xFFFF_FF80, 13),
)
"""per component: first shift, second shift, mask of the bits that take part, third shift"""
_SMALLEST: Final = (2, 8, 16, 128)
"""a component's word must not be below this"""


def splitmix64(state: int) -> int:
    """One well-mixed 64-bit word for a counter value (Steele, Lea, Flood 2014)."""
    z = (state * 0x9E37_79B9_7F4A_7C15 + 0x9E37_79B9_7F4A_7C15) & U64_MAX
    z = (z ^ z >> 30) * 0xBF58_476D_1CE4_E5B9 & U64_MAX
    z = (z ^ z >> 27) * 0x94D0_49BB_1331_11EB & U64_MAX
    return z ^ z >> 31


class Prandom:
    """One CPU's generator."""

    __slots__ = ("_words",)

    def __init__(self, seed: int, cpu: int = 0) -> None:
        base = splitmix64((seed + cpu) & U64_MAX)
        words = [splitmix64(base + n) & U32_MAX for n in range(4)]
        self._words = [word if word >= low else word + low for word, low in zip(words, _SMALLEST, strict=True)]

    def u32(self) -> int:
        """The next number, 0 … 2**32-1."""
        result = 0
        for index, (a, b, mask, c) in enumerate(_COMPONENTS):
            word = self._words[index]
            folded = ((word << a & U32_MAX) ^ word) >> b
            word = ((word & mask) << c & U32_MAX) ^ folded
            self._words[index] = word
            result ^= word
        return result
