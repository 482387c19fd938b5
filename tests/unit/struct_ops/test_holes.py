# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Padding of structs."""

from __future__ import annotations

from bpfvm.btf import types as t
from bpfvm.struct_ops.holes import check_zero_holes, holes
from tests.struct_ops.btf_builder import BtfBuilder
from tests.struct_ops.kernel_types import Common


def test_holes_between_and_after_members_but_not_inside() -> None:
    b = BtfBuilder()
    c = Common(b)
    inner = b.struct("inner", [("a", c.char), ("b", c.u64)])
    b.struct("outer", [("a", c.char), ("b", c.int), ("in", inner), ("z", c.u16)])
    btf = b.build()
    outer = btf.struct("outer")
    assert list(holes(btf, outer)) == [(1, 4), (26, 32)]
    for at in range(outer.size):
        data = bytes(at) + b"\1" + bytes(outer.size - at - 1)
        assert check_zero_holes(btf, outer, data) is (1 <= at < 4 or at >= 26)


def test_an_empty_struct_is_all_padding() -> None:
    btf = BtfBuilder().build()
    assert list(holes(btf, t.Struct("none", 4, ()))) == [(0, 4)]
