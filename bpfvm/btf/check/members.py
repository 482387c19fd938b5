# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Whether a member fits its struct, by the kind of its type (check_member and check_kflag_member of btf.c, 6.18)."""

from __future__ import annotations

from bpfvm.btf.check import record as r
from bpfvm.btf.check.log import Log
from bpfvm.btf.check.record import Element, Record

_U32_MAX = 0xFFFFFFFF
_U128_BITS = 128
_ENUM_BITS = 32
_TOO_LONG = "Member exceeds struct_size"
_UNALIGNED = "Member is not byte aligned"


def is_regular(record: Record) -> bool:
    """An INT of 1, 2, 4, 8 or 16 whole bytes from bit 0 on."""
    (data,) = record.words(1)
    bits, offset = data & 255, data >> 16 & 255
    return not offset and bits in (8, 16, 32, 64, 128)


def check_member(struct: Record, member: Element, found: Record, size: int, log: Log) -> None:
    """One member, whose type comes down to ``found`` of ``size`` bytes. Raises Refused."""
    width, bits = 0, member.third
    if struct.kflag:
        width, bits = member.third >> 24, member.third & 0xFFFFFF
    if found.kind == r.INT:
        problem = _bitfield(struct, found, width, bits) if struct.kflag else _int(struct, found, bits)
    elif struct.kflag and found.kind in (r.ENUM, r.ENUM64):
        problem = _enum_bitfield(struct, width, bits)
    elif width:
        problem = "Invalid member bitfield_size"
    elif found.kind == r.FLOAT:
        problem = _float(struct, size, bits)
    else:
        problem = _whole(struct, size, bits)
    if problem:
        log.bad_member(struct, member, problem)


def _whole(struct: Record, size: int, bits: int) -> str:
    if bits % 8:
        return _UNALIGNED
    return _TOO_LONG if (struct.word - bits // 8) & _U32_MAX < size else ""


def _float(struct: Record, size: int, bits: int) -> str:
    if bits % (8 * min(8, size)):
        return "Member is not properly aligned"
    return _TOO_LONG if bits // 8 + size > struct.word else ""


def _int(struct: Record, found: Record, bits: int) -> str:
    (data,) = found.words(1)
    inside = data >> 16 & 255
    if _U32_MAX - bits < inside:
        return "bits_offset exceeds U32_MAX"
    return _covered(struct, bits + inside, data & 255)


def _bitfield(struct: Record, found: Record, width: int, bits: int) -> str:
    (data,) = found.words(1)
    if not is_regular(found):
        return "Invalid member base type"
    if not width:
        if bits % 8:
            return "Invalid member offset"
        width = data & 255
    elif width > data & 255:
        return "Invalid member bitfield_size"
    return _covered(struct, bits, width)


def _covered(struct: Record, bits: int, width: int) -> str:
    """Bits ``bits`` … + ``width`` lie in the struct and in one 16-byte load."""
    copied = width + bits % 8
    if copied > _U128_BITS:
        return f"nr_copy_bits exceeds {_U128_BITS}"
    return _TOO_LONG if struct.word < bits // 8 or struct.word - bits // 8 < (copied + 7) // 8 else ""


def _enum_bitfield(struct: Record, width: int, bits: int) -> str:
    if not width:
        if bits % 8:
            return _UNALIGNED
        width = _ENUM_BITS
    elif width > _ENUM_BITS:
        return "Invalid member bitfield_size"
    return _TOO_LONG if struct.word < (bits + width + 7) // 8 else ""
