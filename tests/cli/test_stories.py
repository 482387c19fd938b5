# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How a told story ends: as expected, otherwise, with an oops; and what the table says about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpfvm.report.story import mask_text, order_text, step_text
from bpfvm.scenario.model import Step
from tests.cli.conftest import Bpfvm

HEAD = """\
name: a story
checker: off
sysfs: {enabled: always, hugepages-2048kB: inherit}
objects: {pol: two_orders.bpf.o}
steps:
"""
MANAGED = """\
  - spawn: a
  - attach: {map: pol.pol_a, set: {pid: a}, as: link}
  - fault: {in: a, expect: {managed_by: pol_a}}
"""
WRONG = MANAGED.replace("managed_by: pol_a", "managed_by: pol_b")
OOPS = """\
  - kthread: worker
  - attach: {map: pol.pol_a, set: {pid: worker}}
"""


def _story(folder: Path, steps: str) -> Path:
    path = folder / "story.yaml"
    path.write_text(HEAD + steps)
    return path


@pytest.mark.parametrize(("steps", "code"), [(MANAGED, 0), (WRONG, 1), (OOPS, 4)], ids=["ok", "wrong", "oops"])
def test_exit_code(bpfvm: Bpfvm, tmp_path: Path, steps: str, code: int) -> None:
    path = _story(tmp_path, steps)
    assert bpfvm("thp", "scenario", path).code == code
    quiet = bpfvm("thp", "scenario", path, "-q")
    assert quiet.code == code
    assert quiet.out == f"{'FAILED' if code else 'ok    '} {path}: a story\n"
    data = bpfvm("thp", "scenario", path, "-j")
    assert data.code == code
    assert (data.json["ok"], data.json["oopsed"]) == (code == 0, code == 4)


def test_the_worst_of_several_counts(bpfvm: Bpfvm, tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    done = bpfvm("thp", "scenario", _story(tmp_path / "good", MANAGED), _story(tmp_path, WRONG), "-q")
    assert done.code == 1
    assert [line[:6] for line in done.out.splitlines()] == ["ok    ", "FAILED"]


def test_the_table_says_what_differs(bpfvm: Bpfvm, tmp_path: Path) -> None:
    done = bpfvm("thp", "scenario", _story(tmp_path, WRONG))
    assert "✗ " in done.out
    assert "not as expected" in done.out
    assert "everything as expected" in bpfvm("thp", "scenario", _story(tmp_path, MANAGED)).out


@pytest.mark.parametrize("steps", ["  - nonsense: 1\n", "  - [", "  - spawn\n", "\0"])
def test_a_malformed_story_is_bad_input(bpfvm: Bpfvm, tmp_path: Path, steps: str) -> None:
    path = _story(tmp_path, steps)
    done = bpfvm("thp", "scenario", path)
    assert str(path) in done.error_line()
    assert done.code == 3


def test_an_oops_is_4_and_shows_its_trace(bpfvm: Bpfvm) -> None:
    done = bpfvm("struct_ops", "register", "two_orders.bpf.o", "--set", "pol_a.pid=2", "--checker", "off")
    assert done.code == 4
    assert "NULL pointer dereference" in done.err
    assert "Call Trace:\n mmput\n" in done.err


@pytest.mark.parametrize(
    ("mask", "text"), [(0, "{}"), (1, "{0}"), (0x200, "{9}"), (0x1FF, "{0–8}"), (0x3FD, "{0, 2–9}"), (0x201, "{0, 9}")]
)
def test_mask_text(mask: int, text: str) -> None:
    assert mask_text(mask) == text


def test_order_text() -> None:
    assert [order_text(order) for order in (0, 4, 9)] == ["order 0 (4 KiB)", "order 4 (64 KiB)", "order 9 (2 MiB)"]


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (Step("spawn", {"as": "a"}), "spawn a"),
        (Step("fork", {"of": "a", "as": "child"}), "fork a as child"),
        (Step("fault", {"in": "a", "fresh": True}), "fault in a fresh"),
        (Step("attach", {"map": "p.a", "into": "p", "set": {"pid": "a"}}), "attach p.a set {pid: a}"),
    ],
)
def test_step_text(step: Step, text: str) -> None:
    assert step_text(step) == text
