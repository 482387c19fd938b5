# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Bob Jenkins' lookup3 hash as the kernel uses it for map keys (include/linux/jhash.h, 6.18)."""

from __future__ import annotations

from typing import Final

from bpfvm.isa.word import U32_MAX

INITVAL: Final = 0xDEAD_BEEF
_MIX: Final = ((0, 2, 1, 4), (1, 0, 2, 6), (2, 1, 0, 8), (0, 2, 1, 16), (1, 0, 2, 19), (2, 1, 0, 4))
"""(x, y, z, bits): x = (x - y) ^ rol(y, bits); y += z"""
_FINAL: Final = ((2, 1, 14), (0, 2, 11), (1, 0, 25), (2, 1, 16), (0, 2, 4), (1, 0, 14), (2, 1, 24))
"""(x, y, bits): x = (x ^ y) - rol(y, bits)"""


def _rol(word: int, bits: int) -> int:
    return (word << bits | word >> (32 - bits)) & U32_MAX


def jhash(data: bytes, initval: int) -> int:
    """The 32-bit hash of ``data``; the same as the kernel's jhash2 when its length is a multiple of 4."""
    state = [(INITVAL + len(data) + initval) & U32_MAX] * 3
    at = 0
    while len(data) - at > 12:
        _add(state, data[at : at + 12])
        for x, y, z, bits in _MIX:
            state[x] = ((state[x] - state[y]) ^ _rol(state[y], bits)) & U32_MAX
            state[y] = (state[y] + state[z]) & U32_MAX
        at += 12
    if at == len(data):
        return state[2]
    _add(state, data[at:].ljust(12, b"\0"))
    for x, y, bits in _FINAL:
        state[x] = ((state[x] ^ state[y]) - _rol(state[y], bits)) & U32_MAX
    return state[2]


def _add(state: list[int], block: bytes) -> None:
    for index in range(3):
        state[index] = (state[index] + int.from_bytes(block[index * 4 : index * 4 + 4], "little")) & U32_MAX
