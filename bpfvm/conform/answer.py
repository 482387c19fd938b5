# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a verifier answers to a case, and whether that is what the case expects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bpfvm.conform.expectation import ANY_POINTER
from bpfvm.conform.messages import first_missing
from bpfvm.conform.suite import Case

AGREE, DISAGREE, NOT_ASKED = "agree", "disagree", "not asked"


@dataclass(frozen=True, slots=True)
class Answer:
    """accepted: None when the verifier couldn't be asked, or gave none; why: the reason of that, or of a refusal.

    log: where the expected messages are looked for, None when there is no log; retval: what the program returned (s32);
    run_problem: why it was to be run and wasn't.
    """

    accepted: bool | None
    why: str = ""
    log: str | None = None
    retval: int | None = None
    run_problem: str = ""
    lost: bool = False
    """no answer, where there should be one: a crash, a time limit"""

    @property
    def word(self) -> str:
        """For tables."""
        if self.accepted is None:
            return "none"
        return "accept" if self.accepted else "reject"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case with its answer. state: AGREE, DISAGREE or NOT_ASKED; what: in what they differ, "" when they agree."""

    case: Case
    answer: Answer
    state: str
    what: str = ""
    seconds: float = 0.0

    @property
    def is_unsafe(self) -> bool:
        """The worse error: accepted, and it should not have been."""
        return self.state == DISAGREE and self.case.failure and self.answer.accepted is True

    def data(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {
            "case": self.case.name,
            "object": self.case.path,
            "section": self.case.section,
            "program": self.case.program,
            "mode": self.case.mode,
            "expected": self.case.expected,
            "answer": self.answer.word,
            "state": self.state,
            "what": self.what,
            "why": self.answer.why,
            "seconds": self.seconds,
        }


def compare(case: Case, answer: Answer, seconds: float = 0.0) -> Outcome:
    """Verdict, then messages, then the returned value: the first that is different counts."""
    if answer.accepted is None and not answer.lost:
        return Outcome(case, answer, NOT_ASKED, answer.why, seconds)
    what = _difference(case, answer)
    return Outcome(case, answer, DISAGREE if what else AGREE, what, seconds)


def _difference(case: Case, answer: Answer) -> str:
    if answer.accepted is None:
        return answer.why
    if answer.accepted == case.failure:
        if case.failure:
            return "accepts what is to be refused"
        return f"refuses: {answer.why}" if answer.why else "refuses"
    if answer.log is not None:
        missing = first_missing(answer.log, case.messages)
        if missing is not None:
            return f"message missing: {missing}" + (f" (says: {answer.why})" if answer.why else "")
    if case.retval is None or case.retval == ANY_POINTER or (answer.retval is None and not answer.run_problem):
        return ""
    if answer.run_problem:
        return f"not run: {answer.run_problem}"
    return "" if answer.retval == case.retval else f"returns {answer.retval}, not {case.retval}"
