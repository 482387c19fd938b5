# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Every story file is told, and every expectation in it must hold: what a real patched kernel showed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpfvm.scenario.parse import read_scenario
from bpfvm.scenario.runner import tell

STORIES = sorted((Path(__file__).parent / "stories").glob("*.yaml"))


def test_all_eighteen_rows_of_the_table_have_a_story() -> None:
    numbers = {int(path.name[:2]) for path in STORIES}
    assert numbers >= set(range(1, 19))


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_story(path: Path) -> None:
    tell(read_scenario(path)).check()


def test_a_wrong_expectation_is_noticed() -> None:
    """The runner can fail: the first story with one expectation turned round."""
    from dataclasses import replace

    story = read_scenario(STORIES[0])
    steps = [
        replace(step, expect={"managed_by": "somebody else"}) if step.word == "fault" else step for step in story.steps
    ]
    result = tell(replace(story, steps=tuple(steps)))
    assert not result.ok
    assert "managed_by: expected somebody else" in result.steps[-1].differences[0]
