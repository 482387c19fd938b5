# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
from __future__ import annotations

import errno
import struct

import pytest

from bpfvm.memory import Memory
from bpfvm.runtime import Runtime, TraceLine
from bpfvm.runtime.bprintf import format_text
from tests.unit.runtime.frames import call, put

MINUS5 = (1 << 64) - 5


@pytest.fixture
def runtime() -> Runtime:
    return Runtime(Memory(checker="kasan"), None, seed=1)


@pytest.mark.parametrize(
    ("fmt", "args", "text"),
    [
        (b"plain", [], b"plain"),
        (b"100%%", [], b"100%"),
        (b"%d %i %u", [MINUS5, 7, MINUS5], b"-5 7 4294967291"),
        (b"%ld %lld %lu", [MINUS5, MINUS5, MINUS5], b"-5 -5 18446744073709551611"),
        (b"%x %X %lx %llX", [255, 255, MINUS5, 10], b"ff FF fffffffffffffffb A"),
        (b"[%5d|%-5d|%05d|%+d|% d]", [42, 42, MINUS5, 3, 3], b"[   42|42   |-0005|+3| 3]"),
        (b"%c%3c", [65, 66], b"A  B"),
        (b"%px", [0xFFFF_8880_0000_1000], b"ffff888000001000"),
        (b"%p %pK", [0, MINUS5], b"0000000000000000 fffffffffffffffb"),
        (b"%ps %pS", [0x1234, 0x1234], b"0x1234 0x1234"),
        ("ü%d".encode(), [1], "ü1".encode()),
    ],
)
def test_formats(runtime: Runtime, fmt: bytes, args: list[int], text: bytes) -> None:
    assert format_text(runtime, fmt, args) == text


@pytest.mark.parametrize(
    "fmt",
    [
        b"%",
        b"%q",
        b"%f",
        b"%o",
        b"%hd",
        b"%.3d",
        b"%*d",
        b"%#x",
        b"%zu",
        b"%lc",
        b"%sx",
        b"%pq",
        b"%d %d",
        b"\x01",
        b"\x7f",
    ],
)
def test_formats_the_kernel_refuses(runtime: Runtime, fmt: bytes) -> None:
    assert format_text(runtime, fmt, [1]) == -errno.EINVAL


def test_strings_symbols_and_addresses(runtime: Runtime) -> None:
    name = put(runtime, b"name\0")
    runtime.symbol = {0x99: "do_fault"}.get
    assert format_text(runtime, b"<%s> <%6s> <%-6s>", [name] * 3) == b"<name> <  name> <name  >"
    assert format_text(runtime, b"%s|%pks|%pus|", [0x10, name, name]) == b"|name||"
    assert format_text(runtime, b"%ps %pS %pB", [0x99] * 3) == b"do_fault do_fault+0x0/0x0 do_fault+0x0/0x0"
    address = put(runtime, bytes([192, 168, 0, 1]) + bytes(11) + b"\1")
    assert format_text(runtime, b"%pI4 %pi4", [address] * 2) == b"192.168.0.1 192.168.000.001"
    assert format_text(runtime, b"%pI6", [address]) == b"c0a8:0001:0000:0000:0000:0000:0000:0001"
    assert format_text(runtime, b"%pi6", [address]) == b"c0a80001000000000000000000000001"


def test_hashed_pointers_depend_on_the_seed_only() -> None:
    one, two, three = (format_text(Runtime(Memory(), None, seed=n), b"%p", [0x1234]) for n in (1, 1, 2))
    assert one == two != three
    assert isinstance(one, bytes)
    assert one.startswith(b"00000000")


def test_printk_goes_to_the_trace(runtime: Runtime) -> None:
    seen: list[object] = []
    runtime.sink.add(seen.append)
    fmt = put(runtime, b"%d and %s\0")
    assert call(runtime, "trace_printk", fmt, 10, 5, put(runtime, b"text\0")) == 10
    assert runtime.trace == ["5 and text"]
    assert seen == runtime.trace_lines == [TraceLine("5 and text", "swapper/0", 0, 0, runtime.clock.ns)]
    expected = "       swapper/0-0       [000] ...11   100.000000: bpf_trace_printk: 5 and text\n"
    assert runtime.trace_pipe() == expected
    assert call(runtime, "trace_printk", fmt, 9, 5) == -errno.EINVAL
    values = put(runtime, struct.pack("<QQ", 6, 0))
    assert call(runtime, "trace_vprintk", fmt, 10, values, 16) == 6
    assert call(runtime, "trace_vprintk", fmt, 10, values, 12) == -errno.EINVAL
    assert call(runtime, "trace_vprintk", fmt, 10, values, 104) == -errno.EINVAL
    assert len(runtime.trace) == 2


def test_snprintf_cuts_but_says_how_long_it_would_be(runtime: Runtime) -> None:
    out, fmt, values = put(runtime, b"\xee" * 8), put(runtime, b"number %d\0"), put(runtime, struct.pack("<Q", 12))
    assert call(runtime, "snprintf", out, 8, fmt, values, 8) == 10
    assert runtime.memory.read(out, 8) == b"number \0"
    assert call(runtime, "snprintf", 0, 0, fmt, values, 8) == 10
    assert call(runtime, "snprintf", out, 8, fmt, 0, 8) == -errno.EINVAL
    assert call(runtime, "snprintf", out, 8, fmt, 0, 0) == -errno.EINVAL


@pytest.mark.parametrize(
    ("one", "size", "two", "result"),
    [(b"abc\0", 4, b"abc\0", 0), (b"abd\0", 4, b"abc\0", 1), (b"ab\0", 3, b"abc\0", -1), (b"abX", 2, b"abY", 0)],
)
def test_strncmp(runtime: Runtime, one: bytes, size: int, two: bytes, result: int) -> None:
    assert call(runtime, "strncmp", put(runtime, one), size, put(runtime, two)) == result
