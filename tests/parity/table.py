# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The rows as text, with what our verifier answers to their programs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bpfvm.conform.answer import AGREE, Outcome
from bpfvm.conform.suite import Case
from tests.parity.checks import CHECKS, Check

BEGIN = "<!-- checks: written by `python -m tests.parity`; edit tests/parity/checks.py -->"
END = "<!-- end of checks -->"
HEAD = (
    "| check | in Linux 6.18 | here | programs of our suite (accept + refuse) | more tests | state |",
    "|---|---|---|---|---|---|",
)


def cases_of(check: Check, cases: Iterable[Case]) -> list[Case]:
    """The cases that are about a check."""
    return [case for case in cases if re.search(check.programs, case.name)]


def state(outcomes: Sequence[Outcome]) -> str:
    """ "same", "narrower" or "not yet"; "unsafe" if something is accepted that Linux refuses."""
    if any(each.is_unsafe for each in outcomes):
        return "unsafe"
    if all(each.state == AGREE for each in outcomes):
        return "same"
    return "narrower" if any(each.state == AGREE and not each.case.failure for each in outcomes) else "not yet"


def lines(found: Mapping[str, Outcome]) -> list[str]:
    """The table. found: name of a case → our answer to it."""
    cases = [each.case for each in found.values()]
    return [*HEAD, *(_row(check, [found[case.name] for case in cases_of(check, cases)]) for check in CHECKS)]


def _row(check: Check, outcomes: Sequence[Outcome]) -> str:
    refused = sum(each.case.failure for each in outcomes)
    objects = sorted({Path(each.case.path).name.removesuffix(".bpf.o") for each in outcomes})
    programs = f"{', '.join(objects)} ({len(outcomes) - refused} + {refused})"
    ours = _code(", ".join(check.ours.split()))
    how = state(outcomes) + (f"; {check.gap}" if check.gap else "")
    return f"| {check.name} | {_kernel(check.kernel)} | {ours} | {programs} | {_code(check.tests)} | {how} |"


def _kernel(text: str) -> str:
    """Functions as code; those of kernel/bpf/verifier.c don't say so."""
    parts = []
    for group in text.split("; "):
        words = group.split(" ")
        file = words.pop(0) + " " if "/" in words[0] else ""
        parts.append((file + _code(" ".join(words))).strip())
    return "; ".join(parts)


def _code(names: str) -> str:
    return ", ".join(f"`{name}`" for name in names.split(", ") if name)


def rewritten(document: str, table: Sequence[str]) -> str:
    """The document with the table between its marks. Raises ValueError without marks."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no line {BEGIN!r} or {END!r}")
    return "\n".join([before + BEGIN, *table, END + after])
