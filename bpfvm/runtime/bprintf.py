# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The format strings of bpf_trace_printk and bpf_snprintf (kernel/bpf/helpers.c bpf_bprintf_prepare, lib/vsprintf.c;
6.18)."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING, Final

from bpfvm.isa.word import s32, s64, u32
from bpfvm.runtime.helpers.probe import Reader, read_either, read_kernel, read_string, read_user
from bpfvm.runtime.prandom import splitmix64

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

BUFFER: Final = 1024
"""MAX_BPRINTF_BUF, BPF_TRACE_PRINTK_SIZE"""
FIELD_WIDTH_MAX: Final = (1 << 23) - 1
_SPEC: Final = re.compile(rb"%(%|([-0+ ]*)([1-9][0-9]{0,9})?(p[ku]s|p[KxsSB]|p[iI][46]|p|s|c|l{0,2}[diuxX]))")
_STOPS_AT_WORD: Final = (b"p", b"s", b"pks", b"pus")
"""after these only the end, a space or punctuation may come; the other pointer kinds swallow letters and digits"""
_LATIN_PUNCTUATION: Final = bytes((*range(0xA0, 0xC0), 0xD7, 0xF7))
_SPACE: Final = b" \t\n\v\f\r"


def format_text(rt: Runtime, fmt: bytes, args: list[int]) -> bytes | int:
    """The text, or -EINVAL for a format the kernel refuses or that wants more than the u64 ``args`` there are."""
    if any((byte < 0x20 and byte not in _SPACE) or byte == 0x7F for byte in fmt):
        return -errno.EINVAL
    out, at, used = bytearray(), 0, 0
    while (percent := fmt.find(b"%", at)) >= 0:
        out += fmt[at:percent]
        spec = _SPEC.match(fmt, percent)
        if spec is None:
            return -errno.EINVAL
        at = spec.end()
        if spec[1] == b"%":
            out += b"%"
            continue
        if used == len(args) or (spec[4] in _STOPS_AT_WORD and not _word_ends(fmt, at)):
            return -errno.EINVAL
        out += _convert(rt, spec[2], min(int(spec[3] or 0), FIELD_WIDTH_MAX), spec[4].decode(), args[used])
        used += 1
        while spec[4][:1] == b"p" and at < len(fmt) and fmt[at : at + 1].isalnum():
            at += 1
    return bytes(out + fmt[at:])


def _word_ends(fmt: bytes, at: int) -> bool:
    return at == len(fmt) or (fmt[at] < 0x80 and not fmt[at : at + 1].isalnum()) or fmt[at] in _LATIN_PUNCTUATION


def _convert(rt: Runtime, flags: bytes, width: int, kind: str, arg: int) -> bytes:
    if kind[0] == "p":
        return _pointer(rt, flags, width, kind, arg)
    if kind == "s":
        return _pad(_string(rt, read_either, arg), flags, width)
    if kind == "c":
        return _pad(bytes([arg & 0xFF]), flags, width)
    return _number(flags, width, kind, arg)


def _pad(text: bytes, flags: bytes, width: int) -> bytes:
    return text.ljust(width) if b"-" in flags else text.rjust(width)


def _number(flags: bytes, width: int, kind: str, arg: int) -> bytes:
    wide, letter = "l" in kind, kind[-1]
    value = (s64(arg) if wide else s32(arg)) if letter in "di" else (arg if wide else u32(arg))
    digits = format(abs(value), {"x": "x", "X": "X"}.get(letter, "d"))
    sign = "-" if value < 0 else ""
    if letter in "di" and value >= 0:
        sign = "+" if b"+" in flags else " " if b" " in flags else ""
    if b"0" in flags and b"-" not in flags:
        digits = digits.rjust(width - len(sign), "0")
    return _pad((sign + digits).encode(), flags, width)


def _string(rt: Runtime, read: Reader, addr: int) -> bytes:
    found = read_string(rt, read, addr, BUFFER)
    return found[:-1] if isinstance(found, bytes) else b""


def _pointer(rt: Runtime, flags: bytes, width: int, kind: str, arg: int) -> bytes:
    if kind in ("pks", "pus"):
        return _pad(_string(rt, read_kernel if kind == "pks" else read_user, arg), flags, width)
    if kind in ("pi4", "pI4", "pi6", "pI6"):
        return _address(rt, kind, arg)
    if kind in ("ps", "pS", "pB"):
        return _pad(_symbol(rt, kind, arg), flags, width)
    shown = arg if kind == "px" else hashed(rt, arg)
    return _pad(f"{shown:016x}".encode(), flags, width)


def hashed(rt: Runtime, pointer: int) -> int:
    """What %p shows: 32 bits that depend on the pointer and the session's seed; NULL and errnos as they are."""
    if pointer == 0 or s64(pointer) in range(-4095, 0):
        return pointer
    return splitmix64(pointer ^ splitmix64(rt.seed)) & 0xFFFF_FFFF


def _symbol(rt: Runtime, kind: str, addr: int) -> bytes:
    found = rt.find_symbol(addr, returned=kind == "pB")
    if found is None:
        return f"{addr:#x}".encode()
    return (found.name if kind == "ps" else f"{found.name}+{found.offset:#x}/{found.size:#x}").encode()


def _address(rt: Runtime, kind: str, addr: int) -> bytes:
    size = 4 if kind[2] == "4" else 16
    found = read_kernel(rt, addr, size)
    raw = found if isinstance(found, bytes) else bytes(size)
    if kind == "pI4":
        return ".".join(str(byte) for byte in raw).encode()
    if kind == "pi4":
        return ".".join(f"{byte:03}" for byte in raw).encode()
    joint = ":" if kind == "pI6" else ""
    return joint.join(raw[at : at + 2].hex() for at in range(0, 16, 2)).encode()
