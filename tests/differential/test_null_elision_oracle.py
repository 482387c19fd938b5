# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Elements that are there for certain: a constant key into an array, found directly or as the inner map of another."""

from __future__ import annotations

import pytest

from bpfvm.isa.map_types import BPF_F_INNER_MAP
from bpfvm.obj.model import MapSpec, Program
from tests.differential.object_oracle import both_linked
from tests.differential.verifier_oracle import assemble, normal, unusable

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
KEY = "r2 = r10 / r2 += -8 / call bpf_map_lookup_elem"
INNER = f"*(u32 *)(r10 -8) = 0 / r1 = map[id:0] / {KEY} / if r0 == 0 goto o / r1 = r0"
READ = "r0 = *(u64 *)(r0 +0) / o: / r0 = 0 / exit"


@pytest.mark.parametrize("key", [0, 1, 2])
@pytest.mark.parametrize("inner", [False, True], ids=["direct", "inner"])
@pytest.mark.parametrize("flags", [0, BPF_F_INNER_MAP], ids=["one size", "any size"])
def test_a_constant_key(key: int, inner: bool, flags: int) -> None:
    array = MapSpec("oracle", "array", 4, 8, 2, flags)
    outer = MapSpec("oracle", "array_of_maps", 4, 4, 2, inner=array)
    find = f"{INNER if inner else 'r1 = map[id:0]'} / r3 = {key} / *(u32 *)(r10 -8) = r3 / {KEY} / {READ}"
    program = Program("oracle", "syscall", assemble(find), maps=(outer if inner else array,), sleepable=True)
    got = both_linked(program, 0)
    assert got.same_verdict(), (got.rejection, got.errno, got.log[-400:])
    assert normal(got.our_log) == normal(got.log)
    assert got.accepted == (key < 2 and not flags)
