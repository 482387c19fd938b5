# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Objects as they were before BTF-defined maps, and for every version of the BPF instruction set."""

from __future__ import annotations

import pytest

from bpfvm.btf import Btf
from bpfvm.elf import read_elf
from bpfvm.obj.link import link_program
from bpfvm.obj.open import open_object
from bpfvm.session import Session
from tests.unit.obj.bpf_cc import compile_c
from tests.unit.obj.sources import KERNEL, POLICY

LEGACY = """
struct bpf_map_def { u32 type, key_size, value_size, max_entries, map_flags; };
struct bpf_map_def SEC("maps") counts = { 1, 4, 8, 16, 1 };
struct bpf_map_def SEC("maps") slots = { .type = 2, .key_size = 4, .value_size = 8, .max_entries = 3 };
static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
SEC("socket") int prog(void *ctx)
{
    u32 key = 2; u64 *slot = bpf_map_lookup_elem(&slots, &key);
    return (slot ? 40 : 0) + (bpf_map_lookup_elem(&counts, &key) ? 1 : 2);
}
char LICENSE[] SEC("license") = "GPL";
"""
BRANCHES = """
SEC("socket") int prog(void *ctx)
{
    volatile u32 narrow = 7; volatile s64 wide = -3; volatile u8 byte = 200;
    s32 sum = 0;
    for (int i = 0; i < 5; i++) sum += wide < narrow ? (s8)byte : i;
    return sum + (s32)(wide >> 1) + narrow / 2;
}
char LICENSE[] SEC("license") = "GPL";
"""


@pytest.mark.parametrize("flags", [(), ("-O2", "-mcpu=v2", "-g0")], ids=["with BTF", "without"])
def test_legacy_maps(flags: tuple[str, ...]) -> None:
    spec = open_object(compile_c(LEGACY, *flags))
    maps = {k: (m.map_type, m.key_size, m.value_size, m.max_entries, m.map_flags) for k, m in spec.maps.items()}
    assert maps == {"counts": ("hash", 4, 8, 16, 1), "slots": ("array", 4, 8, 3, 0)}
    with Session() as session:
        assert session.run(session.load(spec), "prog") == 42


@pytest.mark.parametrize("cpu", ["v1", "v2", "v3", "v4"])
def test_every_instruction_set(cpu: str) -> None:
    spec = open_object(compile_c(BRANCHES, "-O2", f"-mcpu={cpu}"))
    with Session() as session:
        assert session.run(session.load(spec), "prog") & 0xFFFFFFFF == (5 * -56 - 2 + 3) & 0xFFFFFFFF


@pytest.mark.parametrize("cpu", ["v1", "v2", "v3", "v4"])
def test_everything_of_an_object_links(cpu: str) -> None:
    section = read_elf(compile_c(KERNEL).read_bytes(), "kernel").section(".BTF")
    assert section is not None
    kernel = Btf.parse(bytes(section.data))
    spec = open_object(compile_c(POLICY, "-O2", f"-mcpu={cpu}"))
    for name in ("get_order", "other", "tc_one", "tc_two", "traced"):
        assert link_program(spec, name, kernel).insns
