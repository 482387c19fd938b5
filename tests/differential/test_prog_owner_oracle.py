# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which programs may share a program array: pairs are loaded into the running kernel with one private array."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace

import pytest

from bpfvm.isa.asm import asm
from bpfvm.isa.insn import encode
from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec, Program
from bpfvm.runtime import Runtime
from bpfvm.runtime.maps import ProgArrayMap
from bpfvm.runtime.maps.prog_owner import ProgOwner
from tests import kernel_oracle as ko
from tests.differential.verifier_oracle import TcpOps, kernel_btf, kernel_specs, unusable

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=f"the kernel can't be the oracle: {WHY_NOT}")
ARRAY = MapSpec("jumps", "prog_array", 4, 4, 2)
REFERS = Program("p", "xdp", asm("r1 = map[id:0]\nr0 = 0\nexit"), maps=(ARRAY,))
KINDS = {
    "xdp": REFERS,
    "xdp with fragments": replace(REFERS, xdp_has_frags=True),
    "xdp of a devmap": replace(REFERS, expected_attach_type=35),
    "socket filter": replace(REFERS, prog_type="socket_filter"),
    "socket filter with an attach type": replace(REFERS, prog_type="socket_filter", expected_attach_type=1),
    "tc": replace(REFERS, prog_type="sched_cls"),
    "kprobe": replace(REFERS, prog_type="kprobe"),
    "member 6": replace(REFERS, prog_type="struct_ops", expected_attach_type=6),
    "member 3": replace(REFERS, prog_type="struct_ops", expected_attach_type=3),
}


def _attached(program: Program) -> Program:
    return replace(program, attach_btf_id=TcpOps().type_id) if program.prog_type == "struct_ops" else program


def _kernel(first: Program, second: Program) -> list[int]:
    """errno of loading each, with one array."""
    array = ko.map_create(*kernel_specs([ARRAY]))
    try:
        return [
            ko.verify(
                encode(each.insns),
                each.prog_type,
                maps=[array],
                flags=ko.F_XDP_HAS_FRAGS * each.xdp_has_frags,
                expected_attach_type=each.expected_attach_type,
                attach_btf_id=each.attach_btf_id,
            ).errno
            for each in (first, second)
        ]
    finally:
        os.close(array)


def _ours(first: Program, second: Program) -> list[int]:
    array = Runtime(Memory(), None).create_map(ARRAY)
    assert isinstance(array, ProgArrayMap)
    return [22 if array.claim(ProgOwner.of(each, (array,), kernel_btf())) else 0 for each in (first, second)]


@pytest.mark.parametrize(("first", "second"), [*itertools.product(KINDS, KINDS)])
def test_pairs(first: str, second: str) -> None:
    pair = _attached(KINDS[first]), _attached(KINDS[second])
    theirs = _kernel(*pair)
    assert theirs == _ours(*pair)
    assert theirs == [0, 0 if first == second else 22]
