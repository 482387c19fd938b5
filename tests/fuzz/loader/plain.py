# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Mutants drawn at random, one after the other."""

from __future__ import annotations

import hashlib
import random
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

from tests.fuzz.loader.judge import Hang, judge, limit_memory, timed
from tests.fuzz.loader.mutate import mutant


def again(path: Path) -> None:
    """Judge a file that a run has left."""
    with timed():
        judge(path.read_bytes(), Counter())
    print(f"{path}: a value or a typed error")


def run(intact: list[bytes], build: Path, seed: int, minutes: float) -> int:
    """Exit code 1 after the first that gives neither a value nor a typed error; it is left in ``build``."""
    limit_memory()
    rng, seen, count = random.Random(seed), Counter[str](), 0
    slowest = 0.0
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        data = mutant(rng.choice(intact), rng.getrandbits(64))
        start = time.monotonic()
        try:
            with timed():
                judge(data, seen)
        except (Exception, Hang):  # noqa: BLE001 – whatever it is, it is what this looks for
            path = build / f"crash-{hashlib.sha256(data).hexdigest()[:16]}.o"
            path.write_bytes(data)
            traceback.print_exc(limit=-12)
            print(f"after {count} objects: {path}", file=sys.stderr)
            return 1
        slowest = max(slowest, time.monotonic() - start)
        count += 1
    print(f"{count} objects from seed {seed}, the slowest took {slowest:.2f} s; nothing but values and typed errors")
    for what, number in sorted(seen.items()):
        print(f"  {what}: {number}")
    return 0
