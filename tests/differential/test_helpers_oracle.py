# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The same programs on our interpreter with our helpers and, by BPF_PROG_TEST_RUN, on the running kernel: r0 must
agree."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.engine.image import Image
from bpfvm.engine.interp import Interpreter
from bpfvm.isa.helper_ids import HELPER_ID
from bpfvm.isa.insn import Insn, decode, encode
from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec
from bpfvm.runtime import Runtime
from tests import kernel_oracle as ko
from tests.differential.verifier_oracle import kernel_specs

pytestmark = pytest.mark.skipif(not ko.available(), reason="bpf(2) can't load programs here")
SLEEPABLE = 16
EMULATED = Path(__file__).parents[2] / "thpmm/kernel/emulated.btf"
TEXT, RESULT = -80, -96


def mov(dst: int, imm: int) -> bytes:
    return encode([Insn(0xB7, dst, 0, 0, imm)])


def fp(dst: int, offset: int) -> bytes:
    """dst = r10 + offset"""
    return encode([Insn(0xBF, dst, 10, 0, 0), Insn(0x07, dst, 0, 0, offset)])


def imm64(dst: int, value: int, src: int = 0) -> bytes:
    return struct.pack("<BBhIBBhI", 0x18, dst | src << 4, 0, value & 0xFFFF_FFFF, 0, 0, 0, value >> 32)


def put(data: bytes, offset: int) -> bytes:
    """Store bytes (a multiple of 4) at r10 + offset."""
    words = struct.unpack(f"<{len(data) // 4}i", data)
    return encode([Insn(0x62, 10, 0, offset + 4 * at, word) for at, word in enumerate(words)])


def call(name: str) -> bytes:
    return encode([Insn(0x85, 0, 0, 0, HELPER_ID[name])])


def load(dst: int, src: int, offset: int, code: int = 0x79) -> bytes:
    return encode([Insn(code, dst, src, offset, 0)])


def shift(dst: int, bits: int) -> bytes:
    return encode([Insn(0x77, dst, 0, 0, bits)])


EXIT = encode([Insn(0x95, 0, 0, 0, 0)])
Build = Callable[[int, int], bytes]
"""program from what ld_imm64 of the map takes: (value, src)"""


def without_maps(program: bytes) -> Build:
    """A program that is the same on both sides."""
    return lambda value, src: program


def same(build: Build, maps: tuple[MapSpec, ...] = ()) -> int:
    """Run on both sides; r0 as s32 (all that a test run shows). Asserts that it agrees."""
    runtime = Runtime(Memory(), None)
    made = [runtime.create_map(spec) for spec in maps]
    image = Image.of_insns(decode(build(made[0].addr if made else 0, 0)))
    ours = Interpreter(runtime.memory, runtime).run(image, 0) & 0xFFFF_FFFF
    theirs = ko.test_run(build(0, 1), "syscall", maps=kernel_specs(maps), flags=SLEEPABLE)
    assert theirs.ok, theirs.log
    assert ours == theirs.retval & 0xFFFF_FFFF
    return int(theirs.retval)


NUMBERS = [
    (b"12", 0), (b" -12x", 0), (b"0x1f", 0), (b"0x1f", 16), (b"1f", 16), (b"0x", 0), (b"0x", 16), (b"017", 0),
    (b"017", 8), (b"089", 0), (b"-", 0), (b"--1", 0), (b"9223372036854775807", 10), (b"9223372036854775808", 10),
    (b"-9223372036854775808", 0), (b"-9223372036854775809", 0), (b"18446744073709551615", 0),
    (b"18446744073709551616", 0), (b"1", 7), (b"1", 0x30), (b"\xa05", 0), (b"+5", 0), (b"1" * 70, 0),
    (b"0" * 70 + b"1", 0), (b"1\x002", 0), (b"\0", 0), (b"0xG", 0), (b"0X1F ", 0),
]  # fmt: skip


