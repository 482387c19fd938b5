# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""``bpfvm prog dump`` of what no compiler writes by itself, and against another kernel."""

from __future__ import annotations

from pathlib import Path

from bpfvm.btf.builder import Builder
from tests.cli.conftest import Bpfvm
from tests.unit.obj.bpf_cc import compile_c

DESCRIPTOR = """
SEC("tc") int own_map(void *ctx) { asm volatile(".byte 0x18, 0x11, 0, 0, 7, 0, 0, 0; .8byte 0"); return 0; }
char _license[] SEC("license") = "GPL";
"""
FIELD = """
struct thing { int first; int wanted; } PAI;
SEC("tc") int field(struct thing *ctx) { return ctx->wanted; }
char _license[] SEC("license") = "GPL";
"""


def test_a_map_that_the_object_does_not_have_is_a_number(bpfvm: Bpfvm) -> None:
    for option in ("--linked", "--opcodes"):
        done = bpfvm("prog", "dump", compile_c(DESCRIPTOR), option)
        assert done.code == 0, done.err
        assert "r1 = map[id:7]" in done.out


def test_relocated_against_a_kernel_of_ones_choice(bpfvm: Bpfvm, tmp_path: Path) -> None:
    types = Builder()
    number = types.integer("int", 4, signed=True)
    types.struct("thing", [("before", types.array(number, number, 4)), ("wanted", number)])
    kernel = tmp_path / "vmlinux"
    kernel.write_bytes(types.to_bytes())
    done = bpfvm("prog", "dump", compile_c(FIELD), "--btf", kernel)
    assert "(r1 +16)" in done.out, done.out + done.err
