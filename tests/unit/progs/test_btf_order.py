# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The one order of an object's BTF: whatever order the compiler chose, the same bytes with the same meaning."""

from __future__ import annotations

import struct

import pytest

from bpf_progs.btf_order import in_order
from bpf_progs.btf_raw import FWD, Strings, read, section, type_bytes
from bpf_progs.compiler import find_compiler
from bpf_progs.elf_strip import read_section
from bpfvm.btf import Btf
from bpfvm.btf.dump_c import dump_c

SOURCE = """
struct zebra; struct ant; struct mole; union bee;
struct holder { struct zebra *z; struct ant *a; struct mole *m; union bee *b; } __attribute__((preserve_access_index));
static __attribute__((noinline)) int local(struct holder *h) { return h->m != 0; }
__attribute__((section("tc"))) int prog(struct holder *h) { return local(h) + (h->z != 0); }
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    pytest.importorskip("ziglang", reason="needs the ziglang package (pip install 'bpfvm[cc]')")
    folder = tmp_path_factory.mktemp("order")
    (folder / "t.bpf.c").write_text(SOURCE)
    elf = find_compiler().compile("t.bpf.c", folder)
    return read_section(elf, ".BTF"), read_section(elf, ".BTF.ext")


def _other_order(btf: bytes) -> bytes:
    """As if the compiler had found the forward declarations the other way round, and their names first."""
    types, strings = read(btf)
    forward = [i for i, each in enumerate(types) if each.kind == FWD]
    there = dict(zip(forward, reversed(forward), strict=True))
    table = Strings()
    for i in reversed(forward):
        table.intern(types[i].name)
    return section(type_bytes(types, strings, [there.get(i, i) for i in range(1, len(types))], table), table)


def test_two_orders_become_one(compiled: tuple[bytes, bytes]) -> None:
    btf, _ = compiled
    other = _other_order(btf)
    assert other != btf
    assert in_order(other, b"") == in_order(btf, b"")


def test_types_stay_what_they_are(compiled: tuple[bytes, bytes]) -> None:
    before, after = (Btf.parse(data) for data in (compiled[0], in_order(*compiled)[0]))
    assert sorted(dump_c(before).splitlines()) == sorted(dump_c(after).splitlines())
    assert len(list(before.ids())) == len(list(after.ids()))


def test_records_name_what_they_named(compiled: tuple[bytes, bytes]) -> None:
    settled = in_order(*compiled)
    assert _records(*settled) == _records(*compiled)
    assert {"tc", "0:2"} <= {text for part in _records(*settled) for row in part for text in row if text}


def test_the_same_again_changes_nothing(compiled: tuple[bytes, bytes]) -> None:
    once = in_order(*compiled)
    assert in_order(*once) == once


@pytest.mark.parametrize("junk", [bytes(24), b"\x9f\xeb\x02" + bytes(21)])
def test_what_is_not_btf_is_refused(junk: bytes) -> None:
    with pytest.raises(ValueError, match="not little-endian BTF"):
        in_order(junk, b"")


def _records(btf: bytes, ext: bytes) -> list[list[tuple[str | int, ...]]]:
    """func_info, line_info and core_relo with names for ids and offsets."""
    parsed = Btf.parse(btf)
    _, strings = read(btf)

    def text(at: int) -> str:
        return strings[at : strings.index(0, at)].decode()

    (header,) = struct.unpack_from("<I", ext, 4)
    parts = []
    for number, shape in enumerate(("it", "isss", "itsi")):
        at, length = struct.unpack_from("<II", ext, 8 + 8 * number)
        at += header
        end = at + length
        (size,) = struct.unpack_from("<I", ext, at)
        at, rows = at + 4, []
        while at < end:
            name, count = struct.unpack_from("<II", ext, at)
            rows.append((text(name), count))
            for record in range(at + 8, at + 8 + count * size, size):
                words = struct.unpack_from("<4I", ext + bytes(8), record)[: len(shape)]
                look = {"i": lambda word: word, "s": text, "t": parsed.name_of}
                if number == 1:  # line_col is a number
                    words, shape = words[:3], "iss"
                rows.append(tuple(look[kind](word) for kind, word in zip(shape, words, strict=True)))
            at += 8 + count * size
        parts.append(rows)
    return parts
