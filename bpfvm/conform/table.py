# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The result of a run for people, and as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from bpfvm.conform.answer import AGREE, DISAGREE, NOT_ASKED, Outcome
from bpfvm.report.console import print_table


def counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many of each state, and how many are accepted that should not be."""
    states = Counter(each.state for each in outcomes)
    found = {state: states[state] for state in (AGREE, DISAGREE, NOT_ASKED)}
    return found | {"unsafe": sum(each.is_unsafe for each in outcomes)}


def print_outcomes(outcomes: Sequence[Outcome], console: Console) -> None:
    """A table of disagreements, one of what wasn't asked and why, and a line with the sums."""
    ordered = sorted(outcomes, key=lambda each: each.case.name)
    rows = [
        (each.case.name, each.case.section, each.case.expected, each.answer.word, each.what)
        for each in ordered
        if each.state == DISAGREE
    ]
    print_table(console, "disagreements", ("case", "section", "expected", "answer", "what"), rows)
    reasons = Counter(each.what for each in ordered if each.state == NOT_ASKED)
    print_table(console, "not asked", ("#cases", "why"), [(str(count), why) for why, count in reasons.most_common()])
    sums = counts(outcomes)
    asked = sums[AGREE] + sums[DISAGREE]
    line = f"{sums[AGREE]} of {asked} cases agree"
    if sums[NOT_ASKED]:
        line += f", {sums[NOT_ASKED]} not asked"
    if sums["unsafe"]:
        line += f"; {sums['unsafe']} accepted that are to be refused"
    console.print(Text(line, style="bold"))


def outcomes_data(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """All of it as JSON-able data, in the order of names."""
    ordered = sorted(outcomes, key=lambda each: each.case.name)
    return {"counts": counts(outcomes), "cases": [each.data() for each in ordered]}