@pytest.mark.parametrize("name", ["strtol", "strtoul"])
@pytest.mark.parametrize(("text", "flags"), NUMBERS)
def test_numbers_are_parsed_alike(name: str, text: bytes, flags: int) -> None:
    prologue = put(text.ljust(80, b"\0"), TEXT) + put(b"\xff" * 8, RESULT) + fp(1, TEXT) + mov(2, len(text))
    prologue += mov(3, flags) + fp(4, RESULT) + call(name)
    same(lambda value, src: prologue + EXIT)
    same(lambda value, src: prologue + load(0, 10, RESULT) + EXIT)
    same(lambda value, src: prologue + load(0, 10, RESULT) + shift(0, 32) + EXIT)


@pytest.mark.parametrize(
    "name", ["probe_read_kernel", "probe_read", "probe_read_user", "probe_read_kernel_str", "probe_read_str"]
)
@pytest.mark.parametrize(
    "addr",
    [
        0,
        1,
        0x1000,
        0x7FFF_FFFF_EFFF,
        0x7FFF_FFFF_F000,
        0xDEAD_0000_0000_0100,
        0xFFFF_8000_0000_0000,
        0xFFFF_FFFF_FF60_0000,
    ],
)
def test_bad_addresses_fail_alike(name: str, addr: int) -> None:
    body = put(b"\xff" * 8, -8) + fp(1, -8) + mov(2, 8) + imm64(3, addr) + call(name)
    assert same(lambda value, src: body + EXIT) < 0
    assert same(lambda value, src: body + load(0, 10, -8) + EXIT) == 0


@pytest.mark.parametrize(("text", "size"), [(b"abc\0defg", 8), (b"abcdefgh", 8), (b"abcdefgh", 3), (b"\0bcdefgh", 4)])
def test_strings_are_copied_alike(text: bytes, size: int) -> None:
    body = put(text, -8) + put(b"\xee" * 8, -16) + fp(1, -16) + mov(2, size) + fp(3, -8) + call("probe_read_kernel_str")
    same(lambda value, src: body + EXIT)
    same(lambda value, src: body + load(0, 10, -16) + EXIT)
    same(lambda value, src: body + load(0, 10, -16) + shift(0, 32) + EXIT)


HASH = MapSpec("m", "hash", 4, 8, 2)
KEY, VALUE = -4, -16


def update(value: int, src: int, flags: int) -> bytes:
    return imm64(1, value, src) + fp(2, KEY) + fp(3, VALUE) + mov(4, flags) + call("map_update_elem")


PREALLOCATED = [(kind, 0) for kind in ("hash", "lru_hash", "percpu_hash", "array", "percpu_array")]
ON_DEMAND = [(kind, 1) for kind in ("hash", "percpu_hash")]  # BPF_F_NO_PREALLOC: plain hash tables only


@pytest.mark.parametrize(("kind", "no_prealloc"), PREALLOCATED + ON_DEMAND)
def test_a_pointer_to_a_replaced_value_shows_the_same(kind: str, no_prealloc: int) -> None:
    spec = MapSpec("m", kind, 4, 8, 64, no_prealloc)

    def build(value: int, src: int) -> bytes:
        first = put(b"\1\0\0\0", KEY) + put(b"\5\0\0\0" * 2, VALUE) + update(value, src, 0)
        found = imm64(1, value, src) + fp(2, KEY) + call("map_lookup_elem")
        null = encode([Insn(0x55, 0, 0, 2, 0), Insn(0xB7, 0, 0, 0, -1), Insn(0x95, 0, 0, 0, 0), Insn(0xBF, 6, 0, 0, 0)])
        return first + found + null + put(b"\6\0\0\0" * 2, VALUE) + update(value, src, 0) + load(0, 6, 0) + EXIT

    same(build, (spec,))


@pytest.mark.parametrize("flags", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["hash", "lru_hash", "percpu_hash", "array", "percpu_array"])
def test_updates_from_programs_fail_alike(kind: str, flags: int) -> None:
    def build(value: int, src: int) -> bytes:
        return put(b"\1\0\0\0", KEY) + put(bytes(8), VALUE) + update(value, src, flags) + EXIT

    same(build, (MapSpec("m", kind, 4, 8, 64),))


@pytest.mark.parametrize("kind", ["hash", "lru_hash", "percpu_hash", "array", "percpu_array"])
def test_deleting_what_is_not_there_fails_alike(kind: str) -> None:
    def build(value: int, src: int) -> bytes:
        return put(b"\1\0\0\0", KEY) + imm64(1, value, src) + fp(2, KEY) + call("map_delete_elem") + EXIT

    same(build, (MapSpec("m", kind, 4, 8, 64),))


