# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A whole suite put to a verifier, several cases at a time, each with a time limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict

from bpfvm.conform.answer import Answer, Outcome, compare
from bpfvm.conform.command import Command
from bpfvm.conform.ours import OurVerifier
from bpfvm.conform.pool import Pool, Record, Task
from bpfvm.conform.suite import Case


def ask_ours(ours: OurVerifier, cases: Sequence[Case], *, jobs: int, seconds: float) -> Iterator[Outcome]:
    """Outcomes as they come, from worker processes: one that hangs, crashes or eats memory loses its case only."""
    by_key = {_key(case): case for case in cases}

    def judge(_path: str, key: str) -> Record:
        return asdict(ours.ask(by_key[key]))

    keys: dict[str, list[str]] = {}
    for case in cases:
        keys.setdefault(case.path, []).append(_key(case))
    tasks = [Task(path, of_it, judge) for path, of_it in keys.items()]
    for _, key, record in Pool(jobs, seconds).run(tasks):
        took = record.pop("seconds")
        lost = "ours" in record
        why = f"no answer within {seconds:g} s" if record.get("ours") == "timeout" else str(record.get("category"))
        yield compare(by_key[key], Answer(None, why, lost=True) if lost else Answer(**record), took)


def _key(case: Case) -> str:
    return f"{case.path} {case.program} {case.mode}"


def ask_command(command: Command, cases: Sequence[Case], *, jobs: int) -> Iterator[Outcome]:
    """Outcomes as they come. Raises UsageError when the command can't be run at all."""

    def ask(case: Case) -> Outcome:
        started = time.monotonic()
        answer = command.ask(case)
        return compare(case, answer, round(time.monotonic() - started, 3))

    with ThreadPoolExecutor(jobs) as pool:
        try:
            yield from _in_turn(pool, ask, cases, jobs)
        finally:
            command.give_up()


def _in_turn(
    pool: ThreadPoolExecutor, ask: Callable[[Case], Outcome], cases: Sequence[Case], jobs: int
) -> Iterator[Outcome]:
    """Never more work handed out than is being done, so that giving up is quick."""
    waiting, running = list(reversed(cases)), set[Future[Outcome]]()
    while waiting or running:
        while waiting and len(running) < jobs:
            running.add(pool.submit(ask, waiting.pop()))
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            yield future.result()
