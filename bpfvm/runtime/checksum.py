# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The Internet checksum (RFC 1071) in the forms that network helpers work with (include/net/checksum.h, 6.18).

A ``sum`` is 32 bits wide and only means something modulo 0xffff; a ``check`` is the 16-bit complement that packets
hold. Words are in the machine's order, as they lie in the packet.
"""

from __future__ import annotations

from bpfvm.isa.word import U32_MAX

U16_MAX = 0xFFFF


def add32(one: int, two: int) -> int:
    """32-bit sum with the carry added in again (csum_add)."""
    total = one + two
    return (total & U32_MAX) + (total >> 32)


def fold(total: int) -> int:
    """The 16-bit sum, not complemented (csum_from32to16)."""
    total = (total & U16_MAX) + (total >> 16)
    return (total & U16_MAX) + (total >> 16)


def partial(data: bytes, total: int) -> int:
    """``total`` with the 16-bit words of ``data`` added, an odd last byte as a word (csum_partial). The sum agrees with
    the kernel's modulo 0xffff; how it is spread over 32 bits depends on the architecture there."""
    padded = data + b"\0" * (len(data) & 1)
    words = sum(int.from_bytes(padded[at : at + 2], "little") for at in range(0, len(padded), 2))
    while words > U32_MAX:
        words = (words & U32_MAX) + (words >> 32)
    return add32(total, words)


def replace(check: int, old: int, new: int) -> int:
    """The check after the 32-bit word ``old`` became ``new`` (csum_replace4, csum_replace2)."""
    total = add32(~check & U16_MAX, ~old & U32_MAX)
    return ~fold(add32(total, new & U32_MAX)) & U16_MAX


def by_diff(check: int, diff: int) -> int:
    """The check after the sum ``diff`` was added (csum_replace_by_diff)."""
    return ~fold(add32(diff & U32_MAX, ~check & U32_MAX)) & U16_MAX
