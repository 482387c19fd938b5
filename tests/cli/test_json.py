# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Every command prints exactly one JSON document with --json, and -j means the same."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from bpfvm.btf import Btf
from bpfvm.btf.dump_raw import dump_raw
from bpfvm.paths import built_objects
from bpfvm.report.btf_types import types_data
from bpfvm.report.source import read_btf
from tests.cli.conftest import Bpfvm

COMMANDS = [
    "prog list whitelist.bpf.o",
    "prog dump whitelist.bpf.o",
    "prog dump whitelist.bpf.o --linked",
    "prog verify whitelist.bpf.o",
    "prog run two_orders.bpf.o get_order_a",
    "btf dump whitelist.bpf.o",
    "btf dump --kernel",
    "struct_ops list",
    "struct_ops list whitelist.bpf.o",
    "struct_ops register whitelist.bpf.o --set whitelist.pid=1",
    "struct_ops dump whitelist.bpf.o",
    "thp run whitelist.bpf.o",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_one_document(bpfvm: Bpfvm, command: str) -> None:
    long, short = bpfvm(*command.split(), "--json"), bpfvm(*command.split(), "-j")
    assert long == short
    assert (long.code, long.err) == (0, "")
    assert long.json


@pytest.mark.parametrize("command", ["prog list nope.o", "prog dump whitelist.bpf.o nope", "btf dump --kernel nope"])
def test_errors_too(bpfvm: Bpfvm, command: str) -> None:
    done = bpfvm(*command.split(), "-j")
    assert done.err == ""
    assert done.json["exit_code"] == done.code > 0


BPFTOOL = shutil.which("bpftool")


@pytest.mark.skipif(BPFTOOL is None, reason="no bpftool here to compare with")
@pytest.mark.parametrize("path", sorted(built_objects().glob("*.bpf.o"))[::7], ids=lambda path: path.name)
def test_btf_is_what_bpftool_prints(path: Path) -> None:
    assert BPFTOOL is not None
    command = [BPFTOOL, "btf", "dump", "file", str(path), "format", "raw"]
    raw = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    btf: Btf = read_btf(str(path))
    assert dump_raw(btf) == raw
    theirs = json.loads(subprocess.run([BPFTOOL, "-j", *command[1:]], capture_output=True, check=True).stdout)
    assert types_data(btf) == theirs
