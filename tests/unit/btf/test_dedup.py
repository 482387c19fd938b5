# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Types that say the same become one, those that don't stay."""

from __future__ import annotations

import time
from pathlib import Path

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.btf.dedup import dedup
from bpfvm.btf.refs import references

INT = t.Int("int", 4, 32, 1)
ROOT = Path(__file__).parents[3]


def node(name: str, own: int, value: int) -> t.Struct:
    """A struct that points to itself through type ``own``."""
    return t.Struct(name, 16, (t.Member("next", own, 0), t.Member("value", value, 64)))


def test_loops_of_the_same_shape() -> None:
    types = [INT, t.Ptr(3), node("n", 2, 1), INT, t.Ptr(6), node("n", 5, 4), t.Ptr(8), node("other", 7, 1)]
    kept, ids = dedup(types)
    assert kept == [INT, t.Ptr(3), node("n", 2, 1), t.Ptr(5), node("other", 4, 1)]
    assert ids == [0, 1, 2, 3, 1, 2, 3, 4, 5]


def test_a_declaration_becomes_the_only_body() -> None:
    body = t.Struct("s", 4, (t.Member("a", 1, 0),))
    types = [INT, t.Fwd("s"), t.Ptr(2), body, t.Ptr(4), t.Fwd("none"), t.Fwd("s", True)]
    kept, ids = dedup(types)
    assert kept == [INT, t.Ptr(3), body, t.Fwd("none"), t.Fwd("s", True)]
    assert ids == [0, 1, 3, 2, 3, 2, 4, 5]


def test_two_bodies_leave_the_declaration() -> None:
    types = [INT, t.Fwd("s"), t.Struct("s", 4, (t.Member("a", 1, 0),)), t.Struct("s", 4, (t.Member("b", 1, 0),))]
    assert dedup(types)[0] == types


def test_variables_and_functions_stay_two() -> None:
    types = [
        INT,
        t.Var("v", 1, 0),
        t.Var("v", 1, 0),
        t.FuncProto(1, ()),
        t.FuncProto(1, ()),
        t.Func("f", 4),
        t.Func("f", 5),
    ]
    kept, ids = dedup(types)
    assert kept == [INT, t.Var("v", 1, 0), t.Var("v", 1, 0), types[3], t.Func("f", 4), t.Func("f", 4)]
    assert ids == [0, 1, 2, 3, 4, 4, 5, 6]


def test_what_has_no_duplicates_stays() -> None:
    btf = Btf.parse((ROOT / "thpmm/kernel/emulated.btf").read_bytes())
    once = dedup([btf.type(i) for i in btf.ids()])[0]
    assert dedup(once) == (once, list(range(len(once) + 1)))


def test_long_chains_take_no_long_time() -> None:
    count = 20_000
    chain = [INT, *(t.Ptr(i) for i in range(1, count))]
    again = [INT, *(t.Ptr(count + i) for i in range(1, count))]
    start = time.monotonic()
    assert dedup([*chain, *again])[0] == chain
    assert time.monotonic() - start < 20


def test_a_ring_is_one() -> None:
    ring = [t.Ptr(2), t.Ptr(3), t.Ptr(1)]
    assert dedup(ring)[0] == [t.Ptr(1)]


def test_every_reference_is_renumbered() -> None:
    kept, ids = dedup(
        [INT, INT, t.Array(2, 1, 3), t.FuncProto(2, (t.Param("x", 3),)), t.DeclTag("tag", 2), t.TypeTag("rcu", 2)]
    )
    assert [references(each) for each in kept] == [(), (1, 1), (1, 2), (1,), (1,)]
    assert ids == [0, 1, 1, 2, 3, 4, 5]
