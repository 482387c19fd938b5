# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The raw dump, against fixed lines and, where it is installed, against bpftool."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bpfvm.btf import Btf
from bpfvm.btf.dump_raw import dump_raw
from bpfvm.btf.write import serialise
from tests.unit.btf.test_write import EVERY_KIND
from tests.unit.obj.bpf_cc import compile_c
from tests.unit.obj.sources import POLICY

ROOT = Path(__file__).parents[3]


def test_every_kind() -> None:
    text = dump_raw(Btf.parse(serialise(EVERY_KIND)))
    for line in (
        "[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED",
        "[3] ARRAY '(anon)' type_id=1 index_type_id=1 nr_elems=3",
        "[4] STRUCT 's' size=8 vlen=2\n\t'a' type_id=1 bits_offset=0 bitfield_size=3",
        "[6] ENUM 'e' encoding=SIGNED size=4 vlen=2\n\t'NEG' val=-1",
        "[7] FWD 'f' fwd_kind=union",
        "[13] FUNC 'fn' type_id=12 linkage=extern",
        "[14] VAR 'v' type_id=1, linkage=global",
        "[15] DATASEC '.data' size=4 vlen=1\n\ttype_id=14 offset=0 size=4 (VAR 'v')",
        "[17] DECL_TAG 'tag' type_id=4 component_idx=1",
        "[21] ENUM64 'big' encoding=SIGNED size=8 vlen=2\n\t'A' val=1099511627776LL",
    ):
        assert f"{line}\n" in text


def test_same_as_bpftool(tmp_path: Path) -> None:
    bpftool = shutil.which("bpftool") or shutil.which("bpftool", path="/usr/sbin:/sbin")
    if bpftool is None:
        pytest.skip("bpftool is not installed")
    compiled = tmp_path / "policy.o"
    compiled.write_bytes(compile_c(POLICY).read_bytes())
    for path in (ROOT / "thpmm/kernel/emulated.btf", compiled):
        command = [bpftool, "btf", "dump", "file", str(path), "format", "raw"]
        theirs = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        data = path.read_bytes()
        if data[:4] == b"\x7fELF":
            from bpfvm.elf import read_elf

            section = read_elf(data, str(path)).section(".BTF")
            assert section is not None
            data = bytes(section.data)
        assert dump_raw(Btf.parse(data)) == theirs
