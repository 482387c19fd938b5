# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""An object whose programs share a program array."""

from __future__ import annotations

from errno import EINVAL

import pytest

import bpfvm
from tests.unit.obj.bpf_cc import compile_c

SOURCE = """
struct { __uint(type, 3); __type(key, u32); __type(value, u32); __uint(max_entries, 2); } jumps SEC(".maps");
static long (*bpf_tail_call)(void *ctx, void *map, u32 index) = (void *) 12;
SEC("xdp") int first(void *ctx) { bpf_tail_call(ctx, &jumps, 0); return 1; }
SEC("%s") int second(void *ctx) { bpf_tail_call(ctx, &jumps, 1); return 1; }
char _license[] SEC("license") = "GPL";
"""


def test_programs_of_one_kind_share_it() -> None:
    with bpfvm.Session() as session:
        assert set(session.load(compile_c(SOURCE % "xdp")).programs) == {"first", "second"}


@pytest.mark.parametrize("section", ["tc", "xdp.frags"])
def test_a_program_of_another_kind_is_refused_after_the_verifier_took_it(section: str) -> None:
    spec = bpfvm.open(compile_c(SOURCE % section))
    with bpfvm.Session() as session:
        for name in spec.programs:
            assert session.verify(spec, name).log.splitlines()[-1].startswith("processed ")
        with pytest.raises(
            bpfvm.Rejected, match="program array `jumps` belongs to xdp, attach type 37, as `first` is"
        ) as refused:
            session.load(spec)
    assert (refused.value.errno, refused.value.prog) == (EINVAL, "second")
