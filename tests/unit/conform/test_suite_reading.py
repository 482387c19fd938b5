# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Objects whose expectations make no sense are bad input, not a crash."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpfvm.conform.messages import refusal
from bpfvm.conform.suite import UNPRIVILEGED, find_objects, read_suite, shipped_suite
from bpfvm.errors import BadInput


def changed(tmp_path: Path, old: bytes, new: bytes) -> str:
    """The shipped object about stacks with some bytes of its tags replaced."""
    data = (shipped_suite() / "stack.bpf.o").read_bytes()
    assert data.count(old) >= 1 and len(old) == len(new)
    path = tmp_path / "stack.bpf.o"
    path.write_bytes(data.replace(old, new))
    return str(path)


def test_cases_of_both_modes() -> None:
    cases = read_suite(find_objects([shipped_suite()]), "^stack:never_written")
    assert [(case.mode, case.expected) for case in cases] == [("privileged", "accept"), (UNPRIVILEGED, "reject")]
    assert cases[1].name == "stack:never_written unprivileged"


def test_a_result_that_is_no_number(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"stack.bpf.o: the tag `comment:test_retval=x` of written_then_read needs"):
        read_suite([changed(tmp_path, b"test_retval=7\0", b"test_retval=x\0")])


def test_a_message_that_is_no_expression(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"expected of half_a_pointer can't be looked for"):
        read_suite([changed(tmp_path, b"invalid size of register fill", b"invalid size of {{(*)}} fills")])


@pytest.mark.parametrize("text", ["{{(a+)+}}b", "{{(}}", "{{[z-a]}}", "{{(a|b){2}x}}"])
def test_what_can_not_be_looked_for(text: str) -> None:
    assert refusal(text)


@pytest.mark.parametrize("text", ["R1 (off=0)+", "{{R[0-9]+}} x", "{{(a|b)}}", "{{[[:digit:]]*}}"])
def test_what_can(text: str) -> None:
    assert refusal(text) == ""
