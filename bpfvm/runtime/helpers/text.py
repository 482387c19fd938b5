# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers on text: printing, comparing, parsing numbers (kernel/bpf/helpers.c, kernel/trace/bpf_trace.c; 6.18)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.isa.word import s32, u32
from bpfvm.runtime.bprintf import BUFFER, format_text, hashed
from bpfvm.runtime.btf_show import F_COMPACT, F_NONAME, F_PTR_RAW, F_ZERO, Show
from bpfvm.runtime.helpers.probe import read_kernel
from bpfvm.runtime.helpers.table import Args, helper

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

MAX_VARARGS: Final = 12
"""MAX_BPRINTF_VARARGS"""
MAX_FORMAT: Final = 1 << 16
BASE_MASK: Final = 0x1F
MAX_DIGITS: Final = 63
BTF_PTR_SIZE: Final = 16
"""sizeof(struct btf_ptr): pointer, u32 type id, u32 flags"""
SHOW_FLAGS: Final = F_COMPACT | F_NONAME | F_PTR_RAW | F_ZERO
_SPACE: Final = b" \t\n\v\f\r\xa0"
"""what lib/ctype.c calls a space"""


def _format(rt: Runtime, addr: int, size: int) -> bytes | int:
    """The format at ``addr``, which must end in NUL within ``size`` bytes."""
    raw = rt.memory.read(addr, size)
    end = raw.find(b"\0")
    return raw[:end] if end >= 0 else -errno.EINVAL


def values(rt: Runtime, addr: int, size: int) -> list[int] | int:
    """The u64 arguments of snprintf and its like, or -EINVAL."""
    if size & 7 or size > MAX_VARARGS * 8 or (size and not addr):
        return -errno.EINVAL
    return [rt.memory.load(addr + at, 8) for at in range(0, size, 8)]


def _print(rt: Runtime, fmt: bytes | int, given: list[int] | int) -> int:
    if isinstance(given, int):
        return given
    text = fmt if isinstance(fmt, int) else format_text(rt, fmt, given)
    if isinstance(text, int):
        return text
    rt.printk(text[: BUFFER - 1].decode("utf-8", "replace"))
    return len(text)


@helper("trace_printk")
def trace_printk(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(format, size, up to three values) → length of the text, or an errno."""
    return _print(rt, _format(rt, args[0], u32(args[1])), list(args[2:]))


@helper("trace_vprintk")
def trace_vprintk(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(format, size, values, their size) → length of the text, or an errno."""
    return _print(rt, _format(rt, args[0], u32(args[1])), values(rt, args[2], u32(args[3])))


@helper("snprintf")
def snprintf(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(buffer, its size, format, values, their size) → length of the whole text with its NUL, or an errno."""
    to, size, fmt_addr = args[0], u32(args[1]), args[2]
    given = values(rt, args[3], u32(args[4]))
    if isinstance(given, int):
        return given
    text = format_text(rt, rt.memory.cstring(fmt_addr, MAX_FORMAT), given)
    if isinstance(text, int):
        return text
    if size:
        rt.memory.write(to, text[: size - 1] + b"\0")
    return len(text) + 1


@helper("strncmp")
def strncmp(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(string, its size, constant string) → -1, 0, 1."""
    one, size, two = args[0], u32(args[1]), args[2]
    for at in range(size):
        left, right = rt.memory.load(one + at, 1), rt.memory.load(two + at, 1)
        if left != right:
            return -1 if left < right else 1
        if not left:
            break
    return 0


def parse_number(text: bytes, flags: int) -> tuple[int, int, bool] | int:
    """(value, bytes used, was there a minus) of leading space, sign and digits; or a negative errno
    (__bpf_strtoull)."""
    base = flags & BASE_MASK
    if not text or base not in (0, 8, 10, 16) or flags & ~BASE_MASK:
        return -errno.EINVAL
    at = len(text) - len(text.lstrip(_SPACE))
    minus = text[at : at + 1] == b"-"
    at += minus
    digits = text[at:][:MAX_DIGITS].split(b"\0", 1)[0].lower()
    start, base = _radix(digits, base)
    value, end = 0, start
    while end < len(digits) and (digit := b"0123456789abcdef".find(digits[end : end + 1])) in range(base):
        value = value * base + digit
        end += 1
    if value >> 64:
        return -errno.ERANGE
    return (value, at + end, minus) if end > start else -errno.EINVAL


def _radix(digits: bytes, base: int) -> tuple[int, int]:
    """(where the digits begin, base): 0x and a leading 0 say which when ``base`` is 0 (_parse_integer_fixup_radix)."""
    if base == 0:
        if digits[:1] != b"0":
            return 0, 10
        is_hex = digits[1:2] == b"x" and digits[2:3] != b"" and digits[2:3] in b"0123456789abcdef"
        base = 16 if is_hex else 8
    return (2 if base == 16 and digits[:2] == b"0x" else 0), base


@helper("strtol")
def strtol(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(text, size, base, result) → bytes used, or an errno."""
    rt.memory.store(args[3], 8, 0)
    found = parse_number(rt.memory.read(args[0], args[1]), args[2])
    if isinstance(found, int):
        return found
    value, used, minus = found
    if value > (1 << 63) - (not minus):
        return -errno.ERANGE
    rt.memory.store(args[3], 8, -value if minus else value)
    return used


@helper("strtoul")
def strtoul(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(text, size, base, result) → bytes used, or an errno; a minus sign is EINVAL."""
    rt.memory.store(args[3], 8, 0)
    found = parse_number(rt.memory.read(args[0], args[1]), args[2])
    if isinstance(found, int):
        return found
    value, used, minus = found
    if minus:
        return -errno.EINVAL
    rt.memory.store(args[3], 8, value)
    return used


@helper("snprintf_btf")
def snprintf_btf(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(buffer, its size, struct btf_ptr, its size, flags) → length of the whole text, or an errno."""
    to, size, btf_ptr, ptr_size, flags = args[0], u32(args[1]), args[2], u32(args[3]), args[4]
    if flags & ~SHOW_FLAGS or ptr_size != BTF_PTR_SIZE:
        return -errno.EINVAL
    addr, type_id = rt.memory.load(btf_ptr, 8), s32(rt.memory.load(btf_ptr + 8, 4))
    if type_id <= 0:
        return -errno.EINVAL
    if rt.btf is None or type_id >= len(rt.btf):
        return -errno.ENOENT
    found = read_kernel(rt, addr, rt.btf.size_of(type_id))
    if isinstance(found, int):
        return found
    show = Show(rt.btf, found, flags, lambda pointer: hashed(rt, pointer))
    show.show(type_id)
    if size:
        rt.memory.write(to, bytes(show.text[: size - 1]) + b"\0")
    return len(show.text)
