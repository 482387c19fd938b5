# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Files that are no BPF objects, or broken ones: one clear line on standard error, exit code 3, never a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bpfvm.elf import read_elf
from bpfvm.paths import built_objects
from tests.cli.conftest import Bpfvm

GOOD = (built_objects() / "whitelist.bpf.o").read_bytes()
COMMANDS = (
    *("prog list", "prog dump", "prog dump --linked", "prog verify", "core explain"),
    *("struct_ops list", "struct_ops register", "struct_ops dump", "thp run"),
)


def _patched(offset: int, data: bytes) -> bytes:
    return GOOD[:offset] + data + GOOD[offset + len(data) :]


def _section(name: str) -> int:
    section = read_elf(GOOD, "whitelist.bpf.o").section(name)
    assert section is not None
    return section.offset


def _without_btf() -> bytes:
    """The names .BTF and .rel.BTF share their bytes in the string table."""
    assert b".rel.BTF\0" in GOOD
    return GOOD.replace(b".rel.BTF\0", b".rel.XTF\0", 1)


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", ""),
    "text": (lambda: b"#!/bin/sh\necho hello\n", ""),
    "zeros": (lambda: bytes(4096), ""),
    "an x86 program": (lambda: Path(sys.executable).read_bytes(), "BPF"),
    "big-endian": (lambda: b"\x7fELF\2\2\1" + GOOD[7:16] + b"\0\1\0\xf7\0\0\0\1" + GOOD[24:], ""),
    "32-bit": (lambda: _patched(4, b"\1"), ""),
    "another machine": (lambda: _patched(18, b"\x3e\0"), "BPF"),
    "BTF magic": (lambda: _patched(_section(".BTF"), b"\0\0"), ".BTF"),
    "BTF version": (lambda: _patched(_section(".BTF") + 2, b"\x63"), ".BTF"),
    "big-endian BTF": (lambda: _patched(_section(".BTF"), b"\xeb\x9f"), ".BTF"),
    "BTF type section too long": (lambda: _patched(_section(".BTF") + 12, b"\xff\xff\xff\x7f"), ".BTF"),
    "BTF.ext magic": (lambda: _patched(_section(".BTF.ext"), b"\0\0"), ".BTF.ext"),
    "no .BTF": (_without_btf, "compile with -g"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("what", BAD)
def test_bad_file(bpfvm: Bpfvm, tmp_path: Path, what: str, command: str) -> None:
    make, words = BAD[what]
    path = tmp_path / "bad.bpf.o"
    path.write_bytes(make())
    done = bpfvm(*command.split(), path)
    assert words in done.error_line()
    assert str(path) in done.error_line()
    assert done.code == 3


@pytest.mark.parametrize("what", ["empty", "text", "zeros", "an x86 program", "big-endian", "BTF magic", "no .BTF"])
def test_bad_file_for_btf_dump(bpfvm: Bpfvm, tmp_path: Path, what: str) -> None:
    path = tmp_path / "bad.bpf.o"
    path.write_bytes(BAD[what][0]())
    done = bpfvm("btf", "dump", path)
    assert str(path) in done.error_line()
    assert done.code == 3


@pytest.mark.parametrize("command", ["prog list", "btf dump"])
def test_every_truncation(bpfvm: Bpfvm, tmp_path: Path, command: str) -> None:
    path = tmp_path / "short.bpf.o"
    lengths = {*range(64), *range(64, len(GOOD), 197), *range(len(GOOD) - 64, len(GOOD))}
    for length in sorted(lengths):
        path.write_bytes(GOOD[:length])
        done = bpfvm(*command.split(), path)
        assert str(path) in done.error_line(), length
        assert done.code == 3, length


@pytest.mark.parametrize("command", [*COMMANDS, "btf dump"])
def test_a_folder(bpfvm: Bpfvm, tmp_path: Path, command: str) -> None:
    done = bpfvm(*command.split(), tmp_path)
    assert str(tmp_path) in done.error_line()
    assert done.code == 3


def test_bytes_that_are_flipped_one_by_one_never_end_in_a_traceback(bpfvm: Bpfvm, tmp_path: Path) -> None:
    path = tmp_path / "flipped.bpf.o"
    for offset in range(0, len(GOOD), 211):
        path.write_bytes(_patched(offset, bytes([GOOD[offset] ^ 0xFF])))
        done = bpfvm("prog", "list", path)
        assert done.code in (0, 3), offset
        assert "Traceback" not in done.err, offset
