# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Judges cases in forked worker processes with a limit of time and memory each, so that no case can stop a run."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import resource
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]
Judge = Callable[[str, str], Record]
"""(task, key) → what was found"""

PATIENCE = 5
TIMEOUT: Record = {"ours": "timeout", "category": "timeout"}


@dataclass(slots=True)
class Task:
    """Cases that share an object, judged one after the other by one worker."""

    name: str
    keys: Sequence[str]
    judge: Judge


@dataclass(slots=True)
class _Worker:
    process: multiprocessing.Process
    pipe: multiprocessing.connection.Connection
    task: Task
    left: deque[str]
    started: float


class Pool:
    """jobs: workers at a time; megabytes: limit of a worker's address space; seconds: limit per case, of processor time
    (so a busy machine changes no result), and PATIENCE times as much by the clock."""

    def __init__(self, jobs: int = 2, seconds: float = 60, megabytes: int = 6144) -> None:
        self._jobs = jobs
        self._seconds = seconds
        self._bytes = megabytes << 20
        self._context = multiprocessing.get_context("fork")

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, str, Record]]:
        """Every case's record, in the order they are finished."""
        waiting = deque(task for task in tasks if task.keys)
        workers: list[_Worker] = []
        try:
            while waiting or workers:
                while waiting and len(workers) < self._jobs:
                    task = waiting.popleft()
                    workers.append(self._start(task, deque(task.keys)))
                yield from self._wait(workers)
        finally:
            for worker in workers:
                self._stop(worker)

    def _start(self, task: Task, left: deque[str]) -> _Worker:
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=self._work, args=(theirs, task, list(left)), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours, task, left, time.monotonic())  # type: ignore[arg-type]  # fork's own class

    def _work(self, pipe: multiprocessing.connection.Connection, task: Task, keys: Sequence[str]) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_AS, (self._bytes, self._bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for key in keys:
            started = time.monotonic()
            signal.setitimer(signal.ITIMER_PROF, self._seconds)
            try:
                record = task.judge(task.name, key)
            except MemoryError:
                record = {"ours": "memory", "category": "memory limit"}
            except Exception as error:  # noqa: BLE001  # a crash of the code under test is a finding
                record = crash(error)
            signal.setitimer(signal.ITIMER_PROF, 0)
            record["seconds"] = round(time.monotonic() - started, 3)
            pipe.send((key, record))
        pipe.close()

    def _wait(self, workers: list[_Worker]) -> Iterator[tuple[Task, str, Record]]:
        patience = self._seconds * PATIENCE
        timeout = max(0.05, min(w.started + patience - time.monotonic() for w in workers))
        ready = multiprocessing.connection.wait([w.pipe for w in workers], timeout)
        for worker in list(workers):
            if worker.pipe in ready:
                yield from self._receive(workers, worker)
            elif time.monotonic() - worker.started > patience:
                yield from self._lost(workers, worker, TIMEOUT)

    def _receive(self, workers: list[_Worker], worker: _Worker) -> Iterator[tuple[Task, str, Record]]:
        try:
            key, record = worker.pipe.recv()
        except EOFError:
            if worker.left:
                worker.process.join()
                code = worker.process.exitcode
                ended = {"ours": "crash", "category": f"crash: worker ended with {code}"}
                yield from self._lost(workers, worker, TIMEOUT if code == -signal.SIGPROF else ended)
            else:
                self._stop(worker)
                workers.remove(worker)
            return
        worker.left.popleft()
        worker.started = time.monotonic()
        yield worker.task, key, record

    def _lost(self, workers: list[_Worker], worker: _Worker, record: Record) -> Iterator[tuple[Task, str, Record]]:
        """The current case is lost; another worker takes the rest of the task."""
        self._stop(worker)
        workers.remove(worker)
        key = worker.left.popleft()
        if worker.left:
            workers.append(self._start(worker.task, worker.left))
        yield worker.task, key, {**record, "seconds": round(time.monotonic() - worker.started, 3)}

    @staticmethod
    def _stop(worker: _Worker) -> None:
        if worker.process.is_alive() and worker.left:
            worker.process.kill()
        worker.process.join()
        worker.pipe.close()


def crash(error: Exception) -> Record:
    """The record of a Python exception: its kind, and the innermost place in the sources under test."""
    frames = traceback.extract_tb(error.__traceback__)
    tested = [frame for frame in frames if f"{os.sep}tests{os.sep}" not in frame.filename] or frames
    place = f"{os.sep.join(tested[-1].filename.split(os.sep)[-2:])}:{tested[-1].lineno} {tested[-1].name}"
    what = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    return {
        "ours": "crash",
        "category": f"crash: {what} at {place}",
        "traceback": "".join(traceback.format_exception(error)[-8:]),
    }
