# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Story files: what is read, and that every mistake is named with its line and the allowed words."""

from __future__ import annotations

import pytest

from bpfvm.errors import BadInput
from bpfvm.scenario.parse import parse_scenario
from bpfvm.scenario.vocabulary import STEPS

GOOD = b"""\
name: a story
profile: v12
checker: list
sysfs: {enabled: always, hugepages-2048kB: inherit}
objects: {pol: two_orders.bpf.o}
steps:
  - spawn: a
  - fork: {of: a, as: c0, expect: {errno: 0}}
  - exit: c0
    expect: {errno: ESRCH}
  - check: {managed: {a: pol_a}}
"""


def test_a_story_becomes_steps_with_lines() -> None:
    story = parse_scenario(GOOD)
    assert (story.name, story.profile, story.checker) == ("a story", "v12", "list")
    assert [(step.word, step.line) for step in story.steps] == [("spawn", 7), ("fork", 8), ("exit", 9), ("check", 11)]
    assert story.steps[0].args == {"as": "a"}
    assert story.steps[1].expect == {"errno": 0}
    assert story.steps[2].expect == {"errno": "ESRCH"}
    assert story.steps[3].expect == {"managed": {"a": "pol_a"}}


def test_words_that_look_like_booleans_stay_words() -> None:
    story = parse_scenario(b"steps:\n  - spawn: on\n  - spawn: y\n")
    assert [step.args["as"] for step in story.steps] == ["on", "y"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a story is a mapping"),
        ("name: x\n", "needs a list of `steps`"),
        ("steps: []\n", "needs a list of `steps`"),
        ("colour: red\nsteps: [{spawn: a}]\n", "line 1: unknown story: `colour`; allowed are name, about"),
        ("steps:\n  - dance: a\n", "line 2: unknown step `dance`; allowed are spawn, kthread"),
        ("steps:\n  - fork: {of: a, into: b}\n", "line 2: unknown argument of `fork`: `into`; allowed are of, as"),
        ("steps:\n  - fork: {as: a}\n", "line 2: `fork` needs of"),
        ("steps:\n  - {spawn: a, exit: a}\n", "line 2: a step has one word, found spawn, exit"),
        ("steps:\n  - spawn: {as: a, expect: {colour: 1}}\n", "unknown expectation of `spawn`: `colour`"),
        ("steps:\n  - spawn: {as: a, expect: {}}\n    expect: {}\n", "`expect` stands twice"),
        ("profile: v13\nsteps: [{spawn: a}]\n", "profile `v13`; allowed are v11, v12, fixed"),
        ("steps:\n  - spawn: &x a\n  - exit: *x\n", "aliases are not used"),
        ("steps:\n  - spawn: a\n  - spawn: b\n spawn", "line 4:"),
        ("steps: [{spawn: !!python/object:os.system x}]", "YAML tag"),
        ("name: a\nname: b\nsteps: [{spawn: a}]\n", "`name` stands twice"),
        ("{" * 200, "line 1"),
        ("steps: " + "[" * 5000, "nested"),
    ],
)
def test_mistakes_are_named(text: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_scenario(text.encode(), "story.yaml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("story.yaml")


def test_not_text() -> None:
    with pytest.raises(BadInput, match="not UTF-8"):
        parse_scenario(b"\xff\xfe\x00")


def test_every_word_has_an_action() -> None:
    from bpfvm.scenario.runner import action_of

    for word in set(STEPS) - {"check", "pause", "resume"}:
        assert callable(action_of(word))
