# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Expectations held against answers, and commands as verifiers."""

from __future__ import annotations

import os
import shlex
import sys
import time
from threading import Timer

import pytest

from bpfvm.conform.answer import AGREE, DISAGREE, NOT_ASKED, Answer, compare
from bpfvm.conform.command import Command
from bpfvm.conform.run import ask_command, ask_ours
from bpfvm.conform.suite import PRIVILEGED, UNPRIVILEGED, Case
from bpfvm.errors import UsageError

GOOD = Case("a/stack.bpf.o", "socket", "good", PRIVILEGED, False, (), retval=7)
BAD = Case("a/stack.bpf.o", "socket", "bad", PRIVILEGED, True, ("first", "{{R[0-9]}} second"))


@pytest.mark.parametrize(
    ("case", "answer", "state", "what"),
    [
        (GOOD, Answer(True), AGREE, ""),
        (GOOD, Answer(True, retval=7), AGREE, ""),
        (GOOD, Answer(True, retval=8), DISAGREE, "returns 8, not 7"),
        (GOOD, Answer(True, run_problem="no packet"), DISAGREE, "not run: no packet"),
        (GOOD, Answer(False, "no"), DISAGREE, "refuses: no"),
        (GOOD, Answer(None, "no kernel"), NOT_ASKED, "no kernel"),
        (GOOD, Answer(None, "no answer within 1 s", lost=True), DISAGREE, "no answer within 1 s"),
        (BAD, Answer(False), AGREE, ""),
        (BAD, Answer(False, log="first\nR3 second"), AGREE, ""),
        (BAD, Answer(False, "x", log="R3 second\nfirst"), DISAGREE, "message missing: {{R[0-9]}} second (says: x)"),
        (BAD, Answer(True), DISAGREE, "accepts what is to be refused"),
    ],
)
def test_comparison(case: Case, answer: Answer, state: str, what: str) -> None:
    outcome = compare(case, answer)
    assert (outcome.state, outcome.what) == (state, what)
    assert outcome.is_unsafe == (case.failure and answer.accepted is True)


def command(code: str, places: str = "{object} {section} {program}", **more: object) -> Command:
    options = {"seconds": 20.0, "messages": False} | more
    return Command(f"{shlex.quote(sys.executable)} -c '{code}' {places}", **options)  # type: ignore[arg-type]


def test_exit_codes_are_answers() -> None:
    assert command("exit(0)").ask(GOOD) == Answer(True)
    assert command('print("why"); exit(3)').ask(GOOD) == Answer(False, "why")
    assert command('print("cannot"); exit(77)').ask(GOOD) == Answer(None, "cannot")
    killed = command("import os; os.kill(os.getpid(), 9)").ask(GOOD)
    assert killed.accepted is None and killed.lost and killed.why == "killed by signal 9"


def test_places_are_filled_in_and_output_is_the_log() -> None:
    told = command("import sys; print(sys.argv[1:]); exit(1)", "{object} {program}@{section}", messages=True).ask(BAD)
    assert told.log == "['a/stack.bpf.o', 'bad@socket']\n"


def test_output_that_is_no_text_does_no_harm() -> None:
    told = command('import sys; sys.stdout.buffer.write(b"\\xff\\n"); exit(1)').ask(GOOD)
    assert (told.accepted, told.why) == (False, "\ufffd")


def test_what_has_no_place_is_not_asked() -> None:
    strict = Case("o", "s", "p", PRIVILEGED, True, (), flags=1)
    unprivileged = Case("o", "s", "p", UNPRIVILEGED, True, ())
    assert command("exit(1)").ask(strict).why == "needs BPF_F_STRICT_ALIGNMENT, and the command has no {flags}"
    assert command("exit(1)").ask(unprivileged).accepted is None
    both = command('import sys; exit(sys.argv[2:] != ["1", "unprivileged"])', "{object} {flags} {privilege} {section}")
    assert both.ask(Case("o", "1", "p", UNPRIVILEGED, True, (), flags=1)).accepted is False


def test_time_limit() -> None:
    started = time.monotonic()
    answer = command("import time; time.sleep(60)", seconds=0.5).ask(GOOD)
    assert answer.lost and answer.why == "no answer within 0.5 s"
    assert time.monotonic() - started < 20


def test_giving_up_kills_what_runs() -> None:
    slow = command("import time; time.sleep(60)", seconds=60)
    Timer(0.5, slow.give_up).start()
    started = time.monotonic()
    outcomes = list(ask_command(slow, [GOOD] * 20, jobs=2))
    assert time.monotonic() - started < 20
    assert len(outcomes) == 20 and all(each.answer.accepted is None for each in outcomes)


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("true", "write {object}"),
        ("true {object}", "write {object}"),
        ("a 'b {object} {section}", "No closing quotation"),
    ],
)
def test_wrong_templates_are_usage_errors(template: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        Command(template, seconds=1, messages=False)


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no-such-verifier"):
        Command("no-such-verifier {object} {section}", seconds=1, messages=False).ask(GOOD)


class Moody:
    """A verifier that crashes, hangs or dies, by the name of the program."""

    def ask(self, case: Case) -> Answer:
        if case.program == "crash":
            raise KeyError("oops")
        if case.program == "hang":
            time.sleep(60)
        if case.program == "die":
            os._exit(3)
        return Answer(True)


def test_our_verifier_loses_only_the_case_it_fails_on() -> None:
    cases = [Case("o", "s", name, PRIVILEGED, False, ()) for name in ("one", "crash", "two", "hang", "die", "three")]
    outcomes = {each.case.program: each for each in ask_ours(Moody(), cases, jobs=2, seconds=2)}  # type: ignore[arg-type]
    assert {name for name, each in outcomes.items() if each.state == AGREE} == {"one", "two", "three"}
    assert outcomes["crash"].what.startswith("crash: KeyError: 'oops'")
    assert outcomes["hang"].what == "no answer within 2 s"
    assert outcomes["die"].what == "crash: worker ended with 3"
