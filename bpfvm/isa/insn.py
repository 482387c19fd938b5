# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One 8-byte instruction slot, and the way between slots and bytes (RFC 9669 section 3)."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from bpfvm.errors import BadInput
from bpfvm.typed import NamedTuple

_LITTLE = struct.Struct("<BBhi")
_BIG = struct.Struct(">BBhi")


class Insn(NamedTuple):
    """The raw fields of one slot. A 16-byte ``ld_imm64`` is two of these; the second has code 0, ``imm`` the high half.

    ```
     63           32 31     16 15  12 11   8 7       0
    +---------------+---------+------+------+---------+
    |      imm      |   off   | src  | dst  |  code   |
    +---------------+---------+------+------+---------+
    ```
    """

    code: int
    dst: int = 0
    src: int = 0
    off: int = 0
    imm: int = 0


def decode(data: bytes | memoryview, *, big_endian: bool = False) -> tuple[Insn, ...]:
    """Bytes to slots. Raises BadInput when the length is not a multiple of 8.

    Big-endian objects have the other byte order in ``off`` and ``imm``, and ``dst`` in the high half of its byte.
    """
    if len(data) & 7:
        raise BadInput(f"program of {len(data)} bytes is not a whole number of 8-byte instructions")
    if big_endian:
        return tuple(Insn(code, regs >> 4, regs & 15, off, imm) for code, regs, off, imm in _BIG.iter_unpack(data))
    return tuple(Insn(code, regs & 15, regs >> 4, off, imm) for code, regs, off, imm in _LITTLE.iter_unpack(data))


def encode(insns: Iterable[Insn]) -> bytes:
    """Slots to little-endian bytes."""
    return b"".join(_LITTLE.pack(i.code, i.dst | i.src << 4, i.off, i.imm) for i in insns)


def imm64(low: Insn, high: Insn) -> int:
    """The unsigned 64-bit constant of the two slots of an ``ld_imm64``."""
    return (low.imm & 0xFFFFFFFF) | (high.imm & 0xFFFFFFFF) << 32