@pytest.mark.parametrize("kind", ["queue", "stack"])
def test_an_empty_queue_zeroes_the_buffer_alike(kind: str) -> None:
    def pop(value: int, src: int) -> bytes:
        return put(b"\xff" * 8, VALUE) + imm64(1, value, src) + fp(2, VALUE) + call("map_pop_elem")

    spec = (MapSpec("m", kind, 0, 8, 2),)
    same(lambda value, src: pop(value, src) + EXIT, spec)
    same(lambda value, src: pop(value, src) + load(0, 10, VALUE) + EXIT, spec)


@pytest.mark.parametrize("size", [0, 1, 8, 100, 2040, 4080, 4088, 4089])
@pytest.mark.parametrize("flags", [0, 1, 3, 4])
def test_ring_buffer_output_and_query_agree(size: int, flags: int) -> None:
    ring = (MapSpec("m", "ringbuf", 0, 0, 4096),)
    array = min(size, 480)

    def build(value: int, src: int, query: int) -> bytes:
        body = b"".join(put(bytes(8), -8 * at) for at in range(1, 61))
        body += imm64(1, value, src) + fp(2, -480) + mov(3, array) + mov(4, flags) + call("ringbuf_output")
        if query >= 0:
            body += imm64(1, value, src) + mov(2, query) + call("ringbuf_query")
        return body + EXIT

    for query in range(-1, 5):
        same(lambda value, src, query=query: build(value, src, query), ring)


@pytest.mark.parametrize("size", [8, 2040, 4072, 4080, 4081, 4088, 4089])
def test_ring_buffer_reservations_succeed_and_fail_alike(size: int) -> None:
    def build(value: int, src: int) -> bytes:
        reserve = imm64(1, value, src) + mov(2, size) + mov(3, 0) + call("ringbuf_reserve")
        end = encode([Insn(0x55, 0, 0, 2, 0), Insn(0xB7, 0, 0, 0, 7), Insn(0x95, 0, 0, 0, 0), Insn(0xBF, 1, 0, 0, 0)])
        submit = mov(2, 0) + call("ringbuf_submit")
        return reserve + end + submit + imm64(1, value, src) + mov(2, 3) + call("ringbuf_query") + EXIT

    same(build, (MapSpec("m", "ringbuf", 0, 0, 4096),))


@pytest.mark.parametrize("name", [b"no_such_symbol\0\0", b"no_such_symbol_", b"\0" * 8, b"x\0\0\0"])
@pytest.mark.parametrize("flags", [0, 1])
def test_symbols_that_are_not_there(name: bytes, flags: int) -> None:
    for size in (1, 2, len(name)):
        body = put(name.ljust(16, b"\0"), TEXT) + put(b"\xff" * 8, RESULT) + fp(1, TEXT) + mov(2, size) + mov(3, flags)
        body += fp(4, RESULT) + call("kallsyms_lookup_name")
        same(without_maps(body + EXIT))
        same(without_maps(body + load(0, 10, RESULT) + EXIT))


@pytest.mark.parametrize("name", ["send_signal", "send_signal_thread"])
@pytest.mark.parametrize("sig", [0, 65, -1, 1 << 30])
def test_numbers_that_are_no_signals(name: str, sig: int) -> None:
    """0 only asks whether a signal could be sent; no other valid number is tried on this process."""
    runtime = Runtime(Memory(), Btf.parse(EMULATED.read_bytes()))
    assert runtime.btf is not None
    task = runtime.memory.alloc(runtime.btf.size_of(runtime.btf.find("task_struct", t.Struct)))
    found = runtime.task_at(task)
    assert found is not None
    found.pid = found.tgid = 77
    runtime.current = lambda: task
    program = mov(1, sig) + call(name) + EXIT
    ours = Interpreter(runtime.memory, runtime).run(Image.of_insns(decode(program)), 0) & 0xFFFF_FFFF
    theirs = ko.test_run(program, "syscall", flags=SLEEPABLE)
    assert (ours, runtime.signals) == (theirs.retval & 0xFFFF_FFFF, [])
