# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The AES block cipher (FIPS 197) with its electronic codebook and chaining modes (NIST SP 800-38A).

A state is 16 bytes, column by column, as in the standard. Nothing here is made to withstand being timed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

BLOCK: Final = 16
KEY_SIZES: Final = (16, 24, 32)
POLYNOMIAL: Final = 0x11B
AFFINE: Final = 0x63
MIX: Final = (2, 3, 1, 1)
UNMIX: Final = (14, 11, 13, 9)
"""first rows of the matrices that columns are multiplied by"""


def times(a: int, b: int) -> int:
    """The product in the field of 256 elements (FIPS 197, 4.2)."""
    out = 0
    while b:
        out ^= a if b & 1 else 0
        a = a << 1 ^ (POLYNOMIAL if a & 0x80 else 0)
        b >>= 1
    return out


def _substitute(a: int) -> int:
    """SubBytes of one byte: the affine map of its inverse (5.1.1)."""
    inverse = next((b for b in range(256) if times(a, b) == 1), 0)
    out = AFFINE ^ inverse
    for bits in range(1, 5):
        out ^= (inverse << bits | inverse >> 8 - bits) & 0xFF
    return out


@cache
def boxes() -> tuple[bytes, bytes]:
    """SubBytes and its inverse as tables."""
    box = bytes(_substitute(a) for a in range(256))
    return box, bytes(box.index(a) for a in range(256))


@cache
def products(factor: int) -> bytes:
    """All bytes times a factor."""
    return bytes(times(a, factor) for a in range(256))


def _shifted(state: Sequence[int], by: int) -> list[int]:
    """Rows turned left by ``by`` times their number (5.1.2)."""
    return [state[(at + by * 4 * (at & 3)) % BLOCK] for at in range(BLOCK)]


def _mixed(state: Sequence[int], row: tuple[int, ...]) -> list[int]:
    """Each column times the matrix whose rows are ``row`` turned (5.1.3)."""
    tables = [products(factor) for factor in row]
    out = []
    for column in range(0, BLOCK, 4):
        for at in range(4):
            value = 0
            for index in range(4):
                value ^= tables[index - at & 3][state[column + index]]
            out.append(value)
    return out


def _added(state: Sequence[int], key: bytes) -> list[int]:
    return [a ^ b for a, b in zip(state, key, strict=True)]


class Aes:
    """A key. Raises ValueError for one that hasn't 16, 24 or 32 bytes."""

    __slots__ = ("_rounds",)

    def __init__(self, key: bytes) -> None:
        if len(key) not in KEY_SIZES:
            raise ValueError(f"a key of {len(key)} bytes")
        words, size, rcon = [key[at : at + 4] for at in range(0, len(key), 4)], len(key) // 4, 1
        box = boxes()[0]
        for number in range(size, 4 * (size + 7)):
            last = words[-1]
            if number % size == 0:
                last = bytes(box[byte] for byte in last[1:] + last[:1])
                last, rcon = bytes([last[0] ^ rcon]) + last[1:], times(rcon, 2)
            elif size == 8 and number % size == 4:
                last = bytes(box[byte] for byte in last)
            words.append(bytes(a ^ b for a, b in zip(words[-size], last, strict=True)))
        self._rounds = [b"".join(words[at : at + 4]) for at in range(0, len(words), 4)]

    def encrypt(self, block: bytes) -> bytes:
        """One block (5.1)."""
        box, state = boxes()[0], _added(block, self._rounds[0])
        for key in self._rounds[1:-1]:
            state = _added(_mixed(_shifted([box[byte] for byte in state], 1), MIX), key)
        return bytes(_added(_shifted([box[byte] for byte in state], 1), self._rounds[-1]))

    def decrypt(self, block: bytes) -> bytes:
        """One block (5.3)."""
        box, state = boxes()[1], _added(block, self._rounds[-1])
        for key in self._rounds[-2:0:-1]:
            state = _mixed(_added([box[byte] for byte in _shifted(state, -1)], key), UNMIX)
        return bytes(_added([box[byte] for byte in _shifted(state, -1)], self._rounds[0]))


def ecb(cipher: Aes, data: bytes, *, decrypt: bool) -> bytes:
    """All whole blocks, each by itself (SP 800-38A, 6.1)."""
    one = cipher.decrypt if decrypt else cipher.encrypt
    return b"".join(one(data[at : at + BLOCK]) for at in range(0, len(data) - BLOCK + 1, BLOCK))


def cbc(cipher: Aes, data: bytes, vector: bytes, *, decrypt: bool) -> tuple[bytes, bytes]:
    """All whole blocks, each with the one before (6.2), and the vector that goes on from there."""
    out = []
    for at in range(0, len(data) - BLOCK + 1, BLOCK):
        block = data[at : at + BLOCK]
        if decrypt:
            out.append(bytes(_added(cipher.decrypt(block), vector)))
            vector = block
        else:
            vector = cipher.encrypt(bytes(_added(block, vector)))
            out.append(vector)
    return b"".join(out), vector
