# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`bpfvm prog dump jited`: the native code of a program, with BPF instructions and source lines in between."""

from __future__ import annotations

import importlib
import re
import sys
from typing import Any

import pytest

from bpfvm.engine.jit import available
from tests.cli.conftest import Bpfvm

pytest.importorskip("capstone")
pytestmark = pytest.mark.skipif(not available(), reason="the compiler needs llvmlite (extra jit)")
ARCHES = ("x86_64", "aarch64")
TIERS = ("quick", "best")
RETURNS = {"x86_64": "ret", "aarch64": "ret"}


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("tier", TIERS)
def test_whole_functions(bpfvm: Bpfvm, arch: str, tier: str) -> None:
    command = f"prog dump jited whitelist.bpf.o ask_whitelist --arch {arch} --tier {tier} --opcodes -j"
    (function,) = bpfvm(*command.split()).json
    assert function["name"] == "ask_whitelist" and function["proto"] == "int ask_whitelist(u64 *ctx)"
    insns: list[dict[str, Any]] = function["insns"]
    at = 0
    for insn in insns:
        assert int(insn["pc"], 16) == at
        at += len(bytes.fromhex(insn["bytes"]))
        assert insn["operation"] != ".byte"
    assert any(insn["operation"] == RETURNS[arch] for insn in insns)
    ours = {
        line["insn"]: line
        for line in bpfvm(*["prog", "dump", "whitelist.bpf.o", "ask_whitelist", "--linked", "-j"]).json["insns"]
    }
    shown = [insn for insn in insns if "insn" in insn]
    assert len({insn["insn"] for insn in shown}) > 8
    assert all(insn["bpf"] == ours[insn["insn"]]["disasm"] for insn in shown)
    sources = [insn["source"]["text"] for insn in shown if "source" in insn]
    assert "return owner->cgroups->dfl_cgrp->kn->id;" in sources


def test_text(bpfvm: Bpfvm) -> None:
    done = bpfvm(*["prog", "dump", "jited", "two_orders.bpf.o", "get_order_b", "--arch", "aarch64", "--tier", "quick"])
    lines = done.out.splitlines()
    assert (done.code, lines[0]) == (0, "int get_order_b(u64 *ctx):")
    native = re.compile(r"\s*[0-9a-f]+:\s+[a-z.]+(\s+\S.*)?")
    bpf = re.compile(r";\s+\d+: \([0-9a-f]{2}\) \S.*")
    assert all(native.fullmatch(line) or bpf.fullmatch(line) or line.startswith("; ") for line in lines[1:])
    order = [line for line in lines if bpf.fullmatch(line)]
    assert ";    3: (db) r1 = atomic64_fetch_add((u64 *)(r2 +0), r1)" in order


def test_checks_make_code_longer(bpfvm: Bpfvm) -> None:
    command = ("prog", "dump", "jited", "whitelist.bpf.o", "ask_whitelist", "--tier", "quick", "-j", "--checker")
    (plain,), (checked,) = (bpfvm(*command, level).json for level in ("off", "kasan"))
    assert len(checked["insns"]) > len(plain["insns"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("two_orders.bpf.o nope", "no program `nope` in"),
        ("two_orders.bpf.o get_order_a --arch sparc", "'sparc' is not one of"),
    ],
)
def test_usage(bpfvm: Bpfvm, arguments: str, message: str) -> None:
    done = bpfvm("prog", "dump", "jited", *arguments.split())
    assert done.code == 2 and message in done.err


def test_without_capstone(bpfvm: Bpfvm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "capstone", None)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("capstone")
    done = bpfvm("prog", "dump", "jited", "two_orders.bpf.o", "get_order_a")
    assert done.error_line() == "disassembling needs capstone: pip install 'bpfvm[disasm]'" and done.code == 2


def test_refused_program(bpfvm: Bpfvm) -> None:
    done = bpfvm("prog", "dump", "jited", "n05_write_vma.bpf.o", "n05")
    assert done.code == 1 and "only read is supported" in done.err
