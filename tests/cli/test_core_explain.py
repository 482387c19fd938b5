# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""``bpfvm core explain`` against a kernel that lacks a field, resizes one, and has two that disagree."""

from __future__ import annotations

import json

from tests.cli.conftest import Bpfvm
from tests.unit.obj.bpf_cc import compile_c

LOCAL = """
struct host { int gone; int moved; } PAI; struct twin { int x; } PAI;
SEC("tc") int missing(struct host *h) { return h->gone; }
SEC("tc") int found(struct host *h) { return h->moved; }
SEC("tc") int torn(struct twin *t) { return t->x; }
"""
KERNEL = """
struct host { long pad; int moved; } v1; struct twin { int x; } v2; struct twin___other { int pad; int x; } v3;
"""


def test_verdicts(bpfvm: Bpfvm) -> None:
    local, kernel = compile_c(LOCAL), compile_c(KERNEL)
    done = bpfvm("core", "explain", local, "--btf", kernel, "--json")
    assert done.code == 1
    verdicts = {each["prog"]: each["relocations"][0] for each in json.loads(done.out)}
    assert [verdicts[name]["verdict"] for name in ("missing", "found", "torn")] == ["poisoned", "relocated", "failed"]
    assert (verdicts["found"]["old"], verdicts["found"]["new"]) == (4, 8)
    assert (verdicts["found"]["before"], verdicts["found"]["after"]) == ("r0 = *(u32 *)(r1 +4)", "r0 = *(u32 *)(r1 +8)")
    assert "no fitting host.gone" in verdicts["missing"]["reason"]
    assert verdicts["torn"]["reason"] == "field offset ambiguity: 32 != 0"
    assert [each["matches"] for each in verdicts["torn"]["candidates"]] == [True, True]


def test_what_can_be_loaded_is_0(bpfvm: Bpfvm) -> None:
    done = bpfvm("core", "explain", compile_c(LOCAL), "missing", "--btf", compile_c(KERNEL))
    assert done.code == 0
    assert "verdict      poisoned: the kernel's host has no fitting host.gone" in done.out
    assert "patched      call unknown#195896080" in done.out
