# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A case that spins, sleeps, dies or raises costs its own record, not the others'."""

from __future__ import annotations

import os
import time

from bpfvm.conform.pool import PATIENCE, Pool, Record, Task

SECONDS = 0.3


def _judge(_task: str, key: str) -> Record:
    if key == "spins":
        while True:
            pass
    if key == "dies":
        os._exit(3)
    if key == "raises":
        raise ValueError("of no use")
    time.sleep({"waits": 2 * SECONDS, "sleeps": 100}.get(key, 0))
    return {"ours": "accept"}


def _found(*keys: str) -> dict[str, Record]:
    return {key: record for _, key, record in Pool(2, SECONDS).run([Task("t", keys, _judge), Task("u", ["u"], _judge)])}


def test_the_limit_is_of_processor_time() -> None:
    found = _found("spins", "waits", "last")
    assert {key: record["ours"] for key, record in found.items()} == {
        "spins": "timeout",
        "waits": "accept",
        "last": "accept",
        "u": "accept",
    }
    assert found["spins"]["seconds"] > SECONDS / 2


def test_who_sleeps_is_waited_for_longer_but_not_for_ever() -> None:
    found = _found("sleeps", "last")
    assert (found["sleeps"]["ours"], found["last"]["ours"]) == ("timeout", "accept")
    assert SECONDS * PATIENCE < found["sleeps"]["seconds"] < 60


def test_crashes_are_records() -> None:
    found = _found("dies", "raises", "last")
    assert found["dies"]["category"] == "crash: worker ended with 3"
    assert found["raises"]["category"].startswith("crash: ValueError: of no use at ")
    assert found["last"]["ours"] == "accept"
