# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Global variables in an arena."""

from __future__ import annotations

import pytest

from bpfvm.errors import BadInput
from bpfvm.obj.model import Reloc
from bpfvm.obj.open import open_object
from tests.unit.obj.bpf_cc import compile_c

ARENA = """
struct { __uint(type, 33); __uint(map_flags, 1024); __uint(max_entries, PAGES); } arena SEC(".maps");
"""
SOURCE = """
#define __arena __attribute__((address_space(1)))
int __arena first = 7;
int __arena second = 9;
char __arena many[5000] = {1};
DECLARED
SEC("syscall") int prog(void *ctx) {
    return second + many[0];
}
char _license[] SEC("license") = "GPL";
"""


def source(pages: int) -> str:
    return SOURCE.replace("DECLARED", ARENA.replace("PAGES", str(pages)) if pages else "")


def test_the_arena_begins_with_its_variables() -> None:
    spec = open_object(compile_c(source(2)))
    initial = spec.maps["arena"].initial
    assert initial is not None
    assert initial[:8] == (7).to_bytes(4, "little") + (9).to_bytes(4, "little")
    assert len(initial) == 5008
    relocs = spec.programs["prog"].relocs
    assert relocs[0] == Reloc(relocs[0].insn, "data", "second", "arena", 4)
    assert {reloc.section for reloc in relocs} == {"arena"}


def test_an_arena_too_small_is_refused() -> None:
    with pytest.raises(
        BadInput, match=r"declared ARENA map size \(4096\) is too small to hold global __arena variables"
    ):
        open_object(compile_c(source(1)))


def test_variables_without_an_arena_are_refused() -> None:
    with pytest.raises(BadInput, match="bad arena data relocation at insn 0, no arena maps defined"):
        open_object(compile_c(source(0)))
