# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BPF's machine words on Python ints: the one place where 64- and 32-bit arithmetic is spelled out.

A *word* is kept as the non-negative int of its bit pattern (`u64`, `u32`); a *signed* value is the Python int it
means (`s64`, `s32`). BPF wraps around and truncates division toward zero, whereas Python's ints are unbounded and its
`//` and `%` round down, so every engine and the verifier call these functions instead of writing the operators
themselves. Operations that may meet an undefined case follow RFC 9669 section 4.1: x / 0 = 0, x mod 0 = x, INT_MIN /
-1 = INT_MIN, INT_MIN mod -1 = 0, and shift amounts are taken modulo the width. No function here raises.
"""

from __future__ import annotations

from bpfvm.typed import Final

U64_MAX: Final = 0xFFFF_FFFF_FFFF_FFFF
U32_MAX: Final = 0xFFFF_FFFF
S64_MAX: Final = 0x7FFF_FFFF_FFFF_FFFF
S64_MIN: Final = -0x8000_0000_0000_0000
S32_MAX: Final = 0x7FFF_FFFF
S32_MIN: Final = -0x8000_0000
SIGN64: Final = 0x8000_0000_0000_0000
SIGN32: Final = 0x8000_0000


# --- conversions ----------------------------------------------------------------------------------
def u64(x: int) -> int:
    """The 64-bit word of any int (two's complement, wraps)."""
    return x & U64_MAX


def u32(x: int) -> int:
    """The 32-bit word of any int (two's complement, wraps)."""
    return x & U32_MAX


def s64(x: int) -> int:
    """The signed value of the low 64 bits of any int."""
    x &= U64_MAX
    return x - 0x1_0000_0000_0000_0000 if x & SIGN64 else x


def s32(x: int) -> int:
    """The signed value of the low 32 bits of any int."""
    x &= U32_MAX
    return x - 0x1_0000_0000 if x & SIGN32 else x


def s16(x: int) -> int:
    """The signed value of the low 16 bits of any int."""
    x &= 0xFFFF
    return x - 0x1_0000 if x & 0x8000 else x


def s8(x: int) -> int:
    """The signed value of the low 8 bits of any int."""
    x &= 0xFF
    return x - 0x100 if x & 0x80 else x


def sext8(x: int) -> int:
    """The 64-bit word of the sign-extended low 8 bits."""
    return s8(x) & U64_MAX


def sext16(x: int) -> int:
    """The 64-bit word of the sign-extended low 16 bits."""
    return s16(x) & U64_MAX


def sext32(x: int) -> int:
    """The 64-bit word of the sign-extended low 32 bits."""
    return s32(x) & U64_MAX


def signed(x: int, bits: int) -> int:
    """The signed value of the low `bits` (1..64) bits of any int."""
    sign = 1 << (bits - 1)
    return ((x & ((sign << 1) - 1)) ^ sign) - sign


# --- 64-bit operations on words -------------------------------------------------------------------
def add64(a: int, b: int) -> int:
    """a + b modulo 2**64."""
    return (a + b) & U64_MAX


def sub64(a: int, b: int) -> int:
    """a - b modulo 2**64."""
    return (a - b) & U64_MAX


def mul64(a: int, b: int) -> int:
    """a * b modulo 2**64."""
    return (a * b) & U64_MAX


def neg64(a: int) -> int:
    """-a modulo 2**64."""
    return -a & U64_MAX


def udiv64(a: int, b: int) -> int:
    """Unsigned quotient of two words; 0 when b is 0."""
    return a // b if b else 0


def umod64(a: int, b: int) -> int:
    """Unsigned remainder of two words; a when b is 0."""
    return a % b if b else a


def sdiv64(a: int, b: int) -> int:
    """Signed quotient, truncated toward zero, as a word; 0 when b is 0; INT64_MIN / -1 wraps to INT64_MIN."""
    if not b:
        return 0
    x, y = s64(a), s64(b)
    q = abs(x) // abs(y)
    return (-q if (x < 0) != (y < 0) else q) & U64_MAX


def smod64(a: int, b: int) -> int:
    """Signed remainder with the sign of the dividend, as a word; a when b is 0."""
    if not b:
        return a
    x, y = s64(a), s64(b)
    r = abs(x) % abs(y)
    return (-r if x < 0 else r) & U64_MAX


def lsh64(a: int, n: int) -> int:
    """a << (n mod 64), modulo 2**64."""
    return (a << (n & 63)) & U64_MAX


def rsh64(a: int, n: int) -> int:
    """Logical a >> (n mod 64) of a word."""
    return a >> (n & 63)


def arsh64(a: int, n: int) -> int:
    """Arithmetic a >> (n mod 64) of a word, as a word."""
    return (s64(a) >> (n & 63)) & U64_MAX


# --- 32-bit operations: words in, a zero-extended word out ----------------------------------------
def add32(a: int, b: int) -> int:
    """a + b modulo 2**32."""
    return (a + b) & U32_MAX


def sub32(a: int, b: int) -> int:
    """a - b modulo 2**32."""
    return (a - b) & U32_MAX


def mul32(a: int, b: int) -> int:
    """a * b modulo 2**32."""
    return (a * b) & U32_MAX


def neg32(a: int) -> int:
    """-a modulo 2**32."""
    return -a & U32_MAX


def udiv32(a: int, b: int) -> int:
    """Unsigned quotient of the low halves; 0 when the divisor's low half is 0."""
    return udiv64(a & U32_MAX, b & U32_MAX)


def umod32(a: int, b: int) -> int:
    """Unsigned remainder of the low halves; the dividend's low half when the divisor's is 0."""
    return umod64(a & U32_MAX, b & U32_MAX)


def sdiv32(a: int, b: int) -> int:
    """Signed truncating quotient of the low halves; 0 for division by 0; INT32_MIN / -1 wraps to INT32_MIN."""
    return sdiv64(sext32(a), sext32(b)) & U32_MAX


def smod32(a: int, b: int) -> int:
    """Signed remainder (sign of the dividend) of the low halves; the dividend when the divisor is 0."""
    return smod64(sext32(a), sext32(b)) & U32_MAX


def lsh32(a: int, n: int) -> int:
    """a << (n mod 32), modulo 2**32."""
    return (a << (n & 31)) & U32_MAX


def rsh32(a: int, n: int) -> int:
    """Logical shift right of the low half by n mod 32."""
    return (a & U32_MAX) >> (n & 31)


def arsh32(a: int, n: int) -> int:
    """Arithmetic shift right of the low half by n mod 32, as a 32-bit word."""
    return (s32(a) >> (n & 31)) & U32_MAX


# --- byte order -----------------------------------------------------------------------------------
def bswap16(x: int) -> int:
    """The low 2 bytes reversed, zero-extended."""
    return (x & 0xFF) << 8 | (x >> 8 & 0xFF)


def bswap32(x: int) -> int:
    """The low 4 bytes reversed, zero-extended."""
    return int.from_bytes((x & U32_MAX).to_bytes(4, "little"), "big")


def bswap64(x: int) -> int:
    """All 8 bytes reversed."""
    return int.from_bytes((x & U64_MAX).to_bytes(8, "little"), "big")


def bswap(x: int, bits: int) -> int:
    """The low `bits` (16, 32 or 64) with their bytes reversed, zero-extended."""
    if bits == 16:
        return bswap16(x)
    return bswap32(x) if bits == 32 else bswap64(x)


def truncate(x: int, bits: int) -> int:
    """The low `bits` (1..64), zero-extended: what `le16/le32/le64` leave on a little-endian machine."""
    return x & ((1 << bits) - 1)


def align_up(x: int, n: int) -> int:
    """x rounded up to a multiple of the power of two n."""
    return (x + n - 1) & -n


def align_down(x: int, n: int) -> int:
    """x rounded down to a multiple of the power of two n."""
    return x & -n
