# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Any verifier at all asked about a case: a command that ends with 0 when it accepts the program.

Exit code 77 means that it can't say (as in automake's test harness), any other one that it refuses. The command runs in
a process group of its own, which is killed at its time limit or when the run is given up.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from contextlib import suppress
from threading import Lock

from bpfvm.conform.answer import Answer
from bpfvm.conform.expectation import FLAGS
from bpfvm.conform.suite import PRIVILEGED, Case
from bpfvm.errors import UsageError

NO_ANSWER = 77
LONGEST = 1 << 20
"""characters of output that are looked at"""


class Command:
    """A command line with places for what is asked: {object} and {section} or {program}, and perhaps {flags}, the
    BPF_F_* as a number, and {privilege}, "privileged" or "unprivileged". Raises UsageError.

    What has no place can't be asked: cases with flags without {flags}, unprivileged ones without {privilege}.
    """

    def __init__(self, template: str, *, seconds: float, messages: bool) -> None:
        try:
            self._words = shlex.split(template)
        except ValueError as error:
            raise UsageError(f"--command {template}: {error}") from error
        if not self._words or "{object}" not in template or not ("{section}" in template or "{program}" in template):
            raise UsageError(f"--command {template}: write {{object}} and {{section}} or {{program}} where they belong")
        self._template = template
        self._seconds = seconds
        self._messages = messages
        self._lock = Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._given_up = False

    def ask(self, case: Case) -> Answer:
        """Run it. Raises UsageError when there is no such program."""
        if case.flags and "{flags}" not in self._template:
            return Answer(None, f"needs {_flag_names(case.flags)}, and the command has no {{flags}}")
        if case.mode != PRIVILEGED and "{privilege}" not in self._template:
            return Answer(None, f"is about {case.mode} loading, and the command has no {{privilege}}")
        code, output = self._run([self._filled(word, case) for word in self._words])
        last = next((line for line in reversed(output.splitlines()) if line.strip()), "")[:300]
        if code is None:
            return Answer(None, f"no answer within {self._seconds:g} s", lost=True)
        if code == NO_ANSWER:
            return Answer(None, last or "the command can't say")
        if code < 0:
            return Answer(None, f"killed by signal {-code}", lost=True)
        return Answer(code == 0, last if code else "", output if self._messages else None)

    def give_up(self) -> None:
        """Kill what runs, and start nothing more."""
        with self._lock:
            self._given_up = True
            for process in self._running:
                _kill(process)

    @staticmethod
    def _filled(word: str, case: Case) -> str:
        for place, value in (
            ("{object}", case.path),
            ("{section}", case.section),
            ("{program}", case.program),
            ("{flags}", str(case.flags)),
            ("{privilege}", case.mode),
        ):
            word = word.replace(place, value)
        return word

    def _run(self, words: list[str]) -> tuple[int | None, str]:
        """(exit code, output and errors together); None at the time limit."""
        with self._lock:
            if self._given_up:
                return None, ""
            process = _start(words)
            self._running.add(process)
        try:
            output, _ = process.communicate(timeout=self._seconds)
            return process.returncode, output[-LONGEST:]
        except subprocess.TimeoutExpired:
            _kill(process)
            process.communicate()
            return None, ""
        finally:
            with self._lock:
                self._running.discard(process)


def _start(words: list[str]) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise UsageError(f"--command: {words[0]}: {error.strerror}") from error


def _kill(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _flag_names(flags: int) -> str:
    names = [name for name, bit in FLAGS.items() if flags & bit]
    return ", ".join(names) or f"load flags {flags:#x}"
