# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Changing members and globals of an opened object."""

from __future__ import annotations

import pytest

from bpfvm.errors import UsageError
from bpfvm.obj.edit import get_global, set_global, with_member
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.open import open_object
from tests.unit.obj.bpf_cc import compile_c
from tests.unit.obj.sources import POLICY


@pytest.fixture(scope="module")
def spec() -> ObjectSpec:
    return open_object(compile_c(POLICY), name="pol")


def test_a_number_member(spec: ObjectSpec) -> None:
    changed = with_member(spec, "linked", "pid", -7)
    assert changed.struct_ops["linked"].initial == (-7).to_bytes(4, "little", signed=True) + bytes(12)
    assert spec.struct_ops["linked"].initial == (42).to_bytes(16, "little")
    assert changed.struct_ops["plain"] is spec.struct_ops["plain"]


def test_function_slots(spec: ObjectSpec) -> None:
    assert with_member(spec, "linked", "thp_get_order", "other").struct_ops["linked"].funcs == {
        "thp_get_order": "other"
    }
    assert with_member(spec, "linked", "thp_get_order", None).struct_ops["linked"].funcs == {}


@pytest.mark.parametrize(
    ("name", "member", "value", "text"),
    [
        ("nope", "pid", 1, "no struct_ops map 'nope' .*it has: linked, plain"),
        ("linked", "nope", 1, "no member 'nope' .*it has: pid, thp_get_order"),
        ("linked", "pid", 1 << 31, "doesn't fit linked.pid"),
        ("linked", "pid", "text", "takes a number or bytes"),
        ("linked", "pid", b"12345", "has 4 bytes, not 5"),
        ("linked", "thp_get_order", "tc_one", "takes a struct_ops program, not 'tc_one'"),
        ("linked", "thp_get_order", 3, "takes a struct_ops program"),
    ],
)
def test_what_does_not_fit_a_member(
    spec: ObjectSpec, name: str, member: str, value: int | str | bytes, text: str
) -> None:
    with pytest.raises(UsageError, match=text):
        with_member(spec, name, member, value)


def test_globals_by_name_and_path(spec: ObjectSpec) -> None:
    assert get_global(spec, "limit") == 7
    assert get_global(spec, "config.limits[2]") == 3
    assert (get_global(spec, "config.low"), get_global(spec, "config.high")) == (4, 5)
    changed = set_global(set_global(spec, "config.high", 15), "config.limits[2]", 1 << 31)
    assert get_global(changed, "config.limits[2]") == 1 << 31
    assert (get_global(changed, "config.low"), get_global(changed, "config.high")) == (4, 15)
    assert get_global(set_global(spec, "limit", -1), "limit") == -1
    assert get_global(set_global(spec, "hits", 3), "hits") == 3
    assert get_global(set_global(spec, "config.limits", b"\1"), "config.limits") == b"\1" + bytes(11)
    assert get_global(spec, "limit") == 7


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("nope", 1, "no global variable 'nope' .*it has: .*limit"),
        ("config.nope", 1, "no member 'nope'"),
        ("config.limits[3]", 1, "outside of an array of 3"),
        ("config.high", 16, r"holds 0 … 15"),
        ("config", 1, "give its 16 bytes"),
        ("limit", b"12345", "has 4 bytes"),
    ],
)
def test_what_does_not_fit_a_global(spec: ObjectSpec, path: str, value: int | bytes, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        set_global(spec, path, value)
